package io.sparktf.tfrecord

import java.io.IOException

import org.apache.spark.SparkException

/**
 * A file whose frames cannot be read any further: a wrong checksum, a truncated or absurd record,
 * a broken compressed stream. An `IOException`, so `spark.sql.files.ignoreCorruptFiles` applies.
 */
class CorruptTFRecordException(message: String, cause: Throwable)
  extends IOException(message, cause) {
  def this(message: String) = this(message, null)

  private def writeReplace(): AnyRef = Sent.as(new IOException(message, cause), this)
}

/**
 * A record whose frame is whole but whose message is no tf.Example or does not fit the schema.
 * Not an `IOException`, so that `spark.sql.files.ignoreCorruptFiles` never drops the rest of a
 * file because of a column's type.
 */
class MalformedRecordException(message: String, cause: Throwable)
  extends SparkException(message, cause) {

  private def writeReplace(): AnyRef = Sent.as(new SparkException(message, cause), this)
}

/**
 * A file whose splits cannot tell its records from those that lie inside one of its records, or
 * cannot find them as the checksums of their lengths are wrong, which are not to be compared. The file
 * itself is whole. Not an `IOException`, as nothing is corrupt.
 */
class AmbiguousRecordException(message: String) extends SparkException(message, null) {

  private def writeReplace(): AnyRef = Sent.as(new SparkException(message, null), this)
}

/**
 * A file that has fewer bytes than when it was listed. Neither damage nor an `IOException`: no mode
 * and no `ignoreCorruptFiles` may take what is left for all that there was.
 */
class ChangedFileException(message: String) extends SparkException(message, null) {

  private def writeReplace(): AnyRef = Sent.as(new SparkException(message, null), this)
}

private[tfrecord] object ChangedFileException {

  /** @param size the file's bytes as it was listed */
  def apply(file: String, size: Long) = new ChangedFileException(
    s"$file: does not have the $size bytes any more with which it was listed: it was cut, replaced or " +
      "removed since. Read its folder again (REFRESH TABLE for a table)"
  )
}

private[tfrecord] object AmbiguousRecordException {

  /** What a split's broken chain of records may be a sign of too, in a file of `size` bytes. */
  def hint(size: Long): String =
    ", or a record of it holds TFRecord bytes that were taken for records. To tell, " +
      inOnePiece(size)

  /** @param found what the split that begins at `split` would take for its first record */
  def apply(file: String, size: Long, record: Long, split: Long, found: Long) =
    new AmbiguousRecordException(
      s"$file: the record at offset $record holds TFRecord bytes, which the split behind offset " +
        s"$split would read as records of the file from offset $found on: ${inOnePiece(size)}"
    )

  /** @param end behind which a length has a wrong checksum */
  def wrongLengths(file: String, size: Long, end: Long) =
    new AmbiguousRecordException(
      s"$file: a record behind offset $end has a wrong checksum of its length, by which the splits of " +
        s"a file find its records: ${inOnePiece(size)}"
    )

  private def inOnePiece(size: Long): String =
    "read the file in one piece: set spark.sql.files.maxPartitionBytes and " +
      s"spark.sql.files.openCostInBytes to at least $size"
}

/**
 * A record for which there is no memory. Neither an `IOException` nor a malformed record: no mode
 * and no `ignoreCorruptFiles` may leave records out because a heap is small.
 */
class OversizedRecordException(message: String, cause: Throwable)
  extends SparkException(message, cause) {

  private def writeReplace(): AnyRef = Sent.as(new SparkException(message, cause), this)
}

/** There is no memory for a record or its row, before the file and the offset are known. */
final private[tfrecord] class NoMemoryException(size: Int)
  extends RuntimeException(
    s"$size bytes of memory are needed in one piece, which the heap of " +
      s"${Runtime.getRuntime.maxMemory} does not have: give the executors more " +
      "(spark.executor.memory, or spark.driver.memory in local mode)",
    null,
    false,
    false
  ) {

  private def writeReplace(): AnyRef = Sent.as(new RuntimeException(getMessage), this)
}

/**
 * What is wrong with a message, before the file and the offset are known. Thrown and caught for
 * each malformed record, so it carries no stack trace.
 */
final private[tfrecord] class MalformedMessageException(message: String)
  extends RuntimeException(message, null, false, false) {

  private def writeReplace(): AnyRef = Sent.as(new RuntimeException(message), this)
}

/**
 * Errors on their way from a task to the driver go as classes that any driver has. One that got
 * the data source from a Spark Connect session, as an artifact, reads the results of tasks without
 * it: of an error of a class that it does not know it would say "UnknownReason", and no more.
 */
private object Sent {
  def as(plain: Exception, error: Exception): Exception = {
    plain.setStackTrace(error.getStackTrace)
    error.getSuppressed.foreach(plain.addSuppressed)
    plain
  }
}

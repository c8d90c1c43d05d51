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
}

/**
 * A record whose frame is whole but whose message is no tf.Example or does not fit the schema.
 * Not an `IOException`, so that `spark.sql.files.ignoreCorruptFiles` never drops the rest of a
 * file because of a column's type.
 */
class MalformedRecordException(message: String, cause: Throwable)
  extends SparkException(message, cause)

/**
 * What is wrong with a message, before the file and the offset are known. Thrown and caught for
 * each malformed record, so it carries no stack trace.
 */
final private[tfrecord] class MalformedMessageException(message: String)
  extends RuntimeException(message, null, false, false)

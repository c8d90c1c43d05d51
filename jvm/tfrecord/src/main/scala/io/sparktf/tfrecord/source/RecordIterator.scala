package io.sparktf.tfrecord.source

import java.io.Closeable

import io.sparktf.tfrecord.{
  CorruptTFRecordException, MalformedMessageException, NoMemoryException, TFRecordFileFormat
}
import io.sparktf.tfrecord.decode.RecordDecoder
import io.sparktf.tfrecord.frame.FrameReader
import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.util.TaskCompletionListener
import org.slf4j.LoggerFactory

/** A row for each record of a file. Closes the file at its end, or on [[close]] before it. */
sealed abstract private[tfrecord] class RecordIterator(records: FrameReader)
  extends Iterator[InternalRow] with Closeable {
  private[this] var isAtRecord = false

  /** What a task has to close at its end. */
  val source = new RecordSource(records)

  /** Moves to the next row; false at the end. */
  protected def advance(): Boolean

  /** The row, valid until the next one is moved to. */
  protected def row(): InternalRow

  override def hasNext: Boolean = {
    if (!isAtRecord && source.isOpen) {
      isAtRecord = advance()
      if (!isAtRecord) close()
    }
    isAtRecord
  }

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException(s"${records.file} has no more records")
    isAtRecord = false
    row()
  }

  override def close(): Unit = source.close()
}

/**
 * A file that is open. Apart from its iterator because a task keeps it to the end, and may read
 * thousands of files: nothing of one that is closed may stay in memory, its buffers least of all.
 */
final private[tfrecord] class RecordSource(private[this] var records: FrameReader)
  extends TaskCompletionListener with Closeable {

  def isOpen: Boolean = records ne null

  override def close(): Unit = if (isOpen) {
    val closing = records
    records = null
    closing.close()
  }

  override def onTaskCompletion(context: TaskContext): Unit = close()
}

/** The rows that a file's records hold; the first that cannot be decoded is an error. */
final private[tfrecord] class StrictIterator(records: FrameReader, decoder: RecordDecoder)
  extends RecordIterator(records) {

  override protected def advance(): Boolean = records.next()

  override protected def row(): InternalRow =
    try decoder.read(records.buffer, records.start, records.end)
    catch {
      case e: MalformedMessageException => throw records.malformed(e)
      case e: NoMemoryException => throw records.oversized(e)
    }
}

/**
 * The rows that a file's records hold, without those that cannot be decoded or with a row in the
 * place of each.
 *
 * @param unselected decodes the columns that the query does not ask for, so that the same records
 *   are malformed whichever columns it asks for
 * @param report whether a record that cannot be decoded becomes a row
 */
final private[tfrecord] class LenientIterator(
    records: FrameReader,
    decoder: RecordDecoder,
    unselected: Option[RecordDecoder],
    report: Boolean
) extends RecordIterator(records) {
  private[this] var current: InternalRow = _
  private[this] var isBroken = false
  private[this] var hasWarned = false

  override protected def row(): InternalRow = current

  override protected def advance(): Boolean = {
    current = null
    while ((current eq null) && !isBroken && nextRecord()) {}
    current ne null
  }

  /** Decodes the next record, if there is one, or leaves it out. */
  private def nextRecord(): Boolean =
    try {
      val found = records.next()
      if (found) decode()
      found
    } catch {
      case e: CorruptTFRecordException if records.canGoOn =>
        if (!hasWarned) LenientIterator.log.warn(s"Records are left out: ${e.getMessage}")
        hasWarned = true
        if (report) reportRecord()
        true
      // Behind a broken frame nothing tells where the next one begins.
      case e: CorruptTFRecordException =>
        LenientIterator.log.warn(s"The rest of the file is left out: ${e.getMessage}")
        isBroken = true
        records.moveToDamage()
        if (report) reportRecord()
        false
    }

  private def decode(): Unit =
    try {
      unselected.foreach(_.read(records.buffer, records.start, records.end))
      current = decoder.read(records.buffer, records.start, records.end)
    } catch {
      case _: MalformedMessageException => if (report) reportRecord()
      case e: NoMemoryException => throw records.oversized(e)
    }

  private def reportRecord(): Unit =
    try current = decoder.corrupt(records.buffer, records.start, records.end)
    catch {
      case e: MalformedMessageException => throw records.malformed(e)
      case e: NoMemoryException => throw records.oversized(e)
    }
}

private[tfrecord] object LenientIterator {
  private val log = LoggerFactory.getLogger(classOf[TFRecordFileFormat])
}

/** The same row for each record of a file, whose data is not looked at. */
final private[tfrecord] class RecordCounter(records: FrameReader, same: InternalRow)
  extends RecordIterator(records) {

  override protected def advance(): Boolean = records.skip()

  override protected def row(): InternalRow = same
}

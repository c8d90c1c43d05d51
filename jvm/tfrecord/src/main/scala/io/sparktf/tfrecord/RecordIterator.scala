package io.sparktf.tfrecord

import java.io.Closeable

import org.apache.spark.sql.catalyst.InternalRow

/** A row for each record of a file. Closes the file at its end, or on [[close]] before it. */
sealed abstract private[tfrecord] class RecordIterator(records: RecordReader)
  extends Iterator[InternalRow] with Closeable {
  private[this] var isAtRecord = false
  private[this] var isClosed = false

  /** Moves to the next record; false at the end. */
  protected def advance(): Boolean

  /** The row of the record. */
  protected def row(): InternalRow

  override def hasNext: Boolean = {
    if (!isAtRecord && !isClosed) {
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

  override def close(): Unit = if (!isClosed) {
    isClosed = true
    records.close()
  }
}

/** The rows that a file's records hold. */
final private[tfrecord] class ExampleIterator(records: RecordReader, rows: ExampleReader)
  extends RecordIterator(records) {

  override protected def advance(): Boolean = records.next()

  override protected def row(): InternalRow =
    try rows.read(records.buffer, records.start, records.end)
    catch {
      case e: MalformedMessageException => throw records.malformed(e)
    }
}

/** The same row for each record of a file, whose data is not looked at. */
final private[tfrecord] class RecordCounter(records: RecordReader, same: InternalRow)
  extends RecordIterator(records) {

  override protected def advance(): Boolean = records.skip()

  override protected def row(): InternalRow = same
}

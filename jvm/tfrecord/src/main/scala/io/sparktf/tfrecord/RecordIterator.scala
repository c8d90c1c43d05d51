package io.sparktf.tfrecord

import java.io.Closeable

import org.apache.spark.sql.catalyst.InternalRow

/** The rows of one file. Closes the file at its end, and on [[close]] wherever it is. */
private[tfrecord] final class RecordIterator(file: String, records: RecordReader, rows: ExampleReader)
    extends Iterator[InternalRow] with Closeable {
  private[this] var isAtRecord = false
  private[this] var isClosed = false

  override def hasNext: Boolean = {
    if (!isAtRecord && !isClosed) {
      isAtRecord = records.next()
      if (!isAtRecord) close()
    }
    isAtRecord
  }

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException(s"$file has no more records")
    isAtRecord = false
    try rows.read(records.buffer, records.start, records.end)
    catch {
      case e: MalformedMessageException =>
        throw new MalformedRecordException(
          s"$file: the record at offset ${records.offset}: ${e.getMessage}", e)
    }
  }

  override def close(): Unit = if (!isClosed) {
    isClosed = true
    records.close()
  }
}

/** The same row for each record of a file, whose data is not looked at. */
private[tfrecord] final class RecordCounter(records: RecordReader, row: InternalRow)
    extends Iterator[InternalRow] with Closeable {
  private[this] var isAtRecord = false
  private[this] var isClosed = false

  override def hasNext: Boolean = {
    if (!isAtRecord && !isClosed) {
      isAtRecord = records.skip()
      if (!isAtRecord) close()
    }
    isAtRecord
  }

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException("no more records")
    isAtRecord = false
    row
  }

  override def close(): Unit = if (!isClosed) {
    isClosed = true
    records.close()
  }
}

package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.wire.GrowingBuffer
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow

/** Encodes a field of a row as an entry of a map from names to messages. */
private[tfrecord] trait EntryEncoder {

  /** Writes the value of a field that is not null. */
  def write(row: InternalRow, field: Int): Unit
}

/**
 * Encodes a map from names to messages as a field of the record: its tag, the length, an entry
 * for each of the row's fields that is not null. A map without an entry is left out.
 */
final private[tfrecord] class FeatureMapEncoder(
    tag: Int,
    fields: Array[Int],
    entries: EntryEncoder,
    buffer: GrowingBuffer
) {
  // The bytes of the length of the last record's map: a good guess for the next.
  private[this] var lengthSize = 1

  def write(row: InternalRow): Unit = {
    val start = buffer.position
    buffer.skip(1 + lengthSize)
    val content = buffer.position
    var i = 0
    while (i < fields.length) {
      if (!row.isNullAt(fields(i))) entries.write(row, fields(i))
      i += 1
    }
    val length = buffer.position - content
    if (length == 0) buffer.truncate(start)
    else close(start, content, length)
  }

  private def close(start: Int, content: Int, length: Int): Unit = {
    val size = varintSize(length)
    if (size != lengthSize) {
      buffer.shift(content, by = size - lengthSize)
      lengthSize = size
    }
    buffer.setByte(start, tag)
    buffer.setVarint(start + 1, length)
  }
}

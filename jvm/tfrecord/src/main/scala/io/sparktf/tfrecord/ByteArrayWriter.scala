package io.sparktf.tfrecord

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructField
import org.apache.spark.unsafe.Platform

/** Writes the bytes of the one column, binary or string, as they are. */
final private[tfrecord] class ByteArrayWriter(field: StructField, records: RecordWriter)
  extends RecordEncoder(records) {

  override protected def encode(row: InternalRow): Unit = {
    if (row.isNullAt(0)) {
      throw new MalformedMessageException(
        s"column `${field.name}` (${field.dataType.simpleString}): the value is null, for which a " +
          s"record of ${RecordType.ByteArray} has no place: remove the row or replace the value"
      )
    }
    val value = ArrayWriter.bytesOf(row, 0, field.dataType)
    val size = value.numBytes
    records.reserve(size)
    Platform.copyMemory(
      value.getBaseObject,
      value.getBaseOffset,
      records.bytes,
      Platform.BYTE_ARRAY_OFFSET.toLong + records.position,
      size
    )
    records.moveTo(records.position + size)
  }
}

package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.frame.FrameWriter
import io.sparktf.tfrecord.options.RecordType
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructField

/** Writes the bytes of the one column, binary or string, as they are. */
final private[tfrecord] class ByteArrayEncoder(field: StructField, records: FrameWriter)
  extends RecordEncoder(records) {

  override protected def encode(row: InternalRow): Unit = {
    if (row.isNullAt(0)) {
      throw new MalformedMessageException(
        s"column `${field.name}` (${field.dataType.simpleString}): the value is null, for which a " +
          s"record of ${RecordType.ByteArray} has no place: remove the row or replace the value"
      )
    }
    val value = ArrayEncoder.bytesOf(row, 0, field.dataType)
    records.buffer.putMemory(value.getBaseObject, value.getBaseOffset, value.numBytes)
  }
}

package io.sparktf.tfrecord.decode

import org.apache.spark.sql.catalyst.InternalRow

/** Gives the bytes of a record to the one column, be it binary or string, as they are. */
final private[tfrecord] class ByteArrayDecoder(schema: RowSchema, row: RowBuilder)
  extends RecordDecoder(schema, row) {
  private[this] val numColumns = schema.columns.length

  override def read(bytes: Array[Byte], start: Int, end: Int): InternalRow = {
    row.reset()
    var field = 0
    while (field < numColumns) {
      if (field == schema.corruptColumn) row.setNull(field)
      else row.setBytes(field, bytes, start, end - start)
      field += 1
    }
    row.result()
  }
}

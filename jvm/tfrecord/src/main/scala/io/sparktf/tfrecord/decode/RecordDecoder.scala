package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.options.RecordType
import org.apache.spark.sql.catalyst.InternalRow

/**
 * Decodes records straight into Spark's rows: no message objects, no boxing.
 *
 * The same row and its buffer are used for every record, as Spark's own sources do.
 */
abstract private[tfrecord] class RecordDecoder(schema: RowSchema, row: RowBuilder) {

  final def setPartitionValues(values: InternalRow): Unit = row.setPartitionValues(values)

  /**
   * The row of the record in `[start, end)`, valid until the next call.
   * `bytes` must go on for [[WireFormat.Slack]] bytes behind `end`.
   *
   * @throws MalformedMessageException where the record cannot be decoded or does not fit the schema
   */
  def read(bytes: Array[Byte], start: Int, end: Int): InternalRow

  /** The row that stands for a record which cannot be decoded: null but for the record's bytes. */
  final def corrupt(bytes: Array[Byte], start: Int, end: Int): InternalRow = {
    row.reset()
    var field = 0
    while (field < schema.columns.length) {
      if (field == schema.corruptColumn) row.setBytes(field, bytes, start, end - start)
      else row.setNull(field)
      field += 1
    }
    row.result()
  }
}

private[tfrecord] object RecordDecoder {
  def apply(recordType: RecordType, schema: RowSchema): RecordDecoder = {
    val row = new RowBuilder(schema.columns, schema.partitions)
    recordType match {
      case RecordType.Auto => new AutoDecoder(schema, row)
      case RecordType.Example => new ExampleDecoder(schema, row, mustBeKnown = false)
      case RecordType.SequenceExample =>
        new SequenceExampleDecoder(schema, row, mustBeKnown = false)
      case RecordType.ByteArray => new ByteArrayDecoder(schema, row)
    }
  }
}

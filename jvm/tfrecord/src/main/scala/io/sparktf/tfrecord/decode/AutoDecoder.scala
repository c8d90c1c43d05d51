package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.wire.{FeatureType, MessageFields}
import org.apache.spark.sql.catalyst.InternalRow

/**
 * Decodes serialized tf.Examples and tf.SequenceExamples, told apart by what is in each: the
 * second have a field 2, their feature lists. A tf.Example is a tf.SequenceExample without them, so
 * all are of the second kind where a column wants a feature list.
 */
final private[tfrecord] class AutoDecoder(schema: RowSchema, row: RowBuilder)
  extends RecordDecoder(schema, row) {
  private[this] val examples =
    if (schema.columns.exists(f => FeatureType.ofList(f.dataType).isDefined)) null
    else new ExampleDecoder(schema, row, mustBeKnown = true)
  private[this] val sequences = new SequenceExampleDecoder(schema, row, mustBeKnown = true)

  override def read(bytes: Array[Byte], start: Int, end: Int): InternalRow =
    if (examples eq null) sequences.read(bytes, start, end)
    // In the usual layout an Example's one field takes all of the record.
    else if (examples.decode(bytes, start, end)) row.result()
    else if (MessageFields.holds(bytes, start, end, 2)) sequences.read(bytes, start, end)
    else examples.readUnusual(bytes, start, end)
}

package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.frame.FrameWriter
import io.sparktf.tfrecord.wire.FeatureType
import io.sparktf.tfrecord.wire.WireFormat.Field1
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructType

/**
 * Encodes rows as serialized tf.Examples.
 *
 * A null column is an absent feature. Features come in the order of the columns, laid out as
 * protobuf's own writers do.
 *
 * @param schema the columns, each of which has a [[FeatureType]]
 */
final private[tfrecord] class ExampleEncoder(schema: StructType, records: FrameWriter)
  extends RecordEncoder(records) {
  private[this] val features = {
    val types = schema.fields.map(f => FeatureType.of(f.dataType).get)
    new FeatureEncoder(schema.fields, types, records.buffer)
  }
  private[this] val map =
    new FeatureMapEncoder(Field1, schema.fields.indices.toArray, features, records.buffer)

  override protected def encode(row: InternalRow): Unit = map.write(row)
}

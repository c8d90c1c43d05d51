package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.frame.FrameWriter
import io.sparktf.tfrecord.wire.FeatureType
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructType

/**
 * Encodes rows as serialized tf.SequenceExamples: arrays of arrays as feature lists, all other
 * columns as features of the context.
 *
 * @param featureLists arrays that become feature lists, of one value per step, although flat
 */
final private[tfrecord] class SequenceExampleEncoder(
    schema: StructType,
    featureLists: Set[String],
    records: FrameWriter
) extends RecordEncoder(records) {
  private[this] val isNested = schema.fields.map(f => FeatureType.ofList(f.dataType).isDefined)
  private[this] val (listFields, contextFields) = schema.fields.indices.toArray.partition { i =>
    isNested(i) || featureLists(schema(i).name)
  }
  private[this] val types = schema.fields.map { f =>
    FeatureType.ofList(f.dataType).orElse(FeatureType.of(f.dataType)).get
  }
  private[this] val context = new FeatureMapEncoder(
    Field1,
    contextFields,
    new FeatureEncoder(schema.fields, types, records.buffer),
    records.buffer
  )
  private[this] val lists = new FeatureMapEncoder(
    Field2,
    listFields,
    new FeatureListEncoder(schema.fields, types, isNested, records.buffer),
    records.buffer
  )

  override protected def encode(row: InternalRow): Unit = {
    context.write(row)
    lists.write(row)
  }
}

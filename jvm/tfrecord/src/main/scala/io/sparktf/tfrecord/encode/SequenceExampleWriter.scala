package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.frame.RecordWriter
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
final private[tfrecord] class SequenceExampleWriter(
    schema: StructType,
    featureLists: Set[String],
    records: RecordWriter
) extends RecordEncoder(records) {
  private[this] val isNested = schema.fields.map(f => FeatureType.ofList(f.dataType).isDefined)
  private[this] val (listFields, contextFields) = schema.fields.indices.toArray.partition { i =>
    isNested(i) || featureLists(schema(i).name)
  }
  private[this] val types = schema.fields.map { f =>
    FeatureType.ofList(f.dataType).orElse(FeatureType.of(f.dataType)).get
  }
  private[this] val context = new FeatureMapWriter(
    Field1,
    contextFields,
    new FeatureWriter(schema.fields, types, records.buffer),
    records.buffer
  )
  private[this] val lists = new FeatureMapWriter(
    Field2,
    listFields,
    new FeatureListWriter(schema.fields, types, isNested, records.buffer),
    records.buffer
  )

  override protected def encode(row: InternalRow): Unit = {
    context.write(row)
    lists.write(row)
  }
}

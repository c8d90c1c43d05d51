package io.sparktf.tfrecord

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructType

/**
 * Decodes serialized tf.Examples straight into Spark's rows: no message objects, no boxing.
 *
 * The same row and its buffer are used for every record, as Spark's own sources do.
 *
 * @param schema the columns to decode, in order; each has a [[FeatureType]]
 * @param partitionSchema the partition columns, which follow them in the row
 */
final private[tfrecord] class ExampleReader(
    schema: StructType,
    partitionSchema: StructType,
    caseSensitive: Boolean
) {
  private[this] val numFields = schema.length
  private[this] val row = new RowBuilder(numFields, partitionSchema)
  private[this] val tokenizer =
    new ExampleTokenizer(new FeatureNames(schema.fieldNames, caseSensitive))
  private[this] val features = new FeatureReader(schema.fields, row)
  private[this] val normalizer = new ExampleNormalizer

  def setPartitionValues(values: InternalRow): Unit = row.setPartitionValues(values)

  /**
   * The row of the record in `[start, end)`, valid until the next call.
   * `bytes` must go on for [[WireFormat.Slack]] bytes behind `end`.
   *
   * @throws MalformedMessageException where the message is no tf.Example or does not fit the schema
   */
  def read(bytes: Array[Byte], start: Int, end: Int): InternalRow = {
    if (!decode(bytes, start, end)) {
      normalizer.normalize(bytes, start, end)
      features.strict = true
      try {
        if (!decode(normalizer.buffer, normalizer.start, normalizer.end)) {
          throw new IllegalStateException("a normalized tf.Example was not readable")
        }
      } finally {
        features.strict = false
      }
    }
    row.result()
  }

  private def decode(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    if (!tokenizer.tokenize(bytes, start, end)) return false
    row.reset()
    var field = 0
    while (field < numFields) {
      val featureStart = tokenizer.start(field)
      if (featureStart < 0) row.setNull(field)
      else if (!features.read(field, bytes, featureStart, tokenizer.end(field))) return false
      field += 1
    }
    true
  }
}

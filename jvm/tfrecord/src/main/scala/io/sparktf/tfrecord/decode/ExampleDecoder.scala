package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.options.RecordType
import io.sparktf.tfrecord.wire.FeatureType
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow

/**
 * Decodes serialized tf.Examples.
 *
 * {{{
 * message Example { Features features = 1; }
 * }}}
 *
 * @param mustBeKnown whether a message of which protobuf knows no field is an error
 */
final private[tfrecord] class ExampleDecoder(
    schema: RowSchema,
    row: RowBuilder,
    mustBeKnown: Boolean
) extends RecordDecoder(schema, row) {
  private[this] val numFields = schema.columns.length
  private[this] val tokenizer =
    new FeatureMapTokenizer(new FeatureNames(schema.featureNames, schema.caseSensitive))
  private[this] val features = {
    val types = schema.columns.fields.map(f => FeatureType.of(f.dataType).get)
    new FeatureDecoder(schema.columns.fields, types, row)
  }
  private[this] val unusual = new UnusualMessages(RecordType.Example, mustBeKnown)

  override def read(bytes: Array[Byte], start: Int, end: Int): InternalRow =
    if (decode(bytes, start, end)) row.result() else readUnusual(bytes, start, end)

  /** Reads a record that [[decode]] leaves. */
  def readUnusual(bytes: Array[Byte], start: Int, end: Int): InternalRow = {
    features.strict = true
    try unusual.read(bytes, start, end)(decode)
    finally features.strict = false
    row.result()
  }

  /** Decodes a record into the row; false where it is unusual. */
  def decode(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var map = end
    if (start < end) {
      val content = readDelimited(bytes, start, end, Field1)
      map = (content >>> 32).toInt
      if (content < 0 || content.toInt != end - map) return false
    }
    if (!tokenizer.tokenize(bytes, map, end)) return false
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

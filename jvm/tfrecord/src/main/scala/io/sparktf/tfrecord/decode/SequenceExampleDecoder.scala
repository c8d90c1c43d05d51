package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.options.RecordType
import io.sparktf.tfrecord.wire.FeatureType
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow

/**
 * Decodes serialized tf.SequenceExamples.
 *
 * {{{
 * message SequenceExample { Features context = 1; FeatureLists feature_lists = 2; }
 * }}}
 *
 * A column that is an array of arrays is a feature list, an array per step. Any other column is a
 * feature of the context; where the context has none of its name, an array may also be a feature
 * list of one value per step.
 *
 * @param mustBeKnown whether a message of which protobuf knows no field is an error
 */
final private[tfrecord] class SequenceExampleDecoder(
    schema: RowSchema,
    row: RowBuilder,
    mustBeKnown: Boolean
) extends RecordDecoder(schema, row) {
  private[this] val numFields = schema.columns.length
  private[this] val context =
    new FeatureMapTokenizer(new FeatureNames(schema.featureNames, schema.caseSensitive))
  private[this] val lists =
    new FeatureMapTokenizer(new FeatureNames(schema.featureNames, schema.caseSensitive))
  private[this] val isNested =
    schema.columns.fields.map(f => FeatureType.ofList(f.dataType).isDefined)
  private[this] val features = {
    // Of a feature list, what a step holds.
    val types = schema.columns.fields.map { f =>
      FeatureType.ofList(f.dataType).orElse(FeatureType.of(f.dataType)).get
    }
    new FeatureDecoder(schema.columns.fields, types, row)
  }
  private[this] val featureLists = new FeatureListDecoder(features, row)
  private[this] val unusual = new UnusualMessages(RecordType.SequenceExample, mustBeKnown)

  override def read(bytes: Array[Byte], start: Int, end: Int): InternalRow = {
    if (!decode(bytes, start, end)) {
      features.strict = true
      try unusual.read(bytes, start, end)(decode)
      finally features.strict = false
    }
    row.result()
  }

  private def decode(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    if (!tokenize(bytes, start, end)) return false
    row.reset()
    var field = 0
    while (field < numFields) {
      if (!decodeField(field, bytes)) return false
      field += 1
    }
    true
  }

  /** Finds both maps, either of which may be left out, and what is in them. */
  private def tokenize(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var pos = start
    val features = readDelimited(bytes, pos, end, Field1)
    var map = pos
    if (features >= 0) {
      map = (features >>> 32).toInt
      pos = map + features.toInt
    }
    if (!context.tokenize(bytes, map, pos)) return false
    map = pos
    if (pos < end) {
      val featureLists = readDelimited(bytes, pos, end, Field2)
      if (featureLists < 0) return false
      map = (featureLists >>> 32).toInt
      if (featureLists.toInt != end - map) return false
    }
    lists.tokenize(bytes, map, end)
  }

  private def decodeField(field: Int, bytes: Array[Byte]): Boolean = {
    val feature = context.start(field)
    val list = lists.start(field)
    if (isNested(field)) {
      if (list >= 0) featureLists.read(field, bytes, list, lists.end(field))
      else if (feature < 0) setNull(field)
      else features.misplaced(field, "a feature list", "a feature of the context")
    } else if (feature >= 0) {
      features.read(field, bytes, feature, context.end(field))
    } else if (list < 0) {
      setNull(field)
    } else if (features.isArray(field)) {
      featureLists.readFlat(field, bytes, list, lists.end(field))
    } else {
      features.misplaced(field, "a feature of the context", "a feature list")
    }
  }

  private def setNull(field: Int): Boolean = {
    row.setNull(field)
    true
  }
}

package io.sparktf.tfrecord

import org.apache.spark.sql.types._

/**
 * What the records seen say of a feature.
 *
 * @param kind its list, one of the tags in [[WireFormat]]
 * @param isArray whether a list of more than one value was seen
 * @param hasValues whether a list of at least one value was seen
 * @param isText whether each value seen is valid UTF-8 (bytes only)
 * @param isNested whether it is a feature list of a SequenceExample
 * @param file a file in which it was seen
 */
final private[tfrecord] case class FeatureSummary(
    name: String,
    kind: Int,
    isArray: Boolean,
    hasValues: Boolean,
    isText: Boolean,
    isNested: Boolean,
    file: String
) {

  def merge(other: FeatureSummary): FeatureSummary = {
    if (isNested != other.isNested && hasValues && other.hasValues) {
      throw FeatureSummary.inBothMaps(name, file, other.file)
    }
    if (kind == 0 || other.kind == 0 || kind == other.kind) {
      copy(
        kind = kind | other.kind,
        isArray = isArray || other.isArray,
        hasValues = hasValues || other.hasValues,
        isNested = if (hasValues) isNested else other.isNested,
        isText = isText && other.isText
      )
    } else {
      throw FeatureSummary.disagreement(name, kind, file, other.kind, other.file)
    }
  }

  def dataType: DataType = {
    val element = kind match {
      case WireFormat.Int64List => LongType
      case WireFormat.FloatList => FloatType
      case WireFormat.BytesList => if (isText) StringType else BinaryType
    }
    // A feature's list has no place for a null element.
    val array = ArrayType(element, containsNull = false)
    if (isNested) ArrayType(array, containsNull = false) else if (isArray) array else element
  }
}

private[tfrecord] object FeatureSummary {
  def inBothMaps(name: String, file: String, otherFile: String) =
    new IllegalArgumentException(
      s"The schema cannot be inferred: `$name` is a feature of the context and a feature list " +
        s"(in $file and $otherFile). Give a schema in which its type says which is meant: an " +
        "array of arrays for the feature list"
    )

  def disagreement(name: String, kind: Int, file: String, otherKind: Int, otherFile: String) =
    new IllegalArgumentException(
      s"The schema cannot be inferred: the feature `$name` is of type " +
        s"${FeatureType.kindName(kind)} in $file and of type ${FeatureType.kindName(otherKind)} in " +
        s"$otherFile. Give a schema, or read the files apart"
    )
}

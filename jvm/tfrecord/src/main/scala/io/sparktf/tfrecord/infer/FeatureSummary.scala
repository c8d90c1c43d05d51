package io.sparktf.tfrecord.infer

import io.sparktf.tfrecord.wire.{FeatureType, WireFormat}
import org.apache.spark.sql.types._

/**
 * What the records seen say of a feature.
 *
 * @param kind its list, one of the tags in [[WireFormat]], or [[FeatureSummary.Numbers]]
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
    copy(
      kind = FeatureSummary.kindOf(name, kind, file, other.kind, other.file),
      isArray = isArray || other.isArray,
      hasValues = hasValues || other.hasValues,
      isNested = if (hasValues) isNested else other.isNested,
      isText = isText && other.isText
    )
  }

  def dataType: DataType = {
    val element = kind match {
      case WireFormat.Int64List => LongType
      case WireFormat.FloatList => FloatType
      case FeatureSummary.Numbers => DoubleType
      case WireFormat.BytesList => if (isText) StringType else BinaryType
    }
    // A feature's list has no place for a null element.
    val array = ArrayType(element, containsNull = false)
    if (isNested) ArrayType(array, containsNull = false) else if (isArray) array else element
  }
}

private[tfrecord] object FeatureSummary {

  /** Whole numbers in some records and floats in others, which a double holds both. */
  final val Numbers = 0x22

  /**
   * The kind of a feature that is of two, either of which may be 0 for none.
   *
   * @throws SchemaConflict where no column is for both
   */
  def kindOf(name: String, kind: Int, file: String, otherKind: Int, otherFile: String): Int =
    if (kind == otherKind || otherKind == 0) kind
    else if (kind == 0) otherKind
    else if (kind != WireFormat.BytesList && otherKind != WireFormat.BytesList) Numbers
    else throw disagreement(name, kind, file, otherKind, otherFile)

  def inBothMaps(name: String, file: String, otherFile: String) =
    new SchemaConflict(
      s"The schema cannot be inferred: `$name` is a feature of the context and a feature list " +
        s"(in $file and $otherFile). Give a schema in which its type says which is meant: an " +
        "array of arrays for the feature list"
    )

  private def disagreement(
      name: String,
      kind: Int,
      file: String,
      otherKind: Int,
      otherFile: String
  ) =
    new SchemaConflict(
      s"The schema cannot be inferred: the feature `$name` is of type ${kindName(kind)} in $file " +
        s"and of type ${kindName(otherKind)} in $otherFile. Give a schema, or read the files apart"
    )

  private def kindName(kind: Int): String =
    if (kind == Numbers) "int64_list and float_list" else FeatureType.kindName(kind)
}

/** Records that no schema is for. */
final private[tfrecord] class SchemaConflict(message: String)
  extends IllegalArgumentException(message)

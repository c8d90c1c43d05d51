package io.sparktf.tfrecord.wire

import org.apache.spark.sql.types._

/**
 * How a Spark column is held in a Feature: which list, and how its elements are laid out in
 * Spark's rows.
 *
 * @param element one of the constants of the companion
 * @param repeated whether the column is an array (a vector counts as one value here)
 * @param elementType the Spark type of the column or of its elements, for messages and decimals
 */
final private[tfrecord] case class FeatureType(
    element: Int,
    repeated: Boolean,
    elementType: DataType
) {

  /** The tag of the list in the Feature's oneof. */
  def kind: Int = FeatureType.kindOf(element)

  /** Whether floats of 32 bits, of which six decimal digits come back, do not hold all values. */
  def isInexact: Boolean = element match {
    case FeatureType.DoubleElement | FeatureType.VectorElement => true
    case FeatureType.DecimalElement => precision > 6
    case _ => false
  }

  def precision: Int = elementType.asInstanceOf[DecimalType].precision
  def scale: Int = elementType.asInstanceOf[DecimalType].scale
}

private[tfrecord] object FeatureType {
  final val BooleanElement = 0
  final val ByteElement = 1
  final val ShortElement = 2
  final val IntElement = 3
  final val LongElement = 4
  final val FloatElement = 5
  final val DoubleElement = 6
  final val DecimalElement = 7
  final val BytesElement = 8
  final val VectorElement = 9

  /**
   * The struct behind `org.apache.spark.ml.linalg.VectorUDT` and its `mllib` twin. Compared by
   * structure because spark-mllib is not on the class path of this jar.
   */
  private val vectorStruct: StructType = StructType(Seq(
    StructField("type", ByteType, nullable = false),
    StructField("size", IntegerType),
    StructField("indices", ArrayType(IntegerType, containsNull = false)),
    StructField("values", ArrayType(DoubleType, containsNull = false))
  ))

  def kindOf(element: Int): Int = element match {
    case FloatElement | DoubleElement | DecimalElement | VectorElement => WireFormat.FloatList
    case BytesElement => WireFormat.BytesList
    case _ => WireFormat.Int64List
  }

  def kindName(kind: Int): String = kind match {
    case WireFormat.BytesList => "bytes_list"
    case WireFormat.FloatList => "float_list"
    case WireFormat.Int64List => "int64_list"
  }

  /** The feature type of a Spark type, or None where a Feature cannot hold it. */
  def of(dataType: DataType): Option[FeatureType] = dataType match {
    case u: UserDefinedType[_] if u.sqlType == vectorStruct =>
      Some(FeatureType(VectorElement, repeated = false, u))
    case u: UserDefinedType[_] => of(u.sqlType)
    case a: ArrayType => ofElement(a.elementType).map(FeatureType(_, repeated = true, plain(a)))
    case other => ofElement(other).map(FeatureType(_, repeated = false, other))
  }

  /**
   * What a step of a SequenceExample's feature list holds for an array of arrays, or None where
   * the type is anything else.
   */
  def ofList(dataType: DataType): Option[FeatureType] = dataType match {
    case u: UserDefinedType[_] => ofList(u.sqlType)
    case ArrayType(inner: ArrayType, _) => of(inner)
    case _ => None
  }

  /** Whether a column is an array, of values or of arrays. */
  def isArray(dataType: DataType): Boolean =
    of(dataType).exists(_.repeated) || ofList(dataType).isDefined

  private def plain(array: ArrayType): DataType = array.elementType match {
    case u: UserDefinedType[_] => u.sqlType
    case other => other
  }

  private def ofElement(dataType: DataType): Option[Int] = dataType match {
    case BooleanType => Some(BooleanElement)
    case ByteType => Some(ByteElement)
    case ShortType => Some(ShortElement)
    case IntegerType | DateType => Some(IntElement)
    case LongType | TimestampType | TimestampNTZType => Some(LongElement)
    case FloatType => Some(FloatElement)
    case DoubleType => Some(DoubleElement)
    case _: DecimalType => Some(DecimalElement)
    case BinaryType => Some(BytesElement)
    // In Spark 4 these two are StringTypes as well.
    case _: StringType | _: CharType | _: VarcharType => Some(BytesElement)
    case u: UserDefinedType[_] if u.sqlType != vectorStruct => ofElement(u.sqlType)
    case _ => None
  }
}

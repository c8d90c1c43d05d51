package io.sparktf.savedmodel

import org.apache.spark.sql.types._

/**
 * A dtype of TensorFlow that Spark can hold.
 *
 * @param code its number in TensorFlow's `types.proto`
 * @param name its name in TensorFlow
 * @param bytes the size of an element in a tensor; 0 for strings, which have no fixed size
 * @param sparkType the type of Spark that holds all its values
 */
final private[savedmodel] case class DType(
    code: Int,
    name: String,
    bytes: Int,
    sparkType: DataType
) {
  def isUnsigned: Boolean = name.startsWith("u")
}

private[savedmodel] object DType {
  final val Float32 = 1
  final val Float64 = 2
  final val Int32 = 3
  final val UInt8 = 4
  final val Int16 = 5
  final val Int8 = 6
  final val Str = 7
  final val Int64 = 9
  final val Bool = 10
  final val BFloat16 = 14
  final val UInt16 = 17
  final val Float16 = 19
  final val UInt32 = 22
  final val UInt64 = 23

  private val all: Map[Int, DType] = Seq(
    DType(Float32, "float32", 4, FloatType),
    DType(Float64, "float64", 8, DoubleType),
    DType(Int32, "int32", 4, IntegerType),
    DType(UInt8, "uint8", 1, ShortType),
    DType(Int16, "int16", 2, ShortType),
    DType(Int8, "int8", 1, ByteType),
    DType(Str, "string", 0, StringType),
    DType(Int64, "int64", 8, LongType),
    DType(Bool, "bool", 1, BooleanType),
    DType(BFloat16, "bfloat16", 2, FloatType),
    DType(UInt16, "uint16", 2, IntegerType),
    DType(Float16, "float16", 2, FloatType),
    DType(UInt32, "uint32", 4, LongType),
    DType(UInt64, "uint64", 8, DecimalType(20, 0))
  ).map(dtype => dtype.code -> dtype).toMap

  private val others: Map[Int, String] =
    Map(8 -> "complex64", 18 -> "complex128", 20 -> "resource", 21 -> "variant")

  def of(code: Int): Option[DType] = all.get(code)

  def nameOf(code: Int): String =
    all.get(code).map(_.name).orElse(others.get(code)).getOrElse(s"DataType $code")
}

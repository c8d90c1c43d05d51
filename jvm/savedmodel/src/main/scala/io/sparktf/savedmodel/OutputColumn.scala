package io.sparktf.savedmodel

import java.math.{BigDecimal, BigInteger}
import java.nio.charset.StandardCharsets.UTF_8

import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData
import org.apache.spark.sql.catalyst.util.{ArrayData, GenericArrayData}
import org.apache.spark.sql.types.Decimal
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

/** Reads the rows of an output's tensor, as Spark holds them or as arrays of the JVM. */
final private[savedmodel] class OutputColumn(spec: TensorSpec) {
  private val dtype = spec.heldAs
  private val rank = spec.shape.get.length - 1

  private var tensor: TF_Tensor = _
  private val dims = new Array[Int](rank)

  /** Where the tensor's values are. */
  private[savedmodel] var address = 0L

  /** How many are a row's. */
  private[savedmodel] var elements = 0

  private[savedmodel] def bytesOfRow: Int = elements * dtype.bytes
  private[savedmodel] def isArray: Boolean = rank == 1

  /** Whether Spark holds the dtype's values by the same bytes. */
  private def sameBits: Boolean = dtype.code match {
    case DType.Float32 | DType.Float64 | DType.Int64 | DType.Int32 | DType.Int16 | DType.Int8 |
        DType.Bool => true
    case _ => false
  }

  /** A row of this output alone, null where its values have to be converted. */
  private[savedmodel] def directRow: DirectRow =
    if (sameBits && rank <= 1) new DirectRow(this) else null

  /**
   * Begins to read a tensor.
   *
   * @throws IllegalStateException if it does not have that many rows of the signature's rank
   */
  def read(from: TF_Tensor, rows: Int): Unit = {
    val shape = Array.tabulate(TF_NumDims(from))(TF_Dim(from, _))
    if (shape.length != rank + 1 || shape(0) != rows || TF_TensorType(from) != dtype.code) {
      throw new IllegalStateException(
        s"the model's output $spec came as ${DType.nameOf(TF_TensorType(from))}" +
          s"${shape.mkString("[", ", ", "]")} for $rows rows: it must have one row for each"
      )
    }
    for (i <- 0 until rank) dims(i) = shape(i + 1).toInt
    val size = dims.map(_.toLong).product * math.max(dtype.bytes, 1)
    if (size > OutputColumn.MostBytes) {
      throw new IllegalStateException(
        s"the model's output $spec has $size bytes in one row, more than a row of Spark's can hold"
      )
    }
    elements = dims.product
    tensor = from
    address = TF_TensorData(from).address
  }

  /** The value of a row as Spark holds it. */
  def catalyst(row: Int): Any =
    if (rank == 0) scalar(row.toLong)
    else nested(row.toLong * elements, 0)

  private def nested(first: Long, level: Int): ArrayData =
    if (level == rank - 1) leaf(first, dims(level))
    else {
      val stride = dims.drop(level + 1).map(_.toLong).product
      new GenericArrayData(Array.tabulate[Any](dims(level))(i =>
        nested(first + i * stride, level + 1)
      ))
    }

  private def scalar(i: Long): Any = dtype.code match {
    case DType.Float32 => Platform.getFloat(null, address + i * 4)
    case DType.Float64 => Platform.getDouble(null, address + i * 8)
    case DType.Int64 => Platform.getLong(null, address + i * 8)
    case DType.Int32 => Platform.getInt(null, address + i * 4)
    case DType.Int16 => Platform.getShort(null, address + i * 2)
    case DType.Int8 => Platform.getByte(null, address + i)
    case DType.Bool => Platform.getBoolean(null, address + i)
    case DType.UInt8 => (Platform.getByte(null, address + i) & 0xff).toShort
    case DType.UInt16 => Platform.getShort(null, address + i * 2) & 0xffff
    case DType.UInt32 => Platform.getInt(null, address + i * 4) & 0xffffffffL
    case DType.UInt64 => Decimal(unsigned(i), 20, 0)
    case DType.Float16 => Half.toFloat(Platform.getShort(null, address + i * 2))
    case DType.BFloat16 => Half.brainToFloat(Platform.getShort(null, address + i * 2))
    case DType.Str => UTF8String.fromBytes(text(i))
  }

  /** @throws IllegalStateException if they are none */
  private def text(i: Long): Array[Byte] = {
    val bytes = StringTensor.bytes(tensor, i)
    if (!StringTensor.isText(bytes)) {
      throw new IllegalStateException(
        s"the model's output $spec has bytes that are not UTF-8, which no string can hold: let the " +
          "model encode them (tf.io.encode_base64)"
      )
    }
    bytes
  }

  private def unsigned(i: Long): BigDecimal = {
    val value = BigInteger.valueOf(Platform.getLong(null, address + i * 8))
    new BigDecimal(if (value.signum < 0) value.add(BigInteger.ONE.shiftLeft(64)) else value)
  }

  private def leaf(first: Long, n: Int): ArrayData = dtype.code match {
    case _ if sameBits => copied(first, n)
    case DType.Str | DType.UInt64 =>
      new GenericArrayData(Array.tabulate[Any](n)(i => scalar(first + i)))
    case DType.UInt8 =>
      UnsafeArrayData.fromPrimitiveArray(values(first, n).asInstanceOf[Array[Short]])
    case DType.UInt16 =>
      UnsafeArrayData.fromPrimitiveArray(values(first, n).asInstanceOf[Array[Int]])
    case DType.UInt32 =>
      UnsafeArrayData.fromPrimitiveArray(values(first, n).asInstanceOf[Array[Long]])
    case _ => UnsafeArrayData.fromPrimitiveArray(values(first, n).asInstanceOf[Array[Float]])
  }

  /** An array whose elements are the tensor's bytes. */
  private def copied(first: Long, n: Int): UnsafeArrayData = {
    val bytes = n * dtype.bytes
    val header = UnsafeArrayData.calculateHeaderPortionInBytes(n)
    val buffer = new Array[Byte]((header + bytes + 7) / 8 * 8)
    Platform.putLong(buffer, Platform.BYTE_ARRAY_OFFSET, n.toLong)
    val values = Platform.BYTE_ARRAY_OFFSET + header.toLong
    Bytes.copy(null, address + first * dtype.bytes, buffer, values, bytes)
    val array = new UnsafeArrayData
    array.pointTo(buffer, Platform.BYTE_ARRAY_OFFSET, buffer.length)
    array
  }

  /** The value of a row as a number, a string, or an array (within arrays) of such. */
  def jvm(row: Int): Any =
    if (rank == 0) shown(scalar(row.toLong))
    else nestedValues(row.toLong * elements, 0)

  private def nestedValues(first: Long, level: Int): AnyRef =
    if (level == rank - 1) values(first, dims(level))
    else {
      val stride = dims.drop(level + 1).map(_.toLong).product
      val rows = Array.tabulate(dims(level))(i => nestedValues(first + i * stride, level + 1))
      val made =
        java.lang.reflect.Array.newInstance(JvmArrays.of(dtype, rank - level - 1), rows.length)
      rows.indices.foreach(i => java.lang.reflect.Array.set(made, i, rows(i)))
      made
    }

  private def values(first: Long, n: Int): AnyRef = {
    val made = java.lang.reflect.Array.newInstance(JvmArrays.element(dtype), n)
    made match {
      case floats: Array[Float] if dtype.code == DType.Float32 =>
        val from = address + first * 4
        Platform.copyMemory(null, from, floats, Platform.FLOAT_ARRAY_OFFSET, n * 4L)
      case _ =>
        var i = 0
        while (i < n) {
          java.lang.reflect.Array.set(made, i, shown(scalar(first + i)))
          i += 1
        }
    }
    made
  }

  private def shown(value: Any): Any = value match {
    case s: UTF8String => new String(s.getBytes, UTF_8)
    case d: Decimal => d.toJavaBigDecimal
    case other => other
  }
}

private object OutputColumn {

  /** An array of bytes in the JVM, less what Spark puts beside the values. */
  val MostBytes: Long = Int.MaxValue - (1L << 28)
}

/** The classes of the JVM for what tensors hold. */
private[savedmodel] object JvmArrays {

  def element(dtype: DType): Class[_] = dtype.code match {
    case DType.Float32 | DType.Float16 | DType.BFloat16 => classOf[Float]
    case DType.Float64 => classOf[Double]
    case DType.Int64 | DType.UInt32 => classOf[Long]
    case DType.Int32 | DType.UInt16 => classOf[Int]
    case DType.Int16 | DType.UInt8 => classOf[Short]
    case DType.Int8 => classOf[Byte]
    case DType.Bool => classOf[Boolean]
    case DType.UInt64 => classOf[BigDecimal]
    case DType.Str => classOf[String]
  }

  /** The class of arrays so many deep. */
  def of(dtype: DType, depth: Int): Class[_] = (0 until depth).foldLeft[Class[_]](element(dtype)) {
    (inner, _) =>
      java.lang.reflect.Array.newInstance(inner, 0).getClass
  }
}

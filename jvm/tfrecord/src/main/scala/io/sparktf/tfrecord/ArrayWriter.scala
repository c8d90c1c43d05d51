package io.sparktf.tfrecord

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{SpecializedGetters, UnsafeArrayData, UnsafeRow}
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.types.{BinaryType, DataType, Decimal, StructField}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

import FeatureType._
import WireFormat._

/** Encodes the values of an array column. [[FeatureWriter]] writes what stands before them. */
final private[tfrecord] class ArrayWriter(
    fields: Array[StructField],
    types: Array[FeatureType],
    records: RecordWriter
) {
  private[this] val elements = types.map(_.element)

  /**
   * The bytes that the array's values take behind the list's or the packed field's length.
   *
   * @throws MalformedMessageException where an element is null: a list has no place for it
   */
  def payloadSize(field: Int, array: ArrayData): Long = {
    refuseNulls(field, array)
    val count = array.numElements()
    if (types(field).kind == FloatList) {
      4L * count
    } else {
      var size = 0L
      var i = 0
      while (i < count) {
        size += payloadSize(field, array, i)
        i += 1
      }
      size
    }
  }

  /** The same of one value of the array, which is not null. */
  def payloadSize(field: Int, array: ArrayData, i: Int): Long = types(field).kind match {
    case FloatList => 4L
    case Int64List => varintSize(int64(elements(field), array, i))
    case BytesList =>
      val length = bytesAt(field, array, i).numBytes
      1L + varintSize(length) + length
  }

  /** Writes one value of the array, for which there is room. */
  def write(field: Int, array: ArrayData, i: Int): Unit = {
    val pos = records.position
    elements(field) match {
      case BytesElement => writeBytesValue(bytesAt(field, array, i))
      case FloatElement | DoubleElement | DecimalElement =>
        storeFloat(records.bytes, pos, floatAt(field, array, i))
        records.moveTo(pos + 4)
      case element =>
        records.moveTo(writeVarint(records.bytes, pos, int64(element, array, i)))
    }
  }

  /** Writes the values, `payload` bytes, for which there is room. */
  def write(field: Int, array: ArrayData, payload: Long): Unit = {
    val count = array.numElements()
    val bytes = records.bytes
    var pos = records.position
    elements(field) match {
      case FloatElement => writeFloats(array, count)
      case DoubleElement | DecimalElement =>
        var i = 0
        while (i < count) {
          storeFloat(bytes, pos + 4 * i, floatAt(field, array, i))
          i += 1
        }
        records.moveTo(pos + 4 * count)
      case BytesElement =>
        var i = 0
        while (i < count) {
          writeBytesValue(bytesAt(field, array, i))
          i += 1
        }
      case element =>
        var i = 0
        while (i < count) {
          pos = writeVarint(bytes, pos, int64(element, array, i))
          i += 1
        }
        records.moveTo(pos)
    }
  }

  private def writeFloats(array: ArrayData, count: Int): Unit = {
    val bytes = records.bytes
    val pos = records.position
    array match {
      case unsafe: UnsafeArrayData if isLittleEndian =>
        val header = UnsafeArrayData.calculateHeaderPortionInBytes(count)
        Platform.copyMemory(
          unsafe.getBaseObject,
          unsafe.getBaseOffset + header,
          bytes,
          Platform.BYTE_ARRAY_OFFSET.toLong + pos,
          4L * count
        )
      case _ =>
        var i = 0
        while (i < count) {
          storeFloat(bytes, pos + 4 * i, array.getFloat(i))
          i += 1
        }
    }
    records.moveTo(pos + 4 * count)
  }

  /** Writes a value of a BytesList: tag, length, bytes. There must be room. */
  def writeBytesValue(value: UTF8String): Unit = {
    val size = value.numBytes
    val bytes = records.bytes
    bytes(records.position) = Field1
    val pos = writeVarint(bytes, records.position + 1, size)
    Platform.copyMemory(
      value.getBaseObject,
      value.getBaseOffset,
      bytes,
      Platform.BYTE_ARRAY_OFFSET.toLong + pos,
      size
    )
    records.moveTo(pos + size)
  }

  /** Writes an ml Vector's `size` values; a sparse one's missing values are zeros. */
  def writeVector(field: Int, vector: InternalRow, dense: Boolean, size: Int): Unit = {
    val bytes = records.bytes
    val pos = records.position
    val values = vector.getArray(3)
    if (!dense) java.util.Arrays.fill(bytes, pos, pos + 4 * size, 0.toByte)
    val indices = if (dense) null else vector.getArray(2)
    var i = 0
    while (i < values.numElements()) {
      val at = if (dense) i else indices.getInt(i)
      storeFloat(bytes, pos + 4 * at, toFloat(field, values.getDouble(i)))
      i += 1
    }
    records.moveTo(pos + 4 * size)
  }

  /**
   * The nearest 32-bit float, which is what the file holds.
   *
   * @throws MalformedMessageException where a finite value would become infinite
   */
  def toFloat(field: Int, value: Double): Float = {
    val float = value.toFloat
    if (java.lang.Float.isInfinite(float) && !java.lang.Double.isInfinite(value)) {
      refuse(field, s"the value $value does not fit a 32-bit float, which is what the file holds")
    }
    float
  }

  def toFloat(field: Int, value: Decimal): Float = {
    // Straight to float: by way of double, a value could be rounded twice.
    val float = value.toJavaBigDecimal.floatValue
    if (java.lang.Float.isInfinite(float)) {
      refuse(field, s"the value $value does not fit a 32-bit float, which is what the file holds")
    }
    float
  }

  private def floatAt(field: Int, array: ArrayData, i: Int): Float = elements(field) match {
    case FloatElement => array.getFloat(i)
    case DoubleElement => toFloat(field, array.getDouble(i))
    case DecimalElement =>
      toFloat(field, array.getDecimal(i, types(field).precision, types(field).scale))
  }

  private def bytesAt(field: Int, array: ArrayData, i: Int): UTF8String =
    ArrayWriter.bytesOf(array, i, types(field).elementType)

  private def int64(element: Int, array: ArrayData, i: Int): Long = element match {
    case LongElement => array.getLong(i)
    case IntElement => array.getInt(i)
    case ShortElement => array.getShort(i)
    case ByteElement => array.getByte(i)
    case BooleanElement => if (array.getBoolean(i)) 1L else 0L
  }

  def refuseSize(field: Int, size: Long): Nothing =
    refuse(
      field,
      s"a value of $size bytes; the largest record that can be read back is " +
        RecordReader.MaxRecordLength
    )

  def refuseNulls(field: Int, array: ArrayData): Unit =
    if (mayHaveNulls(array)) {
      val count = array.numElements()
      var i = 0
      while (i < count) {
        if (array.isNullAt(i)) {
          refuse(
            field,
            s"element $i of $count is null, and a feature's list has no place for a null: " +
              "remove or replace it, for example with array_compact"
          )
        }
        i += 1
      }
    }

  /** Looks at 64 elements at once where the array lets us. */
  private def mayHaveNulls(array: ArrayData): Boolean = array match {
    case unsafe: UnsafeArrayData =>
      val header = UnsafeArrayData.calculateHeaderPortionInBytes(unsafe.numElements())
      var nulls = 0L
      var i = 8
      while (i < header) {
        nulls |= Platform.getLong(unsafe.getBaseObject, unsafe.getBaseOffset + i)
        i += 8
      }
      nulls != 0L
    case _ => true
  }

  private def refuse(field: Int, what: String): Nothing =
    throw new MalformedMessageException(
      s"column `${fields(field).name}` (${fields(field).dataType.simpleString}): $what"
    )

  private def storeFloat(bytes: Array[Byte], pos: Int, value: Float): Unit =
    storeInt(bytes, pos, java.lang.Float.floatToRawIntBits(value))
}

private[tfrecord] object ArrayWriter {

  /**
   * The bytes of a string or binary value. Unsafe rows and arrays hold both alike and give out a
   * string without copying it.
   */
  def bytesOf(values: SpecializedGetters, i: Int, dataType: DataType): UTF8String =
    values match {
      case _: UnsafeRow | _: UnsafeArrayData => values.getUTF8String(i)
      case _ if dataType == BinaryType => UTF8String.fromBytes(values.getBinary(i))
      case _ => values.getUTF8String(i)
    }
}

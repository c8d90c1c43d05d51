package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.frame.FrameReader
import io.sparktf.tfrecord.wire.{FeatureType, GrowingBuffer}
import io.sparktf.tfrecord.wire.FeatureType._
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{SpecializedGetters, UnsafeArrayData, UnsafeRow}
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.types.{BinaryType, DataType, Decimal, StructField}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/** Encodes the values of an array column. [[FeatureEncoder]] writes what stands before them. */
final private[tfrecord] class ArrayEncoder(
    fields: Array[StructField],
    types: Array[FeatureType],
    buffer: GrowingBuffer
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

  /** Writes one value of the array. */
  def write(field: Int, array: ArrayData, i: Int): Unit = elements(field) match {
    case BytesElement => writeBytesValue(bytesAt(field, array, i))
    case FloatElement | DoubleElement | DecimalElement => buffer.putFloat(floatAt(field, array, i))
    case element => buffer.putVarint(int64(element, array, i))
  }

  /** Writes the array's values. */
  def write(field: Int, array: ArrayData): Unit = {
    val count = array.numElements()
    array match {
      case unsafe: UnsafeArrayData if elements(field) == FloatElement && isLittleEndian =>
        val header = UnsafeArrayData.calculateHeaderPortionInBytes(count)
        buffer.putMemory(unsafe.getBaseObject, unsafe.getBaseOffset + header, 4 * count)
      case _ =>
        var i = 0
        while (i < count) {
          write(field, array, i)
          i += 1
        }
    }
  }

  /** Writes a value of a BytesList: tag, length, bytes. */
  def writeBytesValue(value: UTF8String): Unit = {
    buffer.putTag(Field1, value.numBytes)
    buffer.putMemory(value.getBaseObject, value.getBaseOffset, value.numBytes)
  }

  /**
   * Writes an ml Vector's `size` values; a sparse one's missing values are zeros.
   *
   * @throws MalformedMessageException where a sparse one's indices are not those of its values
   */
  def writeVector(field: Int, vector: InternalRow, dense: Boolean, size: Int): Unit = {
    val values = vector.getArray(3)
    if (dense) {
      var i = 0
      while (i < size) {
        buffer.putFloat(toFloat(field, values.getDouble(i)))
        i += 1
      }
    } else {
      writeSparse(field, vector.getArray(2), values, size)
    }
  }

  private def writeSparse(field: Int, indices: ArrayData, values: ArrayData, size: Int): Unit = {
    if (indices.numElements() != values.numElements()) {
      refuse(
        field,
        s"a sparse vector of ${indices.numElements()} indices and ${values.numElements()} values"
      )
    }
    val start = buffer.position
    buffer.putZeros(4 * size)
    var i = 0
    while (i < values.numElements()) {
      val at = indices.getInt(i)
      if (at < 0 || at >= size) refuse(field, s"the index $at in a sparse vector of size $size")
      val bits = java.lang.Float.floatToRawIntBits(toFloat(field, values.getDouble(i)))
      buffer.setInt(start + 4 * at, bits)
      i += 1
    }
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
    ArrayEncoder.bytesOf(array, i, types(field).elementType)

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
        FrameReader.MaxRecordLength
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
}

private[tfrecord] object ArrayEncoder {

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

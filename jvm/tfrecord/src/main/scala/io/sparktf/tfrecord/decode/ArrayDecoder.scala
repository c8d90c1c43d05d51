package io.sparktf.tfrecord.decode

import java.math.{BigDecimal => JavaDecimal}

import io.sparktf.tfrecord.wire.RawBytes
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData
import org.apache.spark.sql.types.Decimal

/**
 * Decodes the values of a list into an array field of the row, in the layout that
 * `UnsafeArrayData` documents: the number of elements, a bit per element for null (always zero
 * here: a list has no place for null), the elements padded to words, then the bytes of elements
 * that have no fixed length.
 */
final private[tfrecord] class ArrayDecoder(row: RowBuilder) {
  import ArrayDecoder._

  /** The value for which a method answered [[ArrayDecoder.Misfit]]. */
  var misfit: Long = 0L

  // The array that is being written: where it begins, and where its elements do.
  private[this] var start = 0
  private[this] var elements = 0

  def readEmpty(field: Int): Unit = {
    begin(0, 8)
    row.setVariable(field, start)
  }

  def readLongs(field: Int, bytes: Array[Byte], from: Int, end: Int): Boolean = {
    begin(countVarints(bytes, from, end), 8)
    val target = row.bytes
    var at = elements
    var pos = from
    while (pos < end) {
      val first = bytes(pos)
      if (first >= 0) {
        RawBytes.putLong(target, at, first)
        pos += 1
      } else {
        val word = load(bytes, pos)
        val length = varintLength(word)
        if (length <= 8) {
          RawBytes.putLong(target, at, varintValue(word, length))
          pos += length
        } else {
          val long = longVarintLength(bytes, pos, end)
          if (long < 0) return false
          RawBytes.putLong(target, at, longVarintValue(bytes, pos, long))
          pos += long
        }
      }
      at += 8
    }
    row.setVariable(field, start)
    true
  }

  /** Reads elements of one to four bytes: [[Fine]], [[Unusual]] or [[Misfit]]. */
  def readSmallInts(field: Int, element: Int, bytes: Array[Byte], from: Int, end: Int): Int = {
    val size = FeatureDecoder.sizeOf(element)
    begin(countVarints(bytes, from, end), size)
    val target = row.bytes
    var at = elements
    var pos = from
    while (pos < end) {
      val length = longVarintLength(bytes, pos, end)
      if (length < 0) return Unusual
      val value = longVarintValue(bytes, pos, length)
      if (!FeatureDecoder.fits(element, value)) {
        misfit = value
        return Misfit
      }
      size match {
        case 1 => target(at) = value.toByte
        case 2 => RawBytes.putShort(target, at, value.toShort)
        case 4 => RawBytes.putInt(target, at, value.toInt)
      }
      at += size
      pos += length
    }
    row.setVariable(field, start)
    Fine
  }

  /** Reads an int64 list's values as floats or doubles: [[Fine]], [[Unusual]] or [[Misfit]]. */
  def readWholeNumbers(
      field: Int,
      element: Int,
      bytes: Array[Byte],
      from: Int,
      end: Int
  ): Int = {
    val size = FeatureDecoder.sizeOf(element)
    begin(countVarints(bytes, from, end), size)
    val target = row.bytes
    var at = elements
    var pos = from
    while (pos < end) {
      val length = longVarintLength(bytes, pos, end)
      if (length < 0) return Unusual
      val value = longVarintValue(bytes, pos, length)
      if (!FeatureDecoder.isExact(element, value)) {
        misfit = value
        return Misfit
      }
      if (size == 4) RawBytes.putInt(target, at, java.lang.Float.floatToRawIntBits(value.toFloat))
      else RawBytes.putDouble(target, at, value.toDouble)
      at += size
      pos += length
    }
    row.setVariable(field, start)
    Fine
  }

  def readFloats(field: Int, bytes: Array[Byte], from: Int, end: Int): Boolean = {
    begin((end - from) / 4, 4)
    if (isLittleEndian) {
      System.arraycopy(bytes, from, row.bytes, elements, end - from)
    } else {
      var pos = from
      while (pos < end) {
        RawBytes.putInt(row.bytes, elements + (pos - from), loadInt(bytes, pos))
        pos += 4
      }
    }
    row.setVariable(field, start)
    true
  }

  def readDoubles(field: Int, bytes: Array[Byte], from: Int, end: Int): Boolean = {
    begin((end - from) / 4, 8)
    putDoubles(bytes, from, end)
    row.setVariable(field, start)
    true
  }

  /** Answers where in `bytes` a float stands that does not fit, or -1. */
  def readDecimals(
      field: Int,
      precision: Int,
      scale: Int,
      bytes: Array[Byte],
      from: Int,
      end: Int
  ): Int = {
    val count = (end - from) / 4
    begin(count, 8)
    var i = 0
    while (i < count) {
      val pos = from + 4 * i
      val decimal = FeatureDecoder.toDecimal(loadInt(bytes, pos), precision, scale)
      if (decimal eq null) return pos
      if (precision <= Decimal.MAX_LONG_DIGITS) {
        setElement(i, decimal.unscaledValue.longValue)
      } else {
        val unscaled = decimal.unscaledValue.toByteArray
        appendElement(i, unscaled, 0, unscaled.length)
      }
      i += 1
    }
    row.setVariable(field, start)
    -1
  }

  def readBytes(field: Int, bytes: Array[Byte], from: Int, end: Int): Boolean = {
    val count = countBytesValues(bytes, from, end)
    if (count < 0) return false
    begin(count, 8)
    var pos = from
    var i = 0
    while (i < count) {
      val read = readLength(bytes, pos + 1, end)
      pos = (read >>> 32).toInt
      appendElement(i, bytes, pos, read.toInt)
      pos += read.toInt
      i += 1
    }
    row.setVariable(field, start)
    true
  }

  /** How many values a BytesList's content holds, or -1 where it holds anything else. */
  private def countBytesValues(bytes: Array[Byte], from: Int, end: Int): Int = {
    var pos = from
    var count = 0
    while (pos < end) {
      if (bytes(pos) != Field1) return -1
      val read = readLength(bytes, pos + 1, end)
      if (read < 0) return -1
      pos = (read >>> 32).toInt
      if (read.toInt > end - pos) return -1
      pos += read.toInt
      count += 1
    }
    count
  }

  /** Writes a dense ml Vector: the struct (type = 1, size = null, indices = null, values). */
  def readVector(field: Int, bytes: Array[Byte], from: Int, end: Int): Boolean = {
    val struct = row.position
    row.skip(VectorStructSize)
    RawBytes.putLong(row.bytes, struct, (1L << 1) | (1L << 2))
    RawBytes.putLong(row.bytes, struct + 8, RowBuilder.smallWord(1L, 1))
    RawBytes.putLong(row.bytes, struct + 16, 0L)
    RawBytes.putLong(row.bytes, struct + 24, 0L)
    begin((end - from) / 4, 8)
    putDoubles(bytes, from, end)
    val size = row.position - start
    RawBytes.putLong(row.bytes, struct + 32, (VectorStructSize.toLong << 32) | size)
    row.setVariable(field, struct)
    true
  }

  /** Writes a decimal of more than 18 digits, for which rows set 16 bytes aside. */
  def writeWideDecimal(field: Int, decimal: JavaDecimal): Unit = {
    val unscaled = decimal.unscaledValue.toByteArray
    val from = row.position
    row.skip(16)
    java.util.Arrays.fill(row.bytes, from, from + 16, 0.toByte)
    System.arraycopy(unscaled, 0, row.bytes, from, unscaled.length)
    row.setWord(field, (from.toLong << 32) | unscaled.length)
  }

  private def putDoubles(bytes: Array[Byte], from: Int, end: Int): Unit = {
    val target = row.bytes
    var at = elements
    var pos = from
    while (pos < end) {
      RawBytes.putDouble(target, at, java.lang.Float.intBitsToFloat(loadInt(bytes, pos)).toDouble)
      at += 8
      pos += 4
    }
  }

  /** Begins an array: its header and zeroed room for its elements' fixed part. */
  private def begin(count: Int, elementSize: Int): Unit = {
    start = row.position
    val header = UnsafeArrayData.calculateHeaderPortionInBytes(count)
    val size = header + count.toLong * elementSize
    row.skip(size)
    val target = row.bytes
    RawBytes.putLong(target, start, count)
    var i = 8
    while (i < header) {
      RawBytes.putLong(target, start + i, 0L)
      i += 8
    }
    elements = start + header
    row.pad()
  }

  private def setElement(i: Int, word: Long): Unit =
    RawBytes.putLong(row.bytes, elements + 8 * i, word)

  /** Appends an element without a fixed length, and refers to it from its place in the array. */
  private def appendElement(i: Int, bytes: Array[Byte], from: Int, length: Int): Unit = {
    val at = row.position
    row.put(bytes, from, length)
    row.pad()
    setElement(i, ((at - start).toLong << 32) | length)
  }
}

private[tfrecord] object ArrayDecoder {
  final val Fine = 0
  final val Unusual = 1
  final val Misfit = 2

  final private val VectorStructSize = 8 + 4 * 8
}

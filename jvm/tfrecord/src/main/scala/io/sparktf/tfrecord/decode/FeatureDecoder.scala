package io.sparktf.tfrecord.decode

import java.math.{BigDecimal => JavaDecimal, RoundingMode}

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.wire.FeatureType
import io.sparktf.tfrecord.wire.FeatureType._
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.types.{Decimal, StructField}

/**
 * Decodes a Feature into a field of the row.
 *
 * {{{
 * message Feature { oneof kind { BytesList = 1; FloatList = 2; Int64List = 3; } }
 * message BytesList { repeated bytes value = 1; }
 * message FloatList { repeated float value = 1 [packed = true]; }    // Int64List alike
 * }}}
 *
 * Methods that give a Boolean answer false where the Feature is unusual: not laid out as
 * protobuf's own writers do, or of another type than its column. The record is then normalized
 * and decoded once more with [[strict]] set, when all that is left is a real error and thrown as a
 * [[MalformedMessageException]]. So the first, hot pass needs no error handling of its own.
 */
final private[tfrecord] class FeatureDecoder(
    fields: Array[StructField],
    types: Array[FeatureType],
    row: RowBuilder
) {
  import FeatureDecoder.{ShortEnd, ShortHead}

  private[this] val elements = types.map(_.element)
  private[this] val repeated = types.map(_.repeated)
  private[this] val kinds = types.map(_.kind)
  private[this] val arrays = new ArrayDecoder(row)

  /** Whether the bytes come from [[ExampleNormalizer]]. */
  var strict: Boolean = false

  def read(field: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    val size = end - start
    val kind = kinds(field)
    // What most features are, a list of one value or few: its two tags and two lengths at once.
    if (
      size > ShortHead && size < ShortEnd &&
      loadInt(bytes, start) ==
        (kind | (size - 2) << 8 | Field1 << 16 | (size - ShortHead) << 24)
    ) {
      if (kind == Int64List) return readInt64List(field, bytes, start + ShortHead, end)
      if (kind == FloatList) return readFloatList(field, bytes, start + ShortHead, end)
      if (!repeated(field)) {
        row.setBytes(field, bytes, start + ShortHead, size - ShortHead)
        return true
      }
    }
    readAny(field, bytes, start, end)
  }

  private def readAny(field: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    if (start == end) {
      row.setNull(field)
      return true
    }
    var pos = start + 1
    var length = bytes(pos).toInt
    pos += 1
    if (length < 0) {
      val read = readLength(bytes, pos - 1, end)
      length = read.toInt
      pos = (read >>> 32).toInt
    }
    if (length != end - pos) return false
    val kind = bytes(start).toInt
    if (kind != kinds(field) && !takes(field, kind)) return wrongKind(field, kind)
    if (pos == end) return readEmpty(field)
    if (bytes(pos) != Field1) return false
    if (kind == BytesList) {
      return if (repeated(field)) arrays.readBytes(field, bytes, pos, end)
      else readBytes(field, bytes, pos, end)
    }
    pos += 1
    length = bytes(pos).toInt
    pos += 1
    if (length < 0) {
      val read = readLength(bytes, pos - 1, end)
      length = read.toInt
      pos = (read >>> 32).toInt
    }
    if (length != end - pos) return false
    if (kind == FloatList) readFloatList(field, bytes, pos, end)
    else if (kinds(field) == Int64List) readInt64List(field, bytes, pos, end)
    else readWholeNumbers(field, bytes, pos, end)
  }

  private def readInt64List(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean =
    if (repeated(field)) readInt64s(field, bytes, pos, end)
    else if (pos == end) readEmpty(field)
    else readInt64(field, bytes, pos, end)

  private def readFloatList(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean =
    if ((end - pos & 3) != 0) false
    else if (repeated(field)) readFloats(field, bytes, pos, end)
    else if (elements(field) == VectorElement) arrays.readVector(field, bytes, pos, end)
    else if (pos == end) readEmpty(field)
    else readFloat(field, bytes, pos, end)

  /** Whether the column is held in such a list, or takes its values all the same. */
  def takes(field: Int, kind: Int): Boolean =
    kind == kinds(field) || kind == Int64List &&
      (elements(field) == DoubleElement || elements(field) == FloatElement)

  def isArray(field: Int): Boolean = repeated(field)

  /** The tag of the list that the column is held in. */
  def kindOf(field: Int): Int = kinds(field)

  /** Reads a list without a value. */
  def readEmpty(field: Int): Boolean = {
    if (repeated(field)) arrays.readEmpty(field)
    else if (elements(field) == VectorElement) arrays.readVector(field, Array.emptyByteArray, 0, 0)
    else row.setNull(field)
    true
  }

  private def readInt64(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean = {
    val word = load(bytes, pos)
    val length = varintLength(word)
    var value = 0L
    if (length == end - pos && length <= 8) {
      value = varintValue(word, length)
    } else {
      if (longVarintLength(bytes, pos, end) != end - pos) {
        return tooMany(field, countVarints(bytes, pos, end))
      }
      value = longVarintValue(bytes, pos, end - pos)
    }
    val element = elements(field)
    if (element == LongElement) {
      row.setWord(field, value)
      true
    } else {
      val fits = FeatureDecoder.fits(element, value)
      if (fits) row.setSmall(field, value, FeatureDecoder.sizeOf(element))
      fits || outOfRange(field, value)
    }
  }

  private def readFloat(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean = {
    if (end - pos != 4) return tooMany(field, (end - pos) / 4)
    val bits = loadInt(bytes, pos)
    elements(field) match {
      case FloatElement => row.setSmall(field, bits, 4)
      case DoubleElement =>
        val value = java.lang.Float.intBitsToFloat(bits).toDouble
        row.setWord(field, java.lang.Double.doubleToRawLongBits(value))
      case DecimalElement =>
        val decimal = decimalOf(field, bits)
        if (decimal eq null) return outOfRange(field, java.lang.Float.intBitsToFloat(bits))
        if (types(field).precision <= Decimal.MAX_LONG_DIGITS) {
          row.setWord(field, decimal.unscaledValue.longValue)
        } else {
          arrays.writeWideDecimal(field, decimal)
        }
    }
    true
  }

  /** Reads an Int64List for a column of floats or doubles. */
  private def readWholeNumbers(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean = {
    if (end > pos && bytes(end - 1) < 0) return false
    val element = elements(field)
    if (repeated(field)) {
      val misfit = arrays.readWholeNumbers(field, element, bytes, pos, end)
      if (misfit == ArrayDecoder.Unusual) return false
      return misfit == ArrayDecoder.Fine || inexact(field, arrays.misfit)
    }
    if (pos == end) return readEmpty(field)
    val length = longVarintLength(bytes, pos, end)
    if (length != end - pos) return tooMany(field, countVarints(bytes, pos, end))
    val value = longVarintValue(bytes, pos, length)
    if (!FeatureDecoder.isExact(element, value)) return inexact(field, value)
    if (element == FloatElement) {
      row.setSmall(field, java.lang.Float.floatToRawIntBits(value.toFloat), 4)
    } else {
      row.setWord(field, java.lang.Double.doubleToRawLongBits(value.toDouble))
    }
    true
  }

  /** The column's decimal, or null where the float does not fit. */
  private def decimalOf(field: Int, bits: Int): JavaDecimal =
    FeatureDecoder.toDecimal(bits, types(field).precision, types(field).scale)

  private def readBytes(field: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var pos = start + 1
    var length = bytes(pos).toInt
    pos += 1
    if (length < 0) {
      val read = readLength(bytes, pos - 1, end)
      length = read.toInt
      pos = (read >>> 32).toInt
    }
    if (length != end - pos) return tooMany(field, -1)
    row.setBytes(field, bytes, pos, length)
    true
  }

  private def readInt64s(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean = {
    if (end > pos && bytes(end - 1) < 0) return false
    val element = elements(field)
    if (element == LongElement) return arrays.readLongs(field, bytes, pos, end)
    val misfit = arrays.readSmallInts(field, element, bytes, pos, end)
    if (misfit == ArrayDecoder.Unusual) return false
    misfit == ArrayDecoder.Fine || outOfRange(field, arrays.misfit)
  }

  private def readFloats(field: Int, bytes: Array[Byte], pos: Int, end: Int): Boolean =
    elements(field) match {
      case FloatElement => arrays.readFloats(field, bytes, pos, end)
      case DoubleElement => arrays.readDoubles(field, bytes, pos, end)
      case DecimalElement =>
        val at =
          arrays.readDecimals(field, types(field).precision, types(field).scale, bytes, pos, end)
        at < 0 || outOfRange(field, java.lang.Float.intBitsToFloat(loadInt(bytes, at)))
    }

  def wrongKind(field: Int, found: Int): Boolean =
    misfit(
      field,
      s"expected ${kindName(kinds(field))}, found ${kindName(found)}; " +
        "read the feature with a column of its kind, or leave the column out of the schema"
    )

  private def tooMany(field: Int, count: Int): Boolean =
    misfit(
      field,
      "expected at most one value, found " +
        s"${if (count < 0) "more" else count.toString}; declare the column as an array"
    )

  private def outOfRange(field: Int, value: Any): Boolean =
    misfit(
      field,
      s"expected a value that fits ${types(field).elementType.simpleString}, found $value; " +
        "read the column with a wider type"
    )

  private def inexact(field: Int, value: Long): Boolean =
    misfit(
      field,
      s"expected a number that ${types(field).elementType.simpleString} holds exactly, found the " +
        s"int64 $value; read the column as bigint"
    )

  /** The column's feature was found in the other map of a SequenceExample. */
  def misplaced(field: Int, expected: String, found: String): Boolean =
    misfit(field, s"expected $expected, found $found; declare the column as what the file holds")

  /** False at the first pass; an error at the second, when nothing but this can be the matter. */
  def misfit(field: Int, what: => String): Boolean =
    strict && {
      throw new MalformedMessageException(
        s"column `${fields(field).name}` (${fields(field).dataType.simpleString}): $what"
      )
    }
}

private[tfrecord] object FeatureDecoder {
  // A Feature's tag and length and its list's, where each length takes one byte: the Feature has
  // then fewer than 2 + 128 bytes.
  final private val ShortHead = 4
  final private val ShortEnd = 130

  def sizeOf(element: Int): Int = element match {
    case BooleanElement | ByteElement => 1
    case ShortElement => 2
    case IntElement | FloatElement => 4
    case _ => 8
  }

  /** Whether an int64 can be the element without losing anything. */
  def fits(element: Int, value: Long): Boolean = element match {
    case BooleanElement => (value & ~1L) == 0L
    case ByteElement => value.toByte == value
    case ShortElement => value.toShort == value
    case IntElement => value.toInt == value
    case _ => true
  }

  /** Whether a float or a double is an int64 and no number near it. */
  def isExact(element: Int, value: Long): Boolean = {
    // Above the largest int64 the way back would end at it.
    val real = if (element == FloatElement) value.toFloat.toDouble else value.toDouble
    real < TwoTo63 && real.toLong == value
  }

  final private val TwoTo63 = 9223372036854775808.0

  /**
   * The decimal that a float stands for, or null where there is none of that precision: the
   * shortest decimal that is read back as the same float, rounded half up to the scale.
   */
  def toDecimal(bits: Int, precision: Int, scale: Int): JavaDecimal = {
    val float = java.lang.Float.intBitsToFloat(bits)
    if (java.lang.Float.isNaN(float) || java.lang.Float.isInfinite(float)) return null
    val decimal =
      new JavaDecimal(java.lang.Float.toString(float)).setScale(scale, RoundingMode.HALF_UP)
    if (decimal.precision > precision) null else decimal
  }
}

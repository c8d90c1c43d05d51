package io.sparktf.tfrecord.encode

import java.nio.charset.StandardCharsets.UTF_8

import io.sparktf.tfrecord.frame.FrameReader
import io.sparktf.tfrecord.wire.{FeatureType, GrowingBuffer}
import io.sparktf.tfrecord.wire.FeatureType._
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructField
import org.apache.spark.unsafe.types.UTF8String

/**
 * Encodes a column's value as an entry of the feature map, at the end of a buffer.
 * [[FeatureDecoder]] shows the messages.
 *
 * All lengths are known before a byte is written. For a scalar number they differ by the value's
 * size alone, so the entry is a copy of a template, with four bytes patched where the size changes.
 */
final private[tfrecord] class FeatureEncoder(
    fields: Array[StructField],
    types: Array[FeatureType],
    buffer: GrowingBuffer
) extends EntryEncoder {
  private[this] val elements = types.map(_.element)
  private[this] val repeated = types.map(_.repeated)
  private[this] val kinds = types.map(_.kind)
  private[this] val arrays = new ArrayEncoder(fields, types, buffer)

  private[this] val keys = fields.map(f => FeatureEncoder.keyOf(f.name))
  private[this] val templates = Array.tabulate(fields.length)(scalarTemplate)
  // Where in its template a scalar's value begins.
  private[this] val valueStarts = keys.map(2 + _.length + 6)

  override def write(row: InternalRow, field: Int): Unit =
    if (repeated(field)) {
      val array = row.getArray(field)
      val payload = arrays.payloadSize(field, array)
      beginEntry(field, payload, payload > 0 && kinds(field) != BytesList)
      arrays.write(field, array)
    } else {
      elements(field) match {
        case LongElement => writeInt64(field, row.getLong(field))
        case FloatElement => writeFloat(field, row.getFloat(field))
        case BytesElement =>
          writeBytes(field, ArrayEncoder.bytesOf(row, field, types(field).elementType))
        case DoubleElement => writeFloat(field, arrays.toFloat(field, row.getDouble(field)))
        case IntElement => writeInt64(field, row.getInt(field))
        case BooleanElement => writeInt64(field, if (row.getBoolean(field)) 1L else 0L)
        case ShortElement => writeInt64(field, row.getShort(field))
        case ByteElement => writeInt64(field, row.getByte(field))
        case DecimalElement =>
          val decimal = row.getDecimal(field, types(field).precision, types(field).scale)
          writeFloat(field, arrays.toFloat(field, decimal))
        case VectorElement => writeVector(field, row.getStruct(field, 4))
      }
    }

  private def writeInt64(field: Int, value: Long): Unit = {
    beginScalar(field, varintSize(value))
    buffer.putVarint(value)
  }

  private def writeFloat(field: Int, value: Float): Unit = {
    beginScalar(field, 4)
    buffer.putFloat(value)
  }

  /** Writes all of a scalar number's entry but the value, which takes `size` bytes. */
  private def beginScalar(field: Int, size: Int): Unit = {
    val template = templates(field)
    if (template eq null) {
      beginEntry(field, size, packed = true)
    } else {
      val head = valueStarts(field)
      // Most values take as many bytes as the one before.
      if (template(head - 1) != size) {
        template(1) = (head - 2 + size).toByte
        template(head - 5) = (4 + size).toByte
        template(head - 3) = (2 + size).toByte
        template(head - 1) = size.toByte
      }
      buffer.putWords(template, head)
    }
  }

  /** An entry for a value of no bytes, padded to words; null where a length could take two bytes. */
  private def scalarTemplate(field: Int): Array[Byte] = {
    val key = keys(field)
    if (key.length + 6 + MaxVarintBytes > 127) return null
    val fixed = 2 + key.length + 6
    val template = new Array[Byte]((fixed + 7) & ~7)
    template(0) = Field1
    System.arraycopy(key, 0, template, 2, key.length)
    val value = 2 + key.length
    template(value) = Field2
    template(value + 2) = kinds(field).toByte
    template(value + 4) = Field1
    template
  }

  private def writeBytes(field: Int, value: UTF8String): Unit = {
    val size = value.numBytes
    beginEntry(field, 1L + varintSize(size) + size, packed = false)
    arrays.writeBytesValue(value)
  }

  private def writeVector(field: Int, vector: InternalRow): Unit = {
    val dense = vector.getByte(0) == 1
    val size = if (dense) vector.getArray(3).numElements() else vector.getInt(1)
    beginEntry(field, 4L * size, packed = size > 0)
    arrays.writeVector(field, vector, dense, size)
  }

  /**
   * Writes an entry up to its payload: the values, each with a tag and length (bytes), or packed
   * behind one.
   */
  private def beginEntry(field: Int, payload: Long, packed: Boolean): Unit = {
    val key = keys(field)
    if (payload > FrameReader.MaxRecordLength) arrays.refuseSize(field, payload)
    val size = payload.toInt
    val list = if (packed) 1 + varintSize(size) + size else size
    val feature = 1 + varintSize(list) + list
    val entry = key.length + 1 + varintSize(feature) + feature
    buffer.reserve(payload + key.length + EntryOverhead)
    buffer.putTag(Field1, entry)
    buffer.put(key)
    buffer.putTag(Field2, feature)
    buffer.putTag(kinds(field), list)
    if (packed) buffer.putTag(Field1, size)
  }

  // Four tags and four lengths of at most five bytes.
  final private[this] val EntryOverhead = 24
}

private[tfrecord] object FeatureEncoder {

  /** A key with its tag and length, as it stands in each entry. */
  def keyOf(text: String): Array[Byte] = {
    val name = text.getBytes(UTF_8)
    val key = new Array[Byte](1 + varintSize(name.length) + name.length)
    key(0) = Field1
    System.arraycopy(name, 0, key, writeVarint(key, 1, name.length), name.length)
    key
  }
}

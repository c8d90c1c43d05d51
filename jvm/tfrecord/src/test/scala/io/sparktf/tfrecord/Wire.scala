package io.sparktf.tfrecord

import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder.LITTLE_ENDIAN
import java.nio.charset.StandardCharsets.UTF_8

/**
 * Protobuf's wire bytes put together by hand, for messages that no protobuf library writes but
 * every one reads. Field numbers are those of TensorFlow's example.proto and feature.proto.
 */
object Wire {

  val Varint = 0
  val Fixed64 = 1
  val LengthDelimited = 2
  val StartGroup = 3
  val EndGroup = 4
  val Fixed32 = 5

  def concat(parts: Array[Byte]*): Array[Byte] = {
    val out = new ByteArrayOutputStream()
    parts.foreach(part => out.write(part, 0, part.length))
    out.toByteArray
  }

  /** A varint of at least `minLength` bytes: longer ones than needed end in zero groups. */
  def varint(value: Long, minLength: Int = 1): Array[Byte] = {
    val out = new ByteArrayOutputStream()
    var rest = value
    while ((rest & ~0x7fL) != 0 || out.size + 1 < minLength) {
      out.write((rest.toInt & 0x7f) | 0x80)
      rest >>>= 7
    }
    out.write(rest.toInt)
    out.toByteArray
  }

  def tag(field: Int, wireType: Int, minLength: Int = 1): Array[Byte] =
    varint((field.toLong << 3) | wireType, minLength)

  def fixed32(value: Float): Array[Byte] =
    ByteBuffer.allocate(4).order(LITTLE_ENDIAN).putFloat(value).array

  def fixed64(value: Long): Array[Byte] =
    ByteBuffer.allocate(8).order(LITTLE_ENDIAN).putLong(value).array

  /** A length-delimited field. */
  def field(number: Int, payload: Array[Byte]*): Array[Byte] = {
    val bytes = concat(payload: _*)
    concat(tag(number, LengthDelimited), varint(bytes.length), bytes)
  }

  def key(name: String): Array[Byte] = field(1, name.getBytes(UTF_8))
  def value(feature: Array[Byte]*): Array[Byte] = field(2, feature: _*)
  def entry(parts: Array[Byte]*): Array[Byte] = field(1, parts: _*)
  def entry(name: String, feature: Array[Byte]): Array[Byte] = entry(key(name), value(feature))
  def features(parts: Array[Byte]*): Array[Byte] = field(1, parts: _*)

  def bytesKind(list: Array[Byte]*): Array[Byte] = field(1, list: _*)
  def floatKind(list: Array[Byte]*): Array[Byte] = field(2, list: _*)
  def int64Kind(list: Array[Byte]*): Array[Byte] = field(3, list: _*)

  def packedInts(values: Long*): Array[Byte] = field(1, values.map(value => varint(value)): _*)
  def looseInts(values: Long*): Array[Byte] =
    concat(values.map(value => concat(tag(1, Varint), varint(value))): _*)
  def packedFloats(values: Float*): Array[Byte] = field(1, values.map(fixed32): _*)
  def looseFloats(values: Float*): Array[Byte] =
    concat(values.map(value => concat(tag(1, Fixed32), fixed32(value))): _*)
  def byteStrings(values: String*): Array[Byte] =
    concat(values.map(value => field(1, value.getBytes(UTF_8))): _*)

  /** One unknown field of every wire type, a group with a group inside among them. */
  def unknownFields(number: Int): Seq[Array[Byte]] = Seq(
    concat(tag(number, Varint), varint(-1)),
    concat(tag(number, Fixed64), fixed64(0x0a0a0a0a0a0a0a0aL)),
    field(number, "key and value".getBytes(UTF_8)),
    field(number),
    concat(
      tag(number, StartGroup),
      key("inside"),
      concat(tag(7, StartGroup), tag(2, Fixed32), fixed32(1f), tag(7, EndGroup)),
      tag(number, EndGroup)
    ),
    concat(tag(number, Fixed32), fixed32(-1f))
  )
}

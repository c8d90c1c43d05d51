package io.sparktf.tfrecord.wire

import java.nio.ByteOrder

/**
 * The parts of protobuf's wire format that tf.Example uses
 * (protobuf.dev/programming-guides/encoding, tensorflow/core/example/{example,feature}.proto).
 *
 * Words are loaded eight bytes at a time without a bounds check, so every buffer that is read
 * here must have [[WireFormat.Slack]] bytes behind the last one that may be looked at.
 */
private[tfrecord] object WireFormat {

  /** Bytes that a buffer must have behind its data so that word loads stay inside of it. */
  final val Slack = 32

  // A tag is (field number << 3) | wire type; wire type 2 is length-delimited.
  final val Field1 = 0x0a
  final val Field2 = 0x12
  final val Field3 = 0x1a
  final val UnpackedInt64 = 0x08
  final val UnpackedFloat = 0x0d

  // The oneof of Feature: which list it holds.
  final val BytesList = Field1
  final val FloatList = Field2
  final val Int64List = Field3

  final val MaxVarintBytes = 10

  final private val Continuations = 0x8080808080808080L
  private val littleEndian = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN

  def load(bytes: Array[Byte], pos: Int): Long = {
    val word = RawBytes.getLong(bytes, pos)
    if (littleEndian) word else java.lang.Long.reverseBytes(word)
  }

  def loadInt(bytes: Array[Byte], pos: Int): Int = {
    val word = RawBytes.getInt(bytes, pos)
    if (littleEndian) word else java.lang.Integer.reverseBytes(word)
  }

  def store(bytes: Array[Byte], pos: Int, word: Long): Unit =
    RawBytes.putLong(bytes, pos, if (littleEndian) word else java.lang.Long.reverseBytes(word))

  def storeInt(bytes: Array[Byte], pos: Int, word: Int): Unit =
    RawBytes.putInt(bytes, pos, if (littleEndian) word else java.lang.Integer.reverseBytes(word))

  /** Whether the file's little-endian floats can be copied to memory as they are. */
  def isLittleEndian: Boolean = littleEndian

  /** The bytes of the varint that begins `word`: 1 to 8, or 9 where it goes on past the word. */
  def varintLength(word: Long): Int =
    (java.lang.Long.numberOfTrailingZeros(~word & Continuations) >>> 3) + 1

  /** The value of the varint of `length` bytes (1 to 8) that begins `word`. */
  def varintValue(word: Long, length: Int): Long = {
    // Seven bits a byte are brought together pairwise: 7 -> 14 -> 28 -> 56 bits.
    val groups = word & (-1L >>> (64 - 8 * length)) & 0x7f7f7f7f7f7f7f7fL
    val pairs = (groups & 0x007f007f007f007fL) | ((groups & 0x7f007f007f007f00L) >>> 1)
    val quads = (pairs & 0x00003fff00003fffL) | ((pairs & 0x3fff00003fff0000L) >>> 2)
    (quads & 0x000000000fffffffL) | ((quads & 0x0fffffff00000000L) >>> 4)
  }

  /** How many varints end within `[start, end)`; 0 for an empty range. */
  def countVarints(bytes: Array[Byte], start: Int, end: Int): Int = {
    var pos = start
    var count = 0
    while (pos + 8 <= end) {
      count += java.lang.Long.bitCount(~load(bytes, pos) & Continuations)
      pos += 8
    }
    while (pos < end) {
      if (bytes(pos) >= 0) count += 1
      pos += 1
    }
    count
  }

  /**
   * The length of the varint at `pos`, or -1 where it is cut off by `end` or longer than ten
   * bytes.
   */
  def longVarintLength(bytes: Array[Byte], pos: Int, end: Int): Int = {
    val limit = math.min(end - pos, MaxVarintBytes)
    var i = 0
    while (i < limit) {
      if (bytes(pos + i) >= 0) return i + 1
      i += 1
    }
    -1
  }

  /** The value of a varint of any length; as in protobuf, bits past the 64th are dropped. */
  def longVarintValue(bytes: Array[Byte], pos: Int, length: Int): Long = {
    var value = 0L
    var i = 0
    while (i < length) {
      value |= (bytes(pos + i) & 0x7fL) << (7 * i)
      i += 1
    }
    value
  }

  /**
   * Reads a length at `pos`: `(position behind it << 32) | length`, or -1 where it is cut off by
   * `end` or exceeds an Int. The caller compares the length with what is left.
   */
  def readLength(bytes: Array[Byte], pos: Int, end: Int): Long = {
    val n = longVarintLength(bytes, pos, end)
    if (n < 0) return -1L
    val value = longVarintValue(bytes, pos, n)
    if (value < 0 || value > Int.MaxValue) -1L else ((pos + n).toLong << 32) | value
  }

  /**
   * Reads the tag and the length of a length-delimited field at `pos`:
   * `(position of its content << 32) | length of its content`, or -1 where the tag is another or
   * the content would go on behind `end`.
   */
  def readDelimited(bytes: Array[Byte], pos: Int, end: Int, tag: Int): Long = {
    if (pos >= end || bytes(pos) != tag) return -1L
    val read = readLength(bytes, pos + 1, end)
    if (read.toInt > end - (read >>> 32).toInt) -1L else read
  }

  def varintSize(value: Long): Int = {
    // One byte for every seven bits up to the highest that is set: (bits * 9 + 64) / 64.
    val bits = 64 - java.lang.Long.numberOfLeadingZeros(value | 1L)
    (bits * 9 + 64) >>> 6
  }

  def varintSize(value: Int): Int = varintSize(value & 0xffffffffL)

  /** Writes a varint and gives the position behind it. */
  def writeVarint(bytes: Array[Byte], pos: Int, value: Long): Int = {
    var p = pos
    var rest = value
    while ((rest & ~0x7fL) != 0L) {
      bytes(p) = ((rest & 0x7f) | 0x80).toByte
      rest >>>= 7
      p += 1
    }
    bytes(p) = rest.toByte
    p + 1
  }
}

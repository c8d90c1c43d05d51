package io.sparktf.tfrecord.wire

import WireFormat._

/** The fields of serialized messages of any kind. */
private[tfrecord] object MessageFields {
  // The wire types.
  final val Varint = 0
  final val Fixed64 = 1
  final val LengthDelimited = 2
  final val StartGroup = 3
  final val EndGroup = 4
  final val Fixed32 = 5

  /**
   * Calls `visit(number, wire type, content start, content end)` for the fields in `[start, end)`,
   * but not for groups and what is in them, until one is damaged.
   */
  def each(bytes: Array[Byte], start: Int, end: Int)(visit: (Int, Int, Int, Int) => Unit): Unit = {
    var pos = start
    var depth = 0
    while (pos >= 0 && pos < end) {
      val length = longVarintLength(bytes, pos, end)
      if (length < 0) return
      val tag = longVarintValue(bytes, pos, length)
      val from = pos + length
      val wireType = (tag & 7).toInt
      var content = from
      pos = wireType match {
        case Varint => behind(from, longVarintLength(bytes, from, end), end)
        case Fixed64 => behind(from, 8, end)
        case Fixed32 => behind(from, 4, end)
        case LengthDelimited =>
          val read = readLength(bytes, from, end)
          content = (read >>> 32).toInt
          if (read < 0) -1 else behind(content, read.toInt, end)
        case StartGroup =>
          depth += 1
          from
        case EndGroup =>
          depth -= 1
          from
        case _ => -1
      }
      val isField = wireType != StartGroup && wireType != EndGroup
      if (pos >= 0 && isField && depth == 0) visit((tag >>> 3).toInt, wireType, content, pos)
    }
  }

  /** The position behind `length` bytes, or -1 where they do not fit. */
  private def behind(from: Int, length: Int, end: Int): Int =
    if (length < 0 || length > end - from) -1 else from + length

  /** Whether there is a message, or bytes, of this number. */
  def holds(bytes: Array[Byte], start: Int, end: Int, number: Int): Boolean = {
    var found = false
    each(bytes, start, end) { (field, wireType, _, _) =>
      found |= field == number && wireType == LengthDelimited
    }
    found
  }
}

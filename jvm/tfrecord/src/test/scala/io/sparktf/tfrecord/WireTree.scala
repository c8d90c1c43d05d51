package io.sparktf.tfrecord

import Wire._

/**
 * A message taken apart into its fields, those inside of fields too, so that it can be changed at
 * any depth and the lengths around the change be right again. Built without this project's code.
 */
object WireTree {

  sealed trait Part {
    def bytes: Array[Byte]

    /** How many parts there are from here down. */
    def count: Int
  }

  /** Bytes that are not looked into: a field of another wire type, or what a leaf holds. */
  final case class Leaf(bytes: Array[Byte]) extends Part {
    override def count: Int = 1
  }

  /**
   * A length-delimited field.
   *
   * @param length the bytes to write as its length in place of the true one
   */
  final case class Node(tag: Array[Byte], parts: Vector[Part], length: Option[Array[Byte]] = None)
    extends Part {
    override def count: Int = 1 + parts.map(_.count).sum
    def content: Array[Byte] = concat(parts.map(_.bytes): _*)
    override def bytes: Array[Byte] = {
      val body = content
      concat(tag, length.getOrElse(varint(body.length)), body)
    }
  }

  // Example, Features, entry, Feature, list, and the values of a SequenceExample one level below.
  private val MaxDepth = 7

  /** The fields of a message, or one leaf where `bytes` are none. */
  def parse(bytes: Array[Byte]): Vector[Part] =
    fields(bytes, MaxDepth).getOrElse(Vector(Leaf(bytes)))

  def serialize(parts: Vector[Part]): Array[Byte] = concat(parts.map(_.bytes): _*)

  private def fields(bytes: Array[Byte], depth: Int): Option[Vector[Part]] = {
    val parts = Vector.newBuilder[Part]
    var pos = 0
    while (pos < bytes.length) {
      val tagEnd = varintEnd(bytes, pos)
      if (tagEnd < 0) return None
      val end = (varintValue(bytes, pos, tagEnd) & 7).toInt match {
        case Varint => varintEnd(bytes, tagEnd)
        case Fixed64 => tagEnd + 8
        case Fixed32 => tagEnd + 4
        case LengthDelimited =>
          val from = varintEnd(bytes, tagEnd)
          if (from < 0) return None
          val length = varintValue(bytes, tagEnd, from)
          if (length < 0 || length > bytes.length - from) return None
          val content = bytes.slice(from, from + length.toInt)
          val inside = if (depth > 0 && length > 0) fields(content, depth - 1) else None
          parts += Node(bytes.slice(pos, tagEnd), inside.getOrElse(Vector(Leaf(content))))
          pos = from + length.toInt
          pos
        case _ => return None
      }
      if (end < 0 || end > bytes.length) return None
      if (end > pos) {
        parts += Leaf(bytes.slice(pos, end))
        pos = end
      }
    }
    Some(parts.result())
  }

  /** Behind the varint at `pos`, or -1 where it is none. */
  def varintEnd(bytes: Array[Byte], pos: Int): Int = {
    val length = bytes.iterator.slice(pos, pos + 10).indexWhere(_ >= 0)
    if (length < 0) -1 else pos + length + 1
  }

  /** The varint in `[pos, end)`, bits past the 64th dropped. */
  def varintValue(bytes: Array[Byte], pos: Int, end: Int): Long = (pos until end).foldLeft(0L)(
    (v, i) => v | (bytes(i) & 0x7fL) << (7 * (i - pos))
  )
}

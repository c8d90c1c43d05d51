package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.options.RecordType
import io.sparktf.tfrecord.wire.GrowingBuffer
import io.sparktf.tfrecord.wire.MessageFields.{
  EndGroup,
  Fixed32,
  Fixed64,
  LengthDelimited,
  StartGroup,
  Varint
}
import io.sparktf.tfrecord.wire.WireFormat._

/**
 * Rewrites a valid but unusual serialized tf.Example or tf.SequenceExample into the layout of
 * protobuf's own writers: lists packed, key before value, split messages merged, unknown fields
 * dropped, lengths minimal. The fast path then reads every message by the rules of that one
 * layout.
 *
 * The rules are protobuf's: repeated lists of a Feature are joined, and a list of another kind
 * replaces what came before it (oneof); a value that is repeated within a map entry merges;
 * duplicate entries of a key are kept in order, so that the last one wins.
 *
 * A message that protobuf would not parse is a [[MalformedMessageException]] that says where.
 */
final private[tfrecord] class ExampleNormalizer(recordType: RecordType) {
  private[this] val out = new GrowingBuffer(256)
  // A SequenceExample has two maps; the features of an Example are the first.
  private[this] val features = new GrowingBuffer(256)
  private[this] val featureLists = new GrowingBuffer(256)
  private[this] val key = new GrowingBuffer(256)
  private[this] val message = new GrowingBuffer(256)
  private[this] val step = new GrowingBuffer(256)
  // The Feature that is being read: its list and the list's values.
  private[this] val values = new GrowingBuffer(256)
  private[this] var kind = 0

  private[this] var bytes: Array[Byte] = _
  private[this] var origin = 0
  // Of the varint and of the field that were read last.
  private[this] var varint = 0L
  private[this] var contentSize = 0

  /** The normalized message, from the buffer's start on for [[size]] bytes, until the next call. */
  def buffer: Array[Byte] = out.array
  def size: Int = out.position

  def normalize(record: Array[Byte], recordStart: Int, recordEnd: Int): Unit = {
    bytes = record
    origin = recordStart
    features.clear()
    featureLists.clear()
    eachField(recordStart, recordEnd) { (field, wireType, from, to) =>
      if (wireType == LengthDelimited) {
        if (field == 1) map(features, from, to, ofLists = false)
        else if (field == 2 && recordType == RecordType.SequenceExample) {
          map(featureLists, from, to, ofLists = true)
        }
      }
    }
    out.clear()
    if (features.position > 0) out.putDelimited(Field1, features)
    if (featureLists.position > 0) out.putDelimited(Field2, featureLists)
    bytes = null
  }

  private def map(entries: GrowingBuffer, start: Int, end: Int, ofLists: Boolean): Unit =
    eachField(start, end) { (field, wireType, from, to) =>
      if (field == 1 && wireType == LengthDelimited) {
        entry(from, to, ofLists)
        entries.putByte(Field1)
        entries.putVarint(
          2L + varintSize(key.position) + key.position + varintSize(message.position) +
            message.position
        )
        entries.putDelimited(Field1, key)
        entries.putDelimited(Field2, message)
      }
    }

  private def entry(start: Int, end: Int, ofLists: Boolean): Unit = {
    key.clear()
    message.clear()
    beginFeature()
    eachField(start, end) { (field, wireType, from, to) =>
      if (wireType == LengthDelimited) {
        if (field == 1) {
          key.clear()
          key.put(bytes, from, to - from)
        } else if (field == 2) {
          if (ofLists) featureList(from, to) else feature(from, to)
        }
      }
    }
    if (!ofLists) endFeature(message)
  }

  private def featureList(start: Int, end: Int): Unit =
    eachField(start, end) { (field, wireType, from, to) =>
      if (field == 1 && wireType == LengthDelimited) {
        beginFeature()
        feature(from, to)
        step.clear()
        endFeature(step)
        message.putDelimited(Field1, step)
      }
    }

  private def beginFeature(): Unit = {
    kind = 0
    values.clear()
  }

  /** Appends the Feature, which is nothing where no list was in it. */
  private def endFeature(target: GrowingBuffer): Unit = if (kind != 0) {
    val packed = kind != BytesList && values.position > 0
    target.putByte(kind)
    if (packed) {
      target.putVarint(1L + varintSize(values.position) + values.position)
      target.putDelimited(Field1, values)
    } else {
      target.putVarint(values.position)
      target.put(values.array, 0, values.position)
    }
  }

  private def feature(start: Int, end: Int): Unit =
    eachField(start, end) { (field, wireType, from, to) =>
      if (wireType == LengthDelimited && field >= 1 && field <= 3) {
        val tag = (field << 3) | LengthDelimited
        if (tag != kind) values.clear()
        kind = tag
        list(from, to)
      }
    }

  private def list(start: Int, end: Int): Unit =
    eachField(start, end) { (field, wireType, from, to) =>
      if (field == 1) {
        (kind, wireType) match {
          case (BytesList, LengthDelimited) =>
            values.putByte(Field1)
            values.putVarint(to - from)
            values.put(bytes, from, to - from)
          case (FloatList, LengthDelimited) =>
            if ((to - from) % 4 != 0) fail(from, s"a float_list of ${to - from} bytes")
            values.put(bytes, from, to - from)
          case (FloatList, Fixed32) => values.put(bytes, from, 4)
          case (Int64List, LengthDelimited) => packedInt64(from, to)
          case (Int64List, Varint) => values.putVarint(varint)
          case _ => // A field of our number but another wire type is unknown, and dropped.
        }
      }
    }

  private def packedInt64(start: Int, end: Int): Unit = {
    var pos = start
    while (pos < end) {
      pos = readVarint(pos, end)
      values.putVarint(varint)
    }
  }

  /** Calls `visit(field number, wire type, content start, content end)` for each field. */
  private def eachField(start: Int, end: Int)(
      visit: (Int, Int, Int, Int) => Unit
  ): Unit = {
    var pos = start
    while (pos < end) {
      val at = pos
      pos = readVarint(pos, end)
      val tag = varint
      val field = (tag >>> 3).toInt
      val wireType = (tag & 7).toInt
      if (tag >>> 32 != 0 || field == 0) fail(at, s"the invalid tag $tag")
      if (wireType == StartGroup) {
        pos = skipGroup(at, field, pos, end, 1)
      } else {
        val from = contentStart(at, pos, wireType, end)
        pos = from + contentSize
        visit(field, wireType, from, pos)
      }
    }
  }

  /** Reads the value or the length of a field, checks that it fits, and gives its content's start. */
  private def contentStart(at: Int, pos: Int, wireType: Int, end: Int): Int = {
    var from = pos
    val size: Long = wireType match {
      case Varint =>
        readVarint(pos, end) - pos
      case Fixed64 => 8
      case Fixed32 => 4
      case LengthDelimited =>
        from = readVarint(pos, end)
        varint
      case _ => fail(at, s"the invalid wire type $wireType")
    }
    if (size < 0 || size > end - from) {
      fail(at, s"a field of $size bytes where ${end - from} are left")
    }
    contentSize = size.toInt
    from
  }

  private def skipGroup(at: Int, group: Int, start: Int, end: Int, depth: Int): Int = {
    if (depth > MaxDepth) fail(at, s"groups nested more than $MaxDepth deep")
    var pos = start
    while (pos < end) {
      val fieldAt = pos
      pos = readVarint(pos, end)
      val tag = varint
      val field = (tag >>> 3).toInt
      val wireType = (tag & 7).toInt
      if (tag >>> 32 != 0 || field == 0) fail(fieldAt, s"the invalid tag $tag")
      if (wireType == EndGroup) {
        if (field != group) fail(fieldAt, s"the end of group $field inside group $group")
        return pos
      }
      pos =
        if (wireType == StartGroup) skipGroup(fieldAt, field, pos, end, depth + 1)
        else contentStart(fieldAt, pos, wireType, end) + contentSize
    }
    fail(at, s"group $group without its end")
  }

  private def readVarint(pos: Int, end: Int): Int = {
    val length = longVarintLength(bytes, pos, end)
    if (length < 0) fail(pos, "a varint that is cut off or longer than ten bytes")
    varint = longVarintValue(bytes, pos, length)
    pos + length
  }

  private def fail(at: Int, what: String): Nothing =
    throw new MalformedMessageException(
      s"no valid tf.$recordType: $what at byte ${at - origin} of the message; " +
        ForeignMessage.hint
    )

  // As deep as protobuf's own parsers go.
  final private[this] val MaxDepth = 100
}

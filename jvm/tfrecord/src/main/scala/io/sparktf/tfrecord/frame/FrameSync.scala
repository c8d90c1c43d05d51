package io.sparktf.tfrecord.frame

import java.io.Closeable

import scala.collection.mutable

import FrameReader.{FooterSize, HeaderSize, MaxRecordLength}
import io.sparktf.tfrecord.stream.ListedBytes
import io.sparktf.tfrecord.wire.{RawBytes, WireFormat}
import io.sparktf.tfrecord.wire.WireFormat.Slack

/**
 * Finds where the records of a split begin without reading the file from its start.
 *
 * What looks like a header (a length that the file has room for, with its checksum) may also lie
 * inside a record whose data holds TFRecord bytes. So a header must ''hold'': the headers that
 * follow on it, each where the record before it ends, are whole for [[lookAhead]] bytes, or to
 * exactly the file's end. Headers inside a record lead to its end and break there; they hold only
 * in a record that is longer than the look-ahead. The records of a split begin at the first header
 * in it that holds.
 *
 * Whether a header holds depends on the file's bytes and size alone, not on the split. So the
 * split before, which knows where its last record ends, can tell what the following splits will
 * find, and [[FrameReader]] fails at the end of a split unless that is the truth: from the first
 * split on, which begins at the file's first byte, splits that end without an error have read each
 * record once. (Splits that a query leaves before their end, having enough rows, are not checked.)
 *
 * @param open opens the file; the stream is closed by [[close]]
 * @param size the file's bytes, as it was listed: the same for all of its splits
 */
final private[tfrecord] class FrameSync(open: () => ListedBytes, size: Long)
  extends Closeable {
  import FrameSync._

  private[this] val checksum = new Checksum
  private[this] var in: ListedBytes = _
  private[this] var bytes: Array[Byte] = _
  // The offset in the file of bytes(0), and how many bytes there are.
  private[this] var origin = 0L
  private[this] var limit = 0
  private[this] var nextRead = SmallestRead

  /** The file's first bytes, at most as many as a header has. */
  lazy val head: Array[Byte] = {
    at(0, math.min(HeadSize, size).toInt)
    java.util.Arrays.copyOf(bytes, math.min(limit, HeaderSize))
  }

  /**
   * For how many bytes headers must follow on one another. Many more where the file's first
   * records hold TFRecord bytes themselves, and more than those records are long: such files are
   * rare, and their records are much alike.
   */
  lazy val lookAhead: Long = {
    at(0, math.min(HeadSize, size).toInt)
    var largest = 0L
    var nested = false
    var next = 0
    // Exactly so many bytes, however many a read gave: for all splits the same.
    val end = math.min(limit, HeadSize) - HeaderSize + 1
    var i = nextHeader(bytes, 0, end, size, checksum)
    while (i >= 0) {
      if (i == next) {
        val length = WireFormat.load(bytes, i)
        largest = math.max(largest, length)
        next = math.min(i + frameSize(length), Int.MaxValue).toInt
      } else {
        nested = true
      }
      i = nextHeader(bytes, i + 1, end, size - i - 1, checksum)
    }
    if (nested) NestedLookAhead + 2 * largest else LookAhead
  }

  /** The offset of the first header in `[from, until)` that holds, or -1. */
  def first(from: Long, until: Long): Long = {
    val ahead = lookAhead // is read from the file's start, so before all else
    // Where the headers are that followed on one that did not hold: they do not either, and to
    // go through them again from each of them would take the square of their number.
    val broken = mutable.LongMap.empty[Unit]
    var offset = next(from, until)
    while (offset >= 0 && (broken.remove(offset).isDefined || !holds(offset, ahead, broken))) {
      offset = next(offset + 1, until)
    }
    offset
  }

  override def close(): Unit = if (in != null) {
    in.close()
    in = null
    bytes = null
  }

  private def holds(from: Long, ahead: Long, broken: mutable.LongMap[Unit]): Boolean = {
    var offset = from
    while (offset < size) {
      val index = at(offset, HeaderSize)
      val length = if (index < 0) -1 else lengthAt(bytes, index, size - offset, checksum)
      if (length < 0) return false
      if (offset - from >= ahead) return true
      if (broken.contains(offset)) return false
      if (offset > from && broken.size < MostBroken) broken.update(offset, ())
      offset += frameSize(length)
    }
    true
  }

  /** The offset of the next header in `[from, until)`, or -1. */
  private def next(from: Long, until: Long): Long = {
    var offset = from
    while (offset < until) {
      val index = at(offset, HeaderSize)
      if (index < 0) return -1
      val end = math.min(until - offset, limit - HeaderSize + 1 - index).toInt + index
      val found = nextHeader(bytes, index, end, size - offset, checksum)
      if (found >= 0) return offset + found - index
      offset += end - index
    }
    -1
  }

  /**
   * The place in the buffer of the byte at `offset`, with `count` bytes from it on; -1 where the
   * file has fewer.
   */
  private def at(offset: Long, count: Int): Int = {
    if (in == null || offset < origin || offset > origin + limit) {
      if (in == null) {
        in = open()
        val room = if (RawBytes.CHECKED) HeadSize else LargestRead
        bytes = new Array[Byte](math.max(HeaderSize, math.min(room, size)).toInt + Slack)
      }
      in.seek(offset)
      origin = offset
      limit = 0
      nextRead = SmallestRead
    }
    var index = (offset - origin).toInt
    while (limit - index < count) {
      if (index > 0) {
        System.arraycopy(bytes, index, bytes, 0, limit - index)
        limit -= index
        origin = offset
        index = 0
      }
      val read = in.read(bytes, limit, math.min(nextRead, bytes.length - Slack - limit))
      if (read < 0) return -1
      limit += read
      // Large reads only where one goes on to the next: from header to header of large records
      // most of a large one would be for nothing.
      nextRead = math.min(2 * nextRead, LargestRead)
    }
    index
  }
}

private[tfrecord] object FrameSync {
  // Costs about as much as one large read, once for a split of many megabytes.
  final private val LookAhead = 1L << 20
  final private val NestedLookAhead = 64L << 20

  final private val HeadSize = 64 * 1024
  final private val SmallestRead = 16 * 1024
  final private val LargestRead = 256 * 1024

  // Bounds the memory; beyond it some headers are gone through again.
  final private val MostBroken = 1 << 20

  /** The bytes of a record with its header and footer. */
  private def frameSize(length: Long): Long = HeaderSize + length + FooterSize

  /**
   * The length in the header at `index`, or -1 where there is no header.
   *
   * @param room how many bytes the file has from there on
   */
  private def lengthAt(bytes: Array[Byte], index: Int, room: Long, checksum: Checksum): Long = {
    val length = WireFormat.load(bytes, index)
    if (
      length >= 0 && length <= MaxRecordLength && frameSize(length) <= room &&
      WireFormat.loadInt(bytes, index + 8) == checksum.ofLength(length)
    ) length
    else -1
  }

  /**
   * The index of the first header in `[from, until)`, or -1. `bytes` must hold the 12 bytes of
   * each.
   *
   * @param room how many bytes the file has from `from` on
   */
  def nextHeader(
      bytes: Array[Byte],
      from: Int,
      until: Int,
      room: Long,
      checksum: Checksum
  ): Int = {
    var i = from
    while (i < until) {
      // No length reaches the upper four of its eight bytes, so no header begins less than eight
      // bytes before one that is not zero: most bytes are never looked at.
      val upper = WireFormat.loadInt(bytes, i + 4)
      if (upper != 0) i += 4 - (Integer.numberOfLeadingZeros(upper) >>> 3)
      // A length of zero does not have zero for its checksum: five times not.
      else if (WireFormat.load(bytes, i) == 0 && WireFormat.load(bytes, i + 8) == 0) i += 5
      else if (lengthAt(bytes, i, room - (i - from), checksum) >= 0) return i
      else i += 1
    }
    -1
  }
}

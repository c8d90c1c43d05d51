package io.sparktf.tfrecord.wire

import WireFormat._
import io.sparktf.tfrecord.{MalformedMessageException, NoMemoryException}

/**
 * Bytes that are put one behind the other, in an array that grows with them.
 *
 * The array belongs to the buffer, which replaces it whenever it is full: it is written to by these
 * methods alone, each of which makes the room that it needs, and changed only where something was
 * put before. [[array]] is for reading what is there, until the next call that puts something.
 *
 * Behind the position there are always [[WireFormat.Slack]] bytes, so that whole words can be stored
 * and loaded at the end.
 *
 * @param startSize how many bytes fit without growing
 */
final private[tfrecord] class GrowingBuffer(startSize: Int) {
  import GrowingBuffer._

  private[this] var bytes = start(startSize)
  private[this] var pos = 0

  /** How many bytes were put, and so where the next goes. */
  def position: Int = pos

  /** The array with the bytes, for reading until something is put. */
  def array: Array[Byte] = bytes

  /**
   * Takes back what was put from `position` on.
   *
   * @param position at most the present one
   */
  def truncate(position: Int): Unit = pos = position

  def clear(): Unit = pos = 0

  /** Gives back the memory of an empty buffer that has grown to more than `largest` bytes. */
  def shrink(largest: Int): Unit = if (pos == 0 && bytes.length > largest) bytes = start(startSize)

  /**
   * Makes room for `count` bytes, so that putting them in pieces grows the array once.
   *
   * @throws MalformedMessageException where no array can hold them
   * @throws NoMemoryException where the heap does not have them
   */
  def reserve(count: Long): Unit =
    if (bytes.length - pos - Slack < count) bytes = ensure(bytes, pos, count + Slack)

  /** The same for the few bytes that are put next. */
  private def room(count: Int): Unit = if (bytes.length - pos - Slack < count) reserve(count)

  /** Moves over `count` bytes, to be set later. */
  def skip(count: Long): Unit = {
    reserve(count)
    pos += count.toInt
  }

  /** Puts zeros up to the next multiple of eight, for which the slack has room. */
  def padToWord(): Unit = {
    RawBytes.putLong(bytes, pos, 0L)
    pos = (pos + 7) & ~7
  }

  def putByte(value: Int): Unit = {
    room(1)
    bytes(pos) = value.toByte
    pos += 1
  }

  /** Puts the eight bytes of a word, in the file's order. */
  def putLong(value: Long): Unit = {
    room(8)
    store(bytes, pos, value)
    pos += 8
  }

  /** Puts the four bytes of a word, in the file's order. */
  def putInt(value: Int): Unit = {
    room(4)
    storeInt(bytes, pos, value)
    pos += 4
  }

  def putFloat(value: Float): Unit = putInt(java.lang.Float.floatToRawIntBits(value))

  def putVarint(value: Long): Unit = {
    room(MaxVarintBytes)
    pos = writeVarint(bytes, pos, value)
  }

  /** Puts the tag and the length that begin a length-delimited field. */
  def putTag(tag: Int, length: Long): Unit = {
    room(1 + MaxVarintBytes)
    bytes(pos) = tag.toByte
    pos = writeVarint(bytes, pos + 1, length)
  }

  /** Puts a length-delimited field of a message: its tag, the content's length, the content. */
  def putDelimited(tag: Int, content: GrowingBuffer): Unit = {
    putTag(tag, content.position)
    put(content.array, 0, content.position)
  }

  def put(source: Array[Byte], from: Int, count: Int): Unit = {
    room(count)
    System.arraycopy(source, from, bytes, pos, count)
    pos += count
  }

  def put(source: Array[Byte]): Unit = put(source, 0, source.length)

  /**
   * Puts the first `count` bytes of a short array whose length is a multiple of eight, whole words at
   * a time.
   */
  def putWords(words: Array[Byte], count: Int): Unit = {
    room(count) // what the last word has too much goes into the slack
    var i = 0
    while (i < count) {
      RawBytes.putLong(bytes, pos + i, RawBytes.getLong(words, i))
      i += 8
    }
    pos += count
  }

  /** Puts `count` bytes of an object of Spark's, which are at `offset` from `base`. */
  def putMemory(base: AnyRef, offset: Long, count: Int): Unit = {
    room(count)
    RawBytes.copyFrom(base, offset, bytes, pos, count)
    pos += count
  }

  def putZeros(count: Int): Unit = {
    room(count)
    java.util.Arrays.fill(bytes, pos, pos + count, 0.toByte)
    pos += count
  }

  /** Changes a byte that was put. */
  def setByte(at: Int, value: Int): Unit = {
    checkPut(at, 1)
    bytes(at) = value.toByte
  }

  /** Changes four bytes that were put, in the file's order. */
  def setInt(at: Int, value: Int): Unit = {
    checkPut(at, 4)
    storeInt(bytes, at, value)
  }

  /** Changes eight bytes that were put, in the file's order. */
  def setLong(at: Int, value: Long): Unit = {
    checkPut(at, 8)
    store(bytes, at, value)
  }

  /** Changes what was put to a varint, and gives the position behind it. */
  def setVarint(at: Int, value: Long): Int = {
    checkPut(at, varintSize(value))
    writeVarint(bytes, at, value)
  }

  /** Moves what was put from `from` on by `by` bytes, forward or back. */
  def shift(from: Int, by: Int): Unit = {
    checkPut(math.min(from, from + by), 0)
    val count = pos - from
    if (by > 0) room(by)
    System.arraycopy(bytes, from, bytes, from + by, count)
    pos += by
  }

  private def checkPut(at: Int, count: Int): Unit =
    if (at < 0 || at > pos - count) {
      throw new IndexOutOfBoundsException(s"$count bytes at $at, where $pos were put")
    }
}

private[tfrecord] object GrowingBuffer {
  // The largest array that JVMs allocate, rounded down to words as Spark's rows need it.
  final val MaxSize = Int.MaxValue - 15

  /** An array for `size` bytes and the slack; no larger than must be where accesses are checked. */
  def start(size: Int): Array[Byte] =
    if (RawBytes.CHECKED) spoiled(new Array[Byte](Slack), 0) else new Array[Byte](size + Slack)

  /** `bytes`, or a larger copy of its first `used` bytes with room for `more`. */
  def ensure(bytes: Array[Byte], used: Int, more: Long): Array[Byte] = {
    val needed = used + more
    if (needed <= bytes.length) return bytes
    if (needed > MaxSize) {
      throw new MalformedMessageException(
        s"a record or row of $needed bytes exceeds the largest that a JVM can hold ($MaxSize)"
      )
    }
    val wanted = if (RawBytes.CHECKED) needed else math.max(needed, 2L * bytes.length)
    grow(bytes, used, math.min(MaxSize.toLong, wanted).toInt)
  }

  /**
   * A copy of `size` bytes that begins with the first `used` of `bytes`, which is not to be used any
   * more.
   *
   * @throws NoMemoryException where the heap does not have them
   */
  def grow(bytes: Array[Byte], used: Int, size: Int): Array[Byte] = {
    // Most JVMs are told to die of an OutOfMemoryError, so one that is certain is not provoked.
    if (bytes.length.toLong + size > Runtime.getRuntime.maxMemory)
      throw new NoMemoryException(size)
    val grown =
      try new Array[Byte](size)
      catch {
        // That one large piece is not to be had harms nothing else.
        case _: OutOfMemoryError => throw new NoMemoryException(size)
      }
    System.arraycopy(bytes, 0, grown, 0, used)
    if (RawBytes.CHECKED) {
      spoiled(bytes, 0)
      spoiled(grown, used)
    }
    grown
  }

  /** Whoever still reads the old array, or counts on zeros, is to be noticed. */
  private def spoiled(bytes: Array[Byte], from: Int): Array[Byte] = {
    java.util.Arrays.fill(bytes, from, bytes.length, Spoiled)
    bytes
  }

  final private val Spoiled = 0xa5.toByte
}

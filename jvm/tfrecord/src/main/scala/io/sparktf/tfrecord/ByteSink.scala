package io.sparktf.tfrecord

/** A growing byte buffer with [[WireFormat.Slack]] bytes behind its content. */
final private[tfrecord] class ByteSink {
  private[this] var buffer = new Array[Byte](256)
  private[this] var length = 0

  def bytes: Array[Byte] = buffer
  def size: Int = length

  def clear(): Unit = length = 0

  def skip(count: Int): Unit = {
    reserve(count)
    length += count
  }

  def append(source: Array[Byte], offset: Int, count: Int): Unit = {
    reserve(count)
    System.arraycopy(source, offset, buffer, length, count)
    length += count
  }

  def appendByte(value: Int): Unit = {
    reserve(1)
    buffer(length) = value.toByte
    length += 1
  }

  def appendVarint(value: Long): Unit = {
    reserve(WireFormat.MaxVarintBytes)
    length = WireFormat.writeVarint(buffer, length, value)
  }

  /** Appends a length-delimited field of a message: its tag, the content's length, the content. */
  def appendDelimited(tag: Int, content: ByteSink): Unit = {
    appendByte(tag)
    appendVarint(content.size)
    append(content.bytes, 0, content.size)
  }

  private def reserve(count: Int): Unit =
    buffer = GrowingBuffer.ensure(buffer, length, count.toLong + WireFormat.Slack)
}

private[tfrecord] object GrowingBuffer {
  // The largest array that JVMs allocate, rounded down to words as Spark's rows need it.
  final val MaxSize = Int.MaxValue - 15

  /** `buffer`, or a larger copy of its first `used` bytes with room for `more`. */
  def ensure(buffer: Array[Byte], used: Int, more: Long): Array[Byte] = {
    val needed = used + more
    if (needed <= buffer.length) return buffer
    if (needed > MaxSize) {
      throw new MalformedMessageException(
        s"a record or row of $needed bytes exceeds the largest that a JVM can hold ($MaxSize)"
      )
    }
    grow(buffer, used, math.min(MaxSize.toLong, math.max(needed, 2L * buffer.length)).toInt)
  }

  /**
   * A copy of `size` bytes that begins with the first `used` of `buffer`.
   *
   * @throws NoMemoryException where the heap does not have them
   */
  def grow(buffer: Array[Byte], used: Int, size: Int): Array[Byte] = {
    // Most JVMs are told to die of an OutOfMemoryError, so one that is certain is not provoked.
    if (buffer.length.toLong + size > Runtime.getRuntime.maxMemory)
      throw new NoMemoryException(size)
    val grown =
      try new Array[Byte](size)
      catch {
        // That one large piece is not to be had harms nothing else.
        case _: OutOfMemoryError => throw new NoMemoryException(size)
      }
    System.arraycopy(buffer, 0, grown, 0, used)
    grown
  }
}

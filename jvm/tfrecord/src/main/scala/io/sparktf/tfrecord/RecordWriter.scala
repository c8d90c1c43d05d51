package io.sparktf.tfrecord

import java.io.{Closeable, OutputStream}

import WireFormat._

/**
 * Writes the frames of a TFRecord stream; [[RecordReader]] shows their layout.
 *
 * A record is encoded in place: [[begin]], then bytes put at [[position]] of [[bytes]] behind
 * [[reserve]], then [[end]]. What is finished goes to the stream in large pieces.
 */
final private[tfrecord] class RecordWriter(out: OutputStream) extends Closeable {
  import RecordReader.{FooterSize, HeaderSize, MaxRecordLength}
  import RecordWriter._

  private[this] val checksum = new Checksum
  private[this] var buffer = new Array[Byte](FlushSize + 64 * 1024)
  private[this] var pos = 0
  private[this] var recordStart = 0

  def bytes: Array[Byte] = buffer
  def position: Int = pos

  /** Makes room for `count` bytes and the slack of word stores. */
  def reserve(count: Long): Unit =
    if (buffer.length - pos < count + Slack) {
      buffer = GrowingBuffer.ensure(buffer, pos, count + Slack)
    }

  /** Moves the position behind bytes that were put there. */
  def moveTo(position: Int): Unit = pos = position

  /** Puts bytes, for which there must be room. */
  def put(source: Array[Byte]): Unit = {
    System.arraycopy(source, 0, buffer, pos, source.length)
    pos += source.length
  }

  /** Puts the tag and the length that begin a length-delimited field. There must be room. */
  def putTag(tag: Int, length: Long): Unit = {
    buffer(pos) = tag.toByte
    pos = writeVarint(buffer, pos + 1, length)
  }

  def begin(): Unit = {
    recordStart = pos
    reserve(HeaderSize)
    pos += HeaderSize
  }

  /** Takes back what was put since [[begin]]. */
  def discard(): Unit = pos = recordStart

  def end(): Unit = {
    val data = recordStart + HeaderSize
    val length = pos - data
    if (length > MaxRecordLength) {
      discard()
      throw new MalformedMessageException(
        s"a record of $length bytes; the largest that can be read back is $MaxRecordLength"
      )
    }
    reserve(FooterSize)
    store(buffer, recordStart, length)
    storeInt(buffer, recordStart + 8, checksum.ofLength(length))
    storeInt(buffer, pos, checksum.of(buffer, data, length))
    pos += FooterSize
    if (pos >= FlushSize) flush()
  }

  override def close(): Unit =
    try flush()
    finally out.close()

  private def flush(): Unit = {
    // In pieces: Java writes a file through native memory of their size.
    var from = 0
    while (from < pos) {
      val size = math.min(pos - from, LargestWrite)
      out.write(buffer, from, size)
      from += size
    }
    pos = 0
    // One huge record must not hold its memory for the rest of the task.
    if (buffer.length > LargestKept) buffer = new Array[Byte](FlushSize + 64 * 1024)
  }
}

private[tfrecord] object RecordWriter {
  final private val FlushSize = 128 * 1024
  final private val LargestWrite = 1024 * 1024
  final private val LargestKept = 16 * 1024 * 1024
}

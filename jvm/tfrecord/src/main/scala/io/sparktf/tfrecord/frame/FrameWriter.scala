package io.sparktf.tfrecord.frame

import java.io.{Closeable, OutputStream}

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.wire.GrowingBuffer

/**
 * Writes the frames of a TFRecord stream; [[FrameReader]] shows their layout.
 *
 * A record is encoded in place: [[begin]], then its bytes put into [[buffer]], then [[end]] or
 * [[discard]]. What is finished goes to the stream in large pieces.
 */
final private[tfrecord] class FrameWriter(out: OutputStream) extends Closeable {
  import FrameReader.{HeaderSize, MaxRecordLength}
  import FrameWriter._

  private[this] val checksum = new Checksum
  private[this] var recordStart = 0

  /** Takes the bytes of the record that was begun. */
  val buffer = new GrowingBuffer(FlushSize + 64 * 1024)

  def begin(): Unit = {
    recordStart = buffer.position
    buffer.skip(HeaderSize)
  }

  /** Takes back what was put since [[begin]]. */
  def discard(): Unit = buffer.truncate(recordStart)

  def end(): Unit = {
    val data = recordStart + HeaderSize
    val length = buffer.position - data
    if (length > MaxRecordLength) {
      discard()
      throw new MalformedMessageException(
        s"a record of $length bytes; the largest that can be read back is $MaxRecordLength"
      )
    }
    buffer.setLong(recordStart, length)
    buffer.setInt(recordStart + 8, checksum.ofLength(length))
    buffer.putInt(checksum.of(buffer.array, data, length))
    if (buffer.position >= FlushSize) flush()
  }

  override def close(): Unit =
    try flush()
    finally out.close()

  private def flush(): Unit = {
    val bytes = buffer.array
    val count = buffer.position
    // What could not be written is not written once more when the failed task closes its file.
    buffer.clear()
    // In pieces: Java writes a file through native memory of their size.
    var from = 0
    while (from < count) {
      val size = math.min(count - from, LargestWrite)
      out.write(bytes, from, size)
      from += size
    }
    // One huge record must not hold its memory for the rest of the task.
    buffer.shrink(LargestKept)
  }
}

private[tfrecord] object FrameWriter {
  final private val FlushSize = 128 * 1024
  final private val LargestWrite = 1024 * 1024
  final private val LargestKept = 16 * 1024 * 1024
}

package io.sparktf.tfrecord

import java.io.{Closeable, EOFException, InputStream, IOException}

import org.apache.hadoop.fs.Seekable

import WireFormat.Slack

/**
 * Reads the frames of a TFRecord stream (tensorflow/core/lib/io/record_reader.cc):
 *
 * {{{
 * uint64 length; uint32 masked CRC of length; byte data[length]; uint32 masked CRC of data
 * }}}
 *
 * The data of a record lies in [[buffer]] from [[start]] to [[end]] until the next call, with
 * [[WireFormat.Slack]] bytes behind it. The buffer grows with the bytes that really come, so an
 * absurd length allocates nothing.
 *
 * @param in the uncompressed stream; closed by [[close]]
 * @param head bytes that were already taken from it
 * @param file the file's name, for messages
 * @param size how many bytes there are, or -1 if unknown (compressed): lets [[skip]] seek
 * @param verify whether the data's checksums are compared; a length's always is, for no frame
 *   after a wrong length could be trusted
 */
final private[tfrecord] class RecordReader(
    in: InputStream,
    head: Array[Byte],
    val file: String,
    size: Long,
    verify: Boolean
) extends Closeable {
  import RecordReader._

  private[this] val checksum = new Checksum
  private[this] var bytes = new Array[Byte](BufferSize)
  private[this] var pos = 0
  private[this] var limit = 0
  // The offset in the file of bytes(0).
  private[this] var origin = 0L

  private[this] var recordOffset = 0L
  private[this] var dataStart = 0
  private[this] var dataLength = 0

  System.arraycopy(head, 0, bytes, 0, head.length)
  limit = head.length

  def buffer: Array[Byte] = bytes
  def start: Int = dataStart
  def end: Int = dataStart + dataLength

  /** Where the record's header begins, in bytes from the start of the uncompressed stream. */
  def offset: Long = recordOffset

  /** Moves to the next record; false at the end of the stream. */
  def next(): Boolean = {
    if (!readHeader()) return false
    if (limit - pos < dataLength + FooterSize && !fill(dataLength.toLong + FooterSize)) {
      truncated(limit - pos)
    }
    dataStart = pos
    if (verify) {
      val computed = checksum.of(bytes, pos, dataLength)
      val stored = WireFormat.loadInt(bytes, pos + dataLength)
      if (computed != stored) {
        corrupt(s"the data's checksum is ${hex(stored)}, but its $dataLength bytes have " +
          s"${hex(computed)}")
      }
    }
    pos += dataLength + FooterSize
    true
  }

  /** Moves over the next record without looking at its data; false at the end of the stream. */
  def skip(): Boolean = {
    if (!readHeader()) return false
    val frameEnd = dataLength.toLong + FooterSize
    if (limit - pos >= frameEnd) {
      pos += frameEnd.toInt
    } else if (size >= 0) {
      seekTo(origin + pos + frameEnd)
    } else {
      discard(frameEnd)
    }
    true
  }

  /** The error for a record whose message is no good. */
  def malformed(cause: MalformedMessageException): MalformedRecordException =
    new MalformedRecordException(
      s"$file: the record at offset $recordOffset: ${cause.getMessage}",
      cause
    )

  /**
   * After a [[CorruptTFRecordException]] of [[next]]: makes the bytes of the broken frame the
   * present record, at most [[MaxDamage]] of them, for its end is unknown.
   */
  def moveToDamage(): Unit = {
    pos = math.max(0L, recordOffset - origin).toInt
    try fill(MaxDamage)
    catch { case _: CorruptTFRecordException => } // What could be read is in the buffer.
    dataStart = pos
    dataLength = math.min(limit - pos, MaxDamage)
  }

  override def close(): Unit = in.close()

  private def readHeader(): Boolean = {
    if (limit - pos < HeaderSize && !fill(HeaderSize)) {
      if (limit == pos) return false
      recordOffset = origin + pos
      corrupt(s"the file ends in a record's header, after ${limit - pos} of its $HeaderSize bytes")
    }
    recordOffset = origin + pos
    val length = WireFormat.load(bytes, pos)
    val stored = WireFormat.loadInt(bytes, pos + 8)
    val computed = checksum.ofLength(length)
    if (stored != computed) {
      corrupt(s"the length's checksum is ${hex(stored)}, but the length has ${hex(computed)}; " +
        "the file is damaged or no TFRecord file")
    }
    if (length < 0 || length > MaxRecordLength) {
      corrupt(s"a record of ${java.lang.Long.toUnsignedString(length)} bytes; " +
        s"the largest that can be read is $MaxRecordLength")
    }
    dataLength = length.toInt
    pos += HeaderSize
    true
  }

  /** Brings `count` bytes into the buffer from the present position; false if there are fewer. */
  private def fill(count: Long): Boolean = {
    if (pos > 0) {
      System.arraycopy(bytes, pos, bytes, 0, limit - pos)
      origin += pos
      limit -= pos
      pos = 0
    }
    while (limit < count) {
      if (limit == bytes.length - Slack) {
        // Doubled only when full, so never more than twice what the file holds.
        val larger = math.min(math.min(2L * bytes.length, count + Slack + BufferSize), MaxBuffer)
        bytes = java.util.Arrays.copyOf(bytes, larger.toInt)
      }
      val read = readSome(bytes, limit, bytes.length - Slack - limit)
      if (read < 0) return false
      limit += read
    }
    true
  }

  private def readSome(target: Array[Byte], from: Int, count: Int): Int =
    try in.read(target, from, count)
    catch {
      // Hadoop's codecs report a compressed stream that is cut off this way.
      case e: EOFException if size < 0 =>
        recordOffset = origin + limit
        throw new CorruptTFRecordException(
          s"$file: the compressed stream ends early, behind $recordOffset uncompressed bytes; " +
            "the file was not written to its end or was truncated",
          e
        )
      // Codecs with a native library throw an Error where Java's own throw an IOException.
      case e @ (_: IOException | _: RuntimeException | _: InternalError) if size < 0 =>
        recordOffset = origin + limit
        throw new CorruptTFRecordException(
          s"$file: cannot be decompressed behind $recordOffset uncompressed bytes: " +
            s"${e.getMessage}",
          e
        )
    }

  private def seekTo(target: Long): Unit = {
    if (target > size) truncated(size - (origin + pos))
    in.asInstanceOf[Seekable].seek(target)
    origin = target
    pos = 0
    limit = 0
  }

  private def discard(count: Long): Unit = {
    var rest = count - (limit - pos)
    origin += limit
    pos = 0
    limit = 0
    while (rest > 0) {
      val read = readSome(bytes, 0, math.min(rest, (bytes.length - Slack).toLong).toInt)
      if (read < 0) truncated((count - rest).toInt)
      rest -= read
      origin += read
    }
  }

  private def truncated(found: Long): Nothing =
    corrupt(s"a record of $dataLength bytes is cut off: $found of the ${dataLength.toLong +
        FooterSize} bytes behind its header are there")

  private def corrupt(what: String): Nothing =
    throw new CorruptTFRecordException(s"$file: at offset $recordOffset: $what")

  private def hex(checksum: Int): String = f"0x$checksum%08x"
}

private[tfrecord] object RecordReader {
  final val HeaderSize = 12
  final val FooterSize = 4

  /** How much of a broken frame is shown. */
  final val MaxDamage = 64 * 1024

  // Large enough that a read's cost is its bytes', small enough to stay in the processor's cache.
  final private val BufferSize = 256 * 1024
  final private val MaxBuffer = (Int.MaxValue - 15).toLong

  /** The largest record: a Java array must hold it with its footer and the slack. */
  final val MaxRecordLength: Long = MaxBuffer - FooterSize - HeaderSize - Slack
}

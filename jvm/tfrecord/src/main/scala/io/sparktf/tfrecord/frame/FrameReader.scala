package io.sparktf.tfrecord.frame

import java.io.{ByteArrayInputStream, Closeable, EOFException, InputStream, IOException}

import io.sparktf.tfrecord.{
  AmbiguousRecordException, CorruptTFRecordException, MalformedMessageException,
  MalformedRecordException, NoMemoryException, OversizedRecordException
}
import io.sparktf.tfrecord.stream.{ListedBytes, RawStream}
import io.sparktf.tfrecord.wire.{GrowingBuffer, RawBytes, WireFormat}
import io.sparktf.tfrecord.wire.WireFormat.Slack

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
 * @param verify whether checksums are compared, those of the data and those of the lengths
 * @param raw what `in` decompresses, or null
 * @param split the part of the file to read, at whose start `in` stands, or null for all of it
 */
final private[tfrecord] class FrameReader(
    in: InputStream,
    head: Array[Byte],
    val file: String,
    size: Long,
    verify: Boolean,
    raw: RawStream = null,
    split: FrameSplit = null
) extends Closeable {
  import FrameReader._

  private[this] val checksum = new Checksum
  // The offset in the file of bytes(0).
  private[this] var origin = if (split == null) 0L else split.from
  private[this] var bytes =
    GrowingBuffer.ensure(GrowingBuffer.start(firstBuffer(size - origin)), 0, head.length + Slack)
  private[this] var pos = 0
  private[this] var limit = 0
  private[this] var until = if (split == null) Long.MaxValue else split.until

  private[this] var recordOffset = 0L
  private[this] var dataStart = 0
  private[this] var dataLength = 0
  private[this] var isDataDamaged = false

  System.arraycopy(head, 0, bytes, 0, head.length)
  limit = head.length

  def buffer: Array[Byte] = bytes
  def start: Int = dataStart
  def end: Int = dataStart + dataLength

  /** Where the next record's header begins, in bytes from the start of the uncompressed stream. */
  def position: Long = origin + pos

  /** Where the record's header begins, in bytes from the start of the uncompressed stream. */
  def offset: Long = recordOffset

  /**
   * Whether the last [[CorruptTFRecordException]] of [[next]] was about a record's data alone. The
   * frame is whole then, its length has a checksum of its own: the data is that of the present
   * record, and [[next]] goes on behind it.
   */
  def canGoOn: Boolean = isDataDamaged

  /** Moves to the next record; false at the end of the stream or the split. */
  def next(): Boolean = {
    isDataDamaged = false
    if (position >= until) return endSplit(() => next())
    if (!readHeader()) return false
    if (limit - pos < dataLength + FooterSize && !fillData()) truncated(limit - pos)
    dataStart = pos
    if (verify) {
      val computed = checksum.of(bytes, pos, dataLength)
      val stored = WireFormat.loadInt(bytes, pos + dataLength)
      if (computed != stored) {
        isDataDamaged = true
        pos += dataLength + FooterSize
        corrupt(s"the data's checksum is ${hex(stored)}, but its $dataLength bytes have " +
          hex(computed) + splitHint)
      }
    }
    pos += dataLength + FooterSize
    true
  }

  /** Moves over the next record without looking at its data; false where [[next]] is. */
  def skip(): Boolean = {
    if (position >= until) return endSplit(() => skip())
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
    pos = (recordOffset - origin).toInt
    try fill(MaxDamage)
    catch { case _: CorruptTFRecordException => } // What could be read is in the buffer.
    dataStart = pos
    dataLength = math.min(limit - pos, MaxDamage)
  }

  /** The error for a record for which there is no memory. */
  def oversized(cause: NoMemoryException): OversizedRecordException =
    new OversizedRecordException(
      s"$file: the record at offset $recordOffset: ${cause.getMessage}",
      cause
    )

  override def close(): Unit = in.close()

  /** False, as there is no record left, once it is sure that the next split has the next one. */
  private def endSplit(advance: () => Boolean): Boolean = {
    if (until != Long.MinValue) {
      until = Long.MinValue
      split.checkEnd(
        this,
        readOn = () => {
          until = Long.MaxValue
          advance()
        }
      )
    }
    false
  }

  /**
   * The place in [[buffer]] of the byte at `from`, at or before [[position]], with all up to there
   * and as many of `ahead` bytes behind it as the stream has; -1 where they cannot be there.
   */
  private[frame] def lookBack(from: Long, ahead: Int): Int = {
    val length = position - from
    if (from < origin || length > MaxBuffer - Slack - ahead) return -1
    pos = (from - origin).toInt
    if (limit - pos < length + ahead) fill(length + ahead)
    val index = pos
    pos += length.toInt
    index
  }

  /** Where the bytes in [[buffer]] end. */
  private[frame] def limitOfBuffer: Int = limit

  private def readHeader(): Boolean = {
    recordOffset = origin + pos
    if (limit - pos < HeaderSize && !fill(HeaderSize)) {
      if (limit == pos) return false
      corrupt(s"the file ends in a record's header, after ${limit - pos} of its $HeaderSize bytes" +
        otherFileHint)
    }
    val length = WireFormat.load(bytes, pos)
    val stored = WireFormat.loadInt(bytes, pos + 8)
    val computed = checksum.ofLength(length)
    if (verify && stored != computed) {
      corrupt(s"the length's checksum is ${hex(stored)}, but the length has ${hex(computed)}; " +
        s"the file is damaged or no TFRecord file$otherFileHint$splitHint")
    }
    if (length < 0 || length > MaxRecordLength) {
      corrupt(s"a record of ${java.lang.Long.toUnsignedString(length)} bytes; " +
        s"the largest that can be read is $MaxRecordLength")
    }
    dataLength = length.toInt
    pos += HeaderSize
    true
  }

  /**
   * Brings the data and the footer behind a header into the buffer; false if they are cut off. The
   * header stays there, for [[moveToDamage]].
   */
  private def fillData(): Boolean = {
    pos -= HeaderSize
    val isWhole = fill(HeaderSize + dataLength.toLong + FooterSize)
    pos += HeaderSize
    isWhole
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
      if (limit == bytes.length - Slack) grow(count)
      // Not more at a time: Java reads a file through native memory of that size.
      val read = readSome(bytes, limit, math.min(bytes.length - Slack - limit, BufferSize))
      if (read < 0) return false
      limit += read
    }
    true
  }

  /** Makes room for more of the `count` bytes that are to be in the buffer. */
  private def grow(count: Long): Unit = {
    val ahead = if (RawBytes.CHECKED) 0 else BufferSize
    val enough = math.min(count + Slack + ahead, MaxBuffer)
    // Where the file is as long as its header says, at once: no copies on the way. Where that is
    // not known, doubled when full, so never more than twice what the file holds.
    val larger = if (count <= size - origin) enough else math.min(2L * bytes.length, enough)
    try bytes = GrowingBuffer.grow(bytes, limit, larger.toInt)
    catch {
      case e: NoMemoryException => throw oversized(e)
    }
  }

  private def readSome(target: Array[Byte], from: Int, count: Int): Int =
    try {
      val read = in.read(target, from, count)
      // A codec may take an error for the end.
      if (read < 0 && raw != null && raw.failure != null) throw raw.failure
      read
    } catch {
      // What was decompressed is whole as far as it came: it is the file system that failed.
      case _: IOException | _: RuntimeException if raw != null && raw.failure != null =>
        throw raw.failure
      case e: CorruptTFRecordException => throw e
      // Hadoop's codecs report a compressed stream that is cut off this way.
      case e: EOFException if size < 0 =>
        throw new CorruptTFRecordException(
          s"$file: the compressed stream ends early, behind ${origin + limit} uncompressed bytes; " +
            "the file was not written to its end or was truncated",
          e
        )
      // Codecs with a native library throw an Error where Java's own throw an IOException.
      case e @ (_: IOException | _: RuntimeException | _: InternalError) if size < 0 =>
        throw new CorruptTFRecordException(
          s"$file: cannot be decompressed behind ${origin + limit} uncompressed bytes: " +
            s"${e.getMessage}",
          e
        )
    }

  private def seekTo(target: Long): Unit = {
    if (target > size) truncated(size - (origin + pos))
    in.asInstanceOf[ListedBytes].seek(target)
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

  /** Where the first record was not found where the file begins, it may be none. */
  private def splitHint: String =
    if (split != null && split.from > 0) AmbiguousRecordException.hint(size) else ""

  /** What does not begin with a record may be another file, which lies beside those of records. */
  private def otherFileHint: String =
    if (recordOffset > 0) ""
    else
      ". What only lies beside the records is left out by the option pathGlobFilter, for example " +
        "pathGlobFilter=*.tfrecord*"

  private def hex(checksum: Int): String = f"0x$checksum%08x"
}

private[tfrecord] object FrameReader {
  final val HeaderSize = 12
  final val FooterSize = 4

  /** How much of a broken frame is shown. */
  final val MaxDamage = 64 * 1024

  // Large enough that a read's cost is its bytes', small enough to stay in the processor's cache.
  final private val BufferSize = 256 * 1024
  final private val SmallestBuffer = 4 * 1024L
  final private val MaxBuffer = (Int.MaxValue - 15).toLong

  // No file of a few records needs the large one.
  private def firstBuffer(size: Long): Int =
    if (size < 0) BufferSize
    else math.min(BufferSize, math.max(SmallestBuffer, size)).toInt

  /** No records, of a file or a split that has none. */
  def none(file: String): FrameReader =
    new FrameReader(
      new ByteArrayInputStream(Array.emptyByteArray),
      Array.emptyByteArray,
      file,
      0,
      verify = true
    )

  /** Whether a file begins with a frame's header, the length with its checksum. */
  def isHeader(head: Array[Byte]): Boolean =
    head.length == HeaderSize && {
      val padded = java.util.Arrays.copyOf(head, head.length + Slack)
      WireFormat.loadInt(padded, 8) == new Checksum().ofLength(WireFormat.load(padded, 0))
    }

  /** The largest record: a Java array must hold it with its footer and the slack. */
  final val MaxRecordLength: Long = MaxBuffer - FooterSize - HeaderSize - Slack
}

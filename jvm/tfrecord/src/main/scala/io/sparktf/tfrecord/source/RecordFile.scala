package io.sparktf.tfrecord.source

import java.io.{ByteArrayInputStream, InputStream, IOException, SequenceInputStream}

import io.sparktf.tfrecord.CorruptTFRecordException
import io.sparktf.tfrecord.frame.{FrameReader, FrameSplit, FrameSync}
import io.sparktf.tfrecord.options.TFRecordOptions
import io.sparktf.tfrecord.stream.{
  BlockStream, BrokenStream, Compression, InflatedStream, ListedBytes, RawStream, ReadCodec
}
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, FilterFileSystem, Path, RawLocalFileSystem}
import org.apache.hadoop.io.compress.{CompressionCodec, CompressionCodecFactory}

/**
 * A file of records, or a part of it. Under `auto` its codec is chosen by its extension, unless its
 * first bytes say another.
 *
 * @param size the file's bytes, as it was listed
 */
final private[tfrecord] class RecordFile(
    path: Path,
    size: Long,
    conf: Configuration,
    options: TFRecordOptions
) {
  import RecordFile._

  def open(): FrameReader = open(0, size)

  /**
   * Opens the frames whose headers begin in a part of the file. The first part of a compressed
   * file has all of its frames.
   *
   * @param start the part's first byte
   * @param length the part's bytes
   */
  def open(start: Long, length: Long): FrameReader = {
    val codec = options.readCodec match {
      case ReadCodec.Auto => Option(new CompressionCodecFactory(conf).getCodec(path))
      case ReadCodec.Fixed(chosen) => chosen.map(Compression.instance(_, conf))
    }
    val detect = options.readCodec == ReadCodec.Auto
    if (length < size && codec.isEmpty) {
      val sync = new FrameSync(() => openStream(), size)
      try {
        // Splits are found by the checksums of lengths, which a writer may have got wrong.
        val isFrame = FrameReader.isHeader(sync.head)
        val hasSplits = options.verifyChecksum || isFrame
        val isPlain = isFrame || !detect || Compression.codecByMagic(sync.head, conf).isEmpty
        if (hasSplits && isPlain) {
          return openPart(sync, start, start + length)
        }
      } finally sync.close()
    }
    if (start > 0) FrameReader.none(path.toString) else openWhole(codec, detect)
  }

  private def openWhole(named: Option[CompressionCodec], detect: Boolean): FrameReader =
    closingOnError(openStream()) { in =>
      val head = if (detect) readHead(in) else Array.emptyByteArray
      (if (detect) detected(head, named) else named) match {
        case Some(codec) =>
          val bytes =
            if (head.isEmpty) in else new SequenceInputStream(new ByteArrayInputStream(head), in)
          val raw = new RawStream(bytes, size)
          new FrameReader(
            decompressed(raw, codec),
            Array.emptyByteArray,
            path.toString,
            -1,
            options.verifyChecksum,
            raw
          )
        case None =>
          new FrameReader(in, head, path.toString, size, options.verifyChecksum)
      }
    }

  /** The codec of a file by its first bytes: with a frame begins a plain one, whatever it is called. */
  private def detected(
      head: Array[Byte],
      named: Option[CompressionCodec]
  ): Option[CompressionCodec] =
    if (FrameReader.isHeader(head)) None else Compression.codecOf(head, named, conf)

  private def openPart(sync: FrameSync, start: Long, end: Long): FrameReader = {
    sync.lookAhead // is needed in the end, and the stream is open now
    val from = if (start == 0) 0 else sync.first(start, end)
    if (from < 0) return FrameReader.none(path.toString)
    // A stream of its own, which only goes forward: object stores change to many small requests
    // when one goes back.
    closingOnError(openStream()) { in =>
      if (from > 0) in.seek(from)
      new FrameReader(
        in,
        Array.emptyByteArray,
        path.toString,
        size,
        options.verifyChecksum,
        split = new FrameSplit(from, if (end < size) end else Long.MaxValue, sync, size)
      )
    }
  }

  private def openStream(): ListedBytes =
    new ListedBytes(within(path.getFileSystem(conf)).open(path), path.toString, size)

  private def closingOnError(in: ListedBytes)(make: ListedBytes => FrameReader): FrameReader =
    try make(in)
    catch {
      case e: Throwable =>
        in.close()
        throw e
    }

  private def decompressed(raw: RawStream, codec: CompressionCodec): InputStream =
    try {
      if (Compression.isGzip(codec)) new InflatedStream(raw, isGzip = true)
      else if (Compression.isZlib(codec)) new InflatedStream(raw, isGzip = false)
      else if (Compression.hasBlocks(codec)) new BlockStream(raw, codec)
      else if (Compression.isBzip2(codec) && size > 0) Compression.bunzip2(raw)
      else codec.createInputStream(raw)
    } catch {
      case _: IOException | _: RuntimeException if raw.failure != null => throw raw.failure
      // A codec that has read nothing yet may lack its native library, which is no damage.
      case e @ (_: IOException | _: RuntimeException | _: InternalError) if raw.isStarted =>
        // Thrown when the first record is asked for, as damage further on is.
        new BrokenStream(
          raw,
          new CorruptTFRecordException(
            s"$path: is no ${codec.getClass.getSimpleName} stream, which its name or the option " +
              s"`${TFRecordOptions.Compression}` says it is: ${e.getMessage}",
            e
          )
        )
    }

  private def readHead(in: InputStream): Array[Byte] = {
    val head = new Array[Byte](FrameReader.HeaderSize)
    var count = 0
    var read = 0
    while (count < head.length && read >= 0) {
      read = in.read(head, count, head.length - count)
      if (read > 0) count += read
    }
    java.util.Arrays.copyOf(head, count)
  }
}

private object RecordFile {
  // The second is what Hive, where its classes are, makes of the first.
  private val Checksummed = Set(
    "org.apache.hadoop.fs.LocalFileSystem",
    "org.apache.hadoop.hive.ql.io.ProxyLocalFileSystem"
  )

  /**
   * The file system to read from. Hadoop's local one compares checksums of its own, in hidden files
   * beside those that it wrote, which takes as long as reading the bytes; a TFRecord file has its
   * own inside.
   */
  private def within(files: FileSystem): FileSystem = files match {
    case local: FilterFileSystem if Checksummed(local.getClass.getName) =>
      local.getRawFileSystem match {
        case raw: RawLocalFileSystem => raw
        case _ => files
      }
    case _ => files
  }
}

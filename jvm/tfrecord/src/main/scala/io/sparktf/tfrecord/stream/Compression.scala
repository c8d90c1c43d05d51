package io.sparktf.tfrecord.stream

import java.io.{BufferedInputStream, InputStream}
import java.util.Locale

import org.apache.commons.compress.compressors.bzip2.BZip2CompressorInputStream
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.io.compress.{
  BZip2Codec, CompressionCodec, CompressionCodecFactory, DefaultCodec, DeflateCodec, GzipCodec,
  Lz4Codec, SnappyCodec
}
import org.apache.hadoop.io.compress.bzip2.BZip2DummyDecompressor
import org.apache.hadoop.util.ReflectionUtils

/** Finds codecs: by the names that users give, and by what files are like. */
private[tfrecord] object Compression {
  // Hadoop reads compressed files through buffers of this size; its default of 4 KiB spends more
  // on calls than on inflating.
  private val BufferSize = 64 * 1024

  private val tensorFlowCodecs: Set[Class[_]] = Set(classOf[GzipCodec], classOf[DefaultCodec])

  /** Whether it is Hadoop's gzip, not a class that extends it and is made for some machine. */
  def isGzip(codec: CompressionCodec): Boolean = codec.getClass == classOf[GzipCodec]

  def isZlib(codec: CompressionCodec): Boolean =
    codec.getClass == classOf[DefaultCodec] || codec.getClass == classOf[DeflateCodec]

  /** Whether it is a codec of Hadoop's for which [[BlockStream]] is. */
  def hasBlocks(codec: CompressionCodec): Boolean =
    codec.getClass == classOf[SnappyCodec] || codec.getClass == classOf[Lz4Codec]

  /** Whether it is Hadoop's bzip2 without a native library. */
  def isBzip2(codec: CompressionCodec): Boolean =
    codec.getClass == classOf[BZip2Codec] &&
      codec.getDecompressorType == classOf[BZip2DummyDecompressor]

  /**
   * What a bzip2 file holds. Not by Hadoop's own: where a block or a stream does not begin as it must,
   * that looks for the next which does, and leaves out what lies between, or the rest of the file.
   */
  def bunzip2(in: InputStream): InputStream =
    new BZip2CompressorInputStream(new BufferedInputStream(in, BufferSize), true)

  /** Whether TensorFlow's own TFRecordDataset reads what the codec writes. */
  def isReadByTensorFlow(codec: Class[_ <: CompressionCodec]): Boolean = tensorFlowCodecs(codec)

  /** Whether the codec takes zlib's levels. */
  def hasLevels(codec: Class[_ <: CompressionCodec]): Boolean = isReadByTensorFlow(codec)

  /**
   * The codec that an option names, or None for no compression.
   *
   * @throws IllegalArgumentException naming the option and what it may be
   */
  def codecOf(
      option: String,
      name: String,
      conf: Configuration
  ): Option[Class[_ <: CompressionCodec]] =
    name.toLowerCase(Locale.ROOT) match {
      case "none" | "uncompressed" => None
      case "gzip" => Some(classOf[GzipCodec])
      case "zlib" | "deflate" => Some(classOf[DefaultCodec])
      case _ => Some(hadoopCodec(option, name, conf))
    }

  private def hadoopCodec(
      option: String,
      name: String,
      conf: Configuration
  ): Class[_ <: CompressionCodec] = {
    val byName = new CompressionCodecFactory(conf).getCodecClassByName(name)
    if (byName != null) return byName
    val byClass =
      try conf.getClassByName(name)
      catch {
        case _: ClassNotFoundException => throw new IllegalArgumentException(
            s"The option `$option` of the tfrecord source is '$name', which is no codec: use none, " +
              "gzip, zlib (or deflate), or the name or class of a Hadoop codec on the class path"
          )
      }
    if (!classOf[CompressionCodec].isAssignableFrom(byClass)) {
      throw new IllegalArgumentException(
        s"The option `$option` of the tfrecord source names ${byClass.getName}, " +
          s"which is no ${classOf[CompressionCodec].getName}"
      )
    }
    byClass.asSubclass(classOf[CompressionCodec])
  }

  def instance(codec: Class[_ <: CompressionCodec], conf: Configuration): CompressionCodec =
    ReflectionUtils.newInstance(codec, conf)

  /**
   * The codec whose magic bytes `head` begins with, where it does not begin a frame: a record's length
   * may look like them (35615 begins as gzip does), but then it is followed by its own checksum.
   */
  def codecByMagic(head: Array[Byte], conf: Configuration): Option[CompressionCodec] =
    if (head.length < 2) {
      None
    } else {
      val first = head(0) & 0xff
      val second = head(1) & 0xff
      if (first == 0x1f && second == 0x8b) Some(instance(classOf[GzipCodec], conf))
      // RFC 1950: deflate with a window of at most 32 KiB, no dictionary, and the two bytes are a
      // multiple of 31.
      else if ((first & 0x8f) == 8 && (second & 0x20) == 0 && (first * 256 + second) % 31 == 0) {
        Some(instance(classOf[DefaultCodec], conf))
      } else None
    }

  /**
   * The codec of a file that does not begin with a frame: its first bytes tell gzip and zlib from one
   * another better than its name.
   *
   * @param named the codec that the name's ending stands for
   */
  def codecOf(
      head: Array[Byte],
      named: Option[CompressionCodec],
      conf: Configuration
  ): Option[CompressionCodec] =
    if (named.forall(codec => isGzip(codec) || isZlib(codec))) {
      codecByMagic(head, conf).orElse(named)
    } else named

  /** The configuration for reading: as given, with buffers of a useful size. */
  def readConf(conf: Configuration): Configuration = {
    val copy = new Configuration(conf)
    if (copy.getInt("io.file.buffer.size", 0) < BufferSize) {
      copy.setInt("io.file.buffer.size", BufferSize)
    }
    copy
  }
}

package io.sparktf.tfrecord.stream

import org.apache.hadoop.fs.Path
import org.apache.hadoop.io.compress.{CompressionCodec, CompressionCodecFactory}

/** How the files of a read are decompressed. */
sealed private[tfrecord] trait ReadCodec extends Serializable {

  /**
   * Whether the records of a file may be read in parts: those of a compressed one cannot. A file
   * that only its first bytes show to be compressed counts as one that is not.
   */
  def isSplitable(file: Path, codecs: CompressionCodecFactory): Boolean
}

private[tfrecord] object ReadCodec {

  /** As each file's name and first bytes say. */
  case object Auto extends ReadCodec {
    override def isSplitable(file: Path, codecs: CompressionCodecFactory): Boolean =
      codecs.getCodec(file) == null
  }

  /** All by one codec, or none. */
  final case class Fixed(codec: Option[Class[_ <: CompressionCodec]]) extends ReadCodec {
    override def isSplitable(file: Path, codecs: CompressionCodecFactory): Boolean = codec.isEmpty
  }
}

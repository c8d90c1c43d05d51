package io.sparktf.tfrecord

import java.io.OutputStream
import java.util.zip.{Deflater, DeflaterOutputStream, GZIPOutputStream}

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.apache.hadoop.io.compress.{CompressionCodec, DefaultCodec, GzipCodec}
import org.apache.hadoop.util.ReflectionUtils

/**
 * How files are compressed. Decided by the options alone: a cluster whose default is a codec that
 * TensorFlow cannot read must not get in.
 *
 * @param level zlib's level, or None for its default
 */
final private[tfrecord] class OutputCompression(
    codec: Option[Class[_ <: CompressionCodec]],
    level: Option[Int]
) extends Serializable {

  /** What is added to the names of files, such as `.gz`. */
  val extension: String =
    codec.map(_.getDeclaredConstructor().newInstance().getDefaultExtension).getOrElse("")

  /** Makes a file, which must not exist. */
  def create(file: Path, conf: Configuration): OutputStream = {
    val out = file.getFileSystem(conf).create(file, false)
    try compress(out, conf)
    catch {
      case e: Throwable =>
        out.close()
        throw e
    }
  }

  // Java's own gzip and zlib: Hadoop's take the level only where its native library is loaded, or
  // from Hadoop 3.4 on.
  private def compress(out: OutputStream, conf: Configuration): OutputStream = codec match {
    case None => out
    case Some(c) if c == classOf[GzipCodec] => new GzipStream(out, zlibLevel)
    case Some(c) if c == classOf[DefaultCodec] => new ZlibStream(out, new Deflater(zlibLevel))
    case Some(c) => ReflectionUtils.newInstance(c, conf).createOutputStream(out)
  }

  private def zlibLevel: Int = level.getOrElse(Deflater.DEFAULT_COMPRESSION)
}

final private class GzipStream(out: OutputStream, level: Int)
  extends GZIPOutputStream(out, OutputCompression.BufferSize) {
  `def`.setLevel(level)
}

final private class ZlibStream(out: OutputStream, deflater: Deflater)
  extends DeflaterOutputStream(out, deflater, OutputCompression.BufferSize) {
  // A deflater that was handed over is not ended with its stream, and holds memory outside the heap.
  override def close(): Unit =
    try super.close()
    finally deflater.end()
}

private[tfrecord] object OutputCompression {
  final private[tfrecord] val BufferSize = 64 * 1024
}

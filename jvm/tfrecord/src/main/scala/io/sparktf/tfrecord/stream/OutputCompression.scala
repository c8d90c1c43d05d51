package io.sparktf.tfrecord.stream

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

// Java's own leave the file below open where what is left cannot be written to it. Theirs is also
// a deflater that holds memory outside the heap, which is ended here in every case.

final private class GzipStream(out: OutputStream, level: Int)
  extends GZIPOutputStream(out, OutputCompression.BufferSize) {
  `def`.setLevel(level)

  override def close(): Unit =
    try super.close()
    catch {
      case e: Throwable => OutputCompression.closeFailed(out, e)
    } finally `def`.end()
}

final private class ZlibStream(out: OutputStream, deflater: Deflater)
  extends DeflaterOutputStream(out, deflater, OutputCompression.BufferSize) {

  override def close(): Unit =
    try super.close()
    catch {
      case e: Throwable => OutputCompression.closeFailed(out, e)
    } finally deflater.end()
}

private[tfrecord] object OutputCompression {
  final private[tfrecord] val BufferSize = 64 * 1024

  /** Closes the file below a stream that could not be closed, which is the error that counts. */
  private[tfrecord] def closeFailed(file: OutputStream, cause: Throwable): Nothing = {
    try file.close()
    catch {
      case e: Throwable => if (e ne cause) cause.addSuppressed(e)
    }
    throw cause
  }
}

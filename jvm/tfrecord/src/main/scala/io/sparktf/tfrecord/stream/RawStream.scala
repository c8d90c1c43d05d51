package io.sparktf.tfrecord.stream

import java.io.{FilterInputStream, InputStream, IOException}

import io.sparktf.tfrecord.ChangedFileException

/**
 * A compressed file's bytes, which remembers when they cannot be had: a decompressor's exceptions
 * do not tell a file system that fails from a file that is damaged.
 *
 * @param size the file's bytes, as it was listed
 */
final private[tfrecord] class RawStream(in: InputStream, size: Long) extends FilterInputStream(in) {
  private[this] var thrown: Throwable = _
  private[this] var started = false
  private[this] var taken = 0L

  /** Whether any of the bytes were asked for. */
  def isStarted: Boolean = started

  /** What the file system threw, or null. */
  def failure: Throwable = thrown

  /** How many bytes have not been read yet. */
  def left: Long = size - taken

  override def read(): Int = {
    val byte = remembering(in.read())
    if (byte >= 0) taken += 1
    byte
  }

  override def read(bytes: Array[Byte], from: Int, count: Int): Int = {
    val read = remembering(in.read(bytes, from, count))
    if (read > 0) taken += read
    read
  }

  override def skip(count: Long): Long = {
    val skipped = remembering(in.skip(count))
    taken += skipped
    skipped
  }

  private def remembering[T](read: => T): T = {
    started = true
    try read
    catch {
      case e @ (_: IOException | _: RuntimeException | _: ChangedFileException) =>
        thrown = e
        throw e
    }
  }
}

/** A compressed stream that cannot be read from its start. */
final private[tfrecord] class BrokenStream(in: InputStream, error: IOException)
  extends FilterInputStream(in) {
  override def read(): Int = throw error
  override def read(bytes: Array[Byte], from: Int, count: Int): Int = throw error
}

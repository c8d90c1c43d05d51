package io.sparktf.tfrecord.stream

import java.io.{EOFException, InputStream}

import io.sparktf.tfrecord.ChangedFileException
import org.apache.hadoop.fs.{FSDataInputStream, Seekable}

/**
 * The bytes of a file that were there when it was listed: those of a file that has grown since end
 * where they ended then, and a file that has not got them any more is an error. So a count and the
 * rows, and all splits of a file, see the same bytes or fail.
 *
 * @param size the file's bytes as it was listed
 */
final private[tfrecord] class ListedBytes(in: FSDataInputStream, file: String, size: Long)
  extends InputStream with Seekable {
  private[this] var pos = 0L

  override def read(bytes: Array[Byte], from: Int, count: Int): Int =
    if (count == 0) 0
    else if (pos >= size) -1
    else {
      val some = math.min(count.toLong, size - pos).toInt
      var read = in.read(bytes, from, some)
      // No stream should do so, but to the one or other above it would be the end.
      while (read == 0) read = in.read(bytes, from, some)
      if (read < 0) throw ChangedFileException(file, size)
      pos += read
      read
    }

  override def read(): Int = {
    val one = new Array[Byte](1)
    if (read(one, 0, 1) < 0) -1 else one(0) & 0xff
  }

  /** Moves to a byte, which may be the one behind the last, and makes sure that this is there. */
  override def seek(target: Long): Unit =
    if (target < size || size == 0) move(target)
    else {
      move(size - 1)
      read()
    }

  private def move(target: Long): Unit = {
    try in.seek(target)
    catch {
      // Some file systems look at once whether the file has the byte, others when it is read.
      case _: EOFException => throw ChangedFileException(file, size)
    }
    pos = target
  }

  override def getPos: Long = pos

  override def seekToNewSource(target: Long): Boolean = false

  override def close(): Unit = in.close()
}

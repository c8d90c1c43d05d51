package io.sparktf.tfrecord

import java.io.{EOFException, FileNotFoundException}
import java.net.URI
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.{AtomicInteger, AtomicLong}

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FSDataInputStream, FSDataOutputStream, FSInputStream, FileStatus}
import org.apache.hadoop.fs.{FileSystem, Path}
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.hadoop.util.Progressable

/**
 * Files in memory under `memory:/`, read only. Its streams behave as badly as a file system may, and
 * worse: they give fewer bytes than asked for, now and then none, refuse to go behind a file's end, and
 * fail where a test says so. What is read and what is open is counted.
 */
class MemoryFileSystem extends FileSystem {
  import MemoryFileSystem._

  override def getScheme: String = "memory"

  override def getUri: URI = URI.create("memory:///")

  override def open(path: Path, bufferSize: Int): FSDataInputStream = {
    val stream = new Stream(bytesOf(path))
    openStreams.incrementAndGet()
    new FSDataInputStream(stream)
  }

  override def getFileStatus(path: Path): FileStatus =
    new FileStatus(bytesOf(path).length.toLong, false, 1, 128L << 20, 0L, makeQualified(path))

  override def listStatus(path: Path): Array[FileStatus] = Array(getFileStatus(path))

  override def getWorkingDirectory: Path = new Path("memory:/")

  override def setWorkingDirectory(path: Path): Unit = ()

  override def create(
      path: Path,
      permission: FsPermission,
      overwrite: Boolean,
      bufferSize: Int,
      replication: Short,
      blockSize: Long,
      progress: Progressable
  ): FSDataOutputStream = readOnly()

  override def append(path: Path, size: Int, progress: Progressable): FSDataOutputStream =
    readOnly()

  override def rename(from: Path, to: Path): Boolean = readOnly()

  override def delete(path: Path, recursive: Boolean): Boolean = readOnly()

  override def mkdirs(path: Path, permission: FsPermission): Boolean = readOnly()

  private def readOnly(): Nothing = throw new UnsupportedOperationException("read only")
}

object MemoryFileSystem {
  private val files = new ConcurrentHashMap[String, Array[Byte]]

  /** Streams that are open now. */
  val openStreams = new AtomicInteger

  /** Bytes that were read since it was last set. */
  val bytesRead = new AtomicLong

  final private case class Failure(offset: Long, error: () => Exception)
  @volatile private var failure: Option[Failure] = None

  def register(conf: Configuration): Configuration = {
    conf.set("fs.memory.impl", classOf[MemoryFileSystem].getName)
    conf
  }

  def withFile[T](bytes: Array[Byte], name: String = "data.tfrecord")(body: Path => T): T = {
    files.put("/" + name, bytes)
    try body(new Path("memory:/" + name))
    finally files.remove("/" + name)
  }

  /** While `body` runs, the byte at `offset` of no file can be read. */
  def failingAt[T](offset: Long, error: => Exception)(body: => T): T = {
    failure = Some(Failure(offset, () => error))
    try body
    finally failure = None
  }

  private def bytesOf(path: Path): Array[Byte] =
    Option(files.get(path.toUri.getPath))
      .getOrElse(throw new FileNotFoundException(path.toString))

  final private class Stream(bytes: Array[Byte]) extends FSInputStream {
    private var pos = 0
    private var gaveNone = false
    private var isClosed = false

    override def getPos: Long = pos.toLong

    override def seek(target: Long): Unit = {
      if (target < 0 || target > bytes.length) throw new EOFException(s"no offset $target here")
      pos = target.toInt
    }

    override def seekToNewSource(target: Long): Boolean = false

    override def read(): Int = {
      val one = new Array[Byte](1)
      if (read(one, 0, 1) < 0) -1 else one(0) & 0xff
    }

    override def read(target: Array[Byte], from: Int, count: Int): Int = {
      if (isClosed) throw new java.io.IOException("closed")
      if (count == 0) return 0
      if (pos >= bytes.length) return -1
      val whole = failure match {
        case Some(Failure(offset, error)) if pos <= offset && offset < pos + count =>
          if (pos == offset) throw error()
          (offset - pos).toInt
        case _ => math.min(count, bytes.length - pos)
      }
      // From 1 byte to 64 KiB, and for the same place always the same. At one of four places it needs to
      // be asked once more.
      gaveNone = !gaveNone && (pos * 0x85ebca6b >>> 30) == 0
      val some = if (gaveNone) 0 else math.min(whole, 1 + (pos * 0x9e3779b9 >>> 16))
      System.arraycopy(bytes, pos, target, from, some)
      pos += some
      bytesRead.addAndGet(some.toLong)
      some
    }

    override def close(): Unit = if (!isClosed) {
      isClosed = true
      openStreams.decrementAndGet()
    }
  }
}

package io.sparktf.benchmarks

import java.io.ByteArrayInputStream
import java.util.concurrent.{Callable, Executors}
import java.util.zip.{CRC32C, GZIPInputStream}

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path

/**
 * What any source has to do with the bytes of a folder of TFRecord files, and nothing else: to read
 * and write them through Hadoop's file system, to compute their checksums, to copy them, to inflate
 * them. One thread for each file, as Spark has one task, and at most `threads` at once.
 */
class Floor(folder: String, threads: Int) {
  private val path = new Path(folder)
  private val files = path.getFileSystem(new Configuration())
  private val pool = Executors.newFixedThreadPool(threads)
  private val data: Seq[Path] =
    files.listStatus(path).map(_.getPath).filter(_.getName.startsWith("part-")).toSeq
  private lazy val contents: Seq[Array[Byte]] = data.map { file =>
    val bytes = new Array[Byte](files.getFileStatus(file).getLen.toInt)
    val in = files.open(file)
    try in.readFully(bytes)
    finally in.close()
    bytes
  }

  /** Loads the files for what works in memory. */
  def load(): Long = contents.map(_.length.toLong).sum

  def read(): Long = onAll(data) { file =>
    val buffer = new Array[Byte](Floor.ReadSize)
    val in = files.open(file)
    var total = 0L
    try {
      var count = in.read(buffer, 0, buffer.length)
      while (count >= 0) {
        total += count
        count = in.read(buffer, 0, buffer.length)
      }
    } finally in.close()
    total
  }

  /** Of each record's data. */
  def checksum(): Long = onAll(contents) { bytes =>
    val crc = new CRC32C
    var sum = 0L
    forEachRecord(bytes) { (start, length) =>
      crc.reset()
      crc.update(bytes, start, length)
      sum += crc.getValue
    }
    sum
  }

  /** Each record's data once, to a place that stays in the processor's cache. */
  def copy(): Long = onAll(contents) { bytes =>
    val buffer = new Array[Byte](Floor.ReadSize)
    var total = 0L
    forEachRecord(bytes) { (start, length) =>
      System.arraycopy(bytes, start, buffer, 0, length)
      total += buffer(length / 2)
    }
    total
  }

  def write(to: String): Long = {
    val target = new Path(to)
    files.delete(target, true)
    onAll(contents.zipWithIndex) { case (bytes, i) =>
      val out = files.create(new Path(target, s"part-$i"))
      try {
        var pos = 0
        while (pos < bytes.length) {
          val count = math.min(Floor.WriteSize, bytes.length - pos)
          out.write(bytes, pos, count)
          pos += count
        }
      } finally out.close()
      bytes.length.toLong
    }
  }

  /** Of gzip files, loaded before. */
  def inflate(): Long = onAll(contents) { bytes =>
    val in = new GZIPInputStream(new ByteArrayInputStream(bytes), Floor.InflateSize)
    val buffer = new Array[Byte](Floor.ReadSize)
    var total = 0L
    var count = in.read(buffer, 0, buffer.length)
    while (count >= 0) {
      total += count
      count = in.read(buffer, 0, buffer.length)
    }
    total
  }

  def close(): Unit = pool.shutdown()

  private def onAll[T](parts: Seq[T])(work: T => Long): Long = {
    val sums = parts.map { part =>
      pool.submit(new Callable[Long] { override def call(): Long = work(part) })
    }
    sums.map(_.get).sum
  }

  private def forEachRecord(bytes: Array[Byte])(work: (Int, Int) => Unit): Unit = {
    var pos = 0
    while (pos < bytes.length) {
      val length = (bytes(pos) & 0xff) | (bytes(pos + 1) & 0xff) << 8 |
        (bytes(pos + 2) & 0xff) << 16 | (bytes(pos + 3) & 0xff) << 24
      work(pos + 12, length)
      pos += length + 16
    }
  }
}

object Floor {
  private val ReadSize = 256 * 1024
  private val WriteSize = 128 * 1024
  private val InflateSize = 64 * 1024
}

package io.sparktf.tfrecord.stream

import java.io.{EOFException, InputStream}
import java.util.zip.{CRC32, DataFormatException, Inflater, ZipException}

/**
 * What a gzip file (RFC 1952) or a zlib file (RFC 1950) holds. Several members or streams, one
 * behind the other, are one file. Behind the last member of a gzip file there may be zeros, which
 * gzip(1) ignores too; anything else is an error.
 *
 * Hadoop's own codecs do the same but for the zeros, with one copy of each byte more.
 *
 * Errors are those of java.util.zip: an `EOFException` where the stream is cut off, a `ZipException`
 * for what is no such stream or does not have its checksum.
 */
final private[tfrecord] class InflatedStream(in: InputStream, isGzip: Boolean)
  extends InputStream {
  import InflatedStream._

  private[this] val inflater = new Inflater(isGzip) // without zlib's own header and checksum
  private[this] val crc = new CRC32
  private[this] val input = new Array[Byte](BufferSize)
  // What of the input the inflater was not given.
  private[this] var pos = 0
  private[this] var limit = 0
  private[this] var isInMember = false
  private[this] var isFirst = true
  private[this] var isAtEnd = false

  override def read(bytes: Array[Byte], from: Int, count: Int): Int = {
    if (count == 0) return 0
    while (!isAtEnd) {
      if (!isInMember) {
        beginMember()
      } else {
        val made = inflate(bytes, from, count)
        if (made > 0) {
          if (isGzip) crc.update(bytes, from, made)
          return made
        }
        if (inflater.finished) endMember()
        else if (inflater.needsDictionary) throw new ZipException("it needs a dictionary")
        else feed()
      }
    }
    -1
  }

  override def read(): Int = {
    val one = new Array[Byte](1)
    if (read(one, 0, 1) < 0) -1 else one(0) & 0xff
  }

  override def close(): Unit =
    try in.close()
    finally inflater.end()

  private def inflate(bytes: Array[Byte], from: Int, count: Int): Int =
    try inflater.inflate(bytes, from, count)
    catch {
      case e: DataFormatException =>
        throw new ZipException(Option(e.getMessage).getOrElse("invalid compressed data"))
    }

  private def feed(): Unit = {
    if (pos == limit && !fill()) throw new EOFException("the compressed stream is cut off")
    inflater.setInput(input, pos, limit - pos)
    pos = limit
  }

  private def beginMember(): Unit =
    if (pos == limit && !fill()) {
      isAtEnd = true
    } else {
      if (isGzip) {
        if (!isFirst && input(pos) == 0) readZeros()
        else readHeader()
      }
      isInMember = !isAtEnd
      isFirst = false
    }

  private def readZeros(): Unit = {
    while (!isAtEnd) {
      if (pos == limit) isAtEnd = !fill()
      else if (input(pos) != 0) throw new ZipException("bytes behind the end of the gzip stream")
      else pos += 1
    }
  }

  private def readHeader(): Unit = {
    crc.reset()
    if (next() != 0x1f || next() != 0x8b) {
      throw new ZipException(
        if (isFirst) "it does not begin as gzip does" else "bytes behind the end of the gzip stream"
      )
    }
    if (next() != Deflated) throw new ZipException("an unknown method of compression")
    val flags = next()
    if ((flags & Reserved) != 0) throw new ZipException("unknown flags in a gzip header")
    skip(6) // time, extra flags, operating system
    if ((flags & HasExtra) != 0) {
      val low = next()
      skip(low | next() << 8)
    }
    if ((flags & HasName) != 0) skipText()
    if ((flags & HasComment) != 0) skipText()
    if ((flags & HasHeaderCrc) != 0) {
      val computed = crc.getValue.toInt & 0xffff
      if (readLittleEndian(2) != computed)
        throw new ZipException("a gzip header's checksum is wrong")
    }
    crc.reset()
  }

  private def endMember(): Unit = {
    pos = limit - inflater.getRemaining
    if (isGzip) {
      val size = inflater.getBytesWritten
      val computed = crc.getValue
      if (readLittleEndian(4) != computed) throw new ZipException("the gzip checksum is wrong")
      if (readLittleEndian(4) != (size & 0xffffffffL)) {
        throw new ZipException("the gzip stream's length is wrong")
      }
    }
    inflater.reset()
    isInMember = false
  }

  private def skip(count: Int): Unit = {
    var i = 0
    while (i < count) {
      next()
      i += 1
    }
  }

  private def skipText(): Unit = while (next() != 0) {}

  private def readLittleEndian(count: Int): Long = {
    var value = 0L
    var i = 0
    while (i < count) {
      value |= next().toLong << (8 * i)
      i += 1
    }
    value
  }

  /** The next byte of a header or a trailer. */
  private def next(): Int = {
    if (pos == limit && !fill()) throw new EOFException("the compressed stream is cut off")
    val byte = input(pos) & 0xff
    pos += 1
    crc.update(byte)
    byte
  }

  /** Whether there are more bytes. */
  private def fill(): Boolean = {
    pos = 0
    limit = math.max(0, in.read(input, 0, input.length))
    limit > 0
  }
}

private object InflatedStream {
  final private val BufferSize = 64 * 1024

  final private val Deflated = 8 // deflate, the only method that there is
  final private val HasHeaderCrc = 0x02
  final private val HasExtra = 0x04
  final private val HasName = 0x08
  final private val HasComment = 0x10
  final private val Reserved = 0xe0
}

package io.sparktf.tfrecord.stream

import java.io.{EOFException, InputStream, IOException}

import io.sparktf.tfrecord.wire.GrowingBuffer
import org.apache.hadoop.io.compress.{CodecPool, CompressionCodec}

/**
 * What a file of Hadoop's snappy or lz4 codec holds (`BlockCompressorStream`): blocks, and in each the
 * number of its uncompressed bytes and as many chunks as they need. All numbers are of four bytes, big-endian.
 *
 * {{{
 * block: uint32 uncompressed bytes; chunks of them: uint32 length; byte compressed[length]
 * }}}
 *
 * Hadoop's own takes a file that is cut anywhere inside of a block, or goes on with zeros, for one that
 * ends there, and asks for whatever memory a damaged length tells.
 *
 * Nothing marks a file's end: one that is cut between two blocks is whole.
 */
final private[tfrecord] class BlockStream(in: RawStream, codec: CompressionCodec)
  extends InputStream {
  private[this] var decompressor = CodecPool.getDecompressor(codec)
  private[this] var chunk = new Array[Byte](BlockStream.BufferSize)
  // Uncompressed bytes of the block that are still to come.
  private[this] var left = 0
  private[this] var emptyBlocks = 0

  override def read(bytes: Array[Byte], from: Int, count: Int): Int = {
    if (count == 0) return 0
    while (left == 0) if (!beginBlock()) return -1
    var made = decompressor.decompress(bytes, from, count)
    while (made == 0) {
      if (decompressor.needsInput) readChunk()
      made = decompressor.decompress(bytes, from, count)
    }
    if (made > left) throw new IOException("a block has more bytes than it says")
    left -= made
    made
  }

  override def read(): Int = {
    val one = new Array[Byte](1)
    if (read(one, 0, 1) < 0) -1 else one(0) & 0xff
  }

  override def close(): Unit =
    try in.close()
    finally if (decompressor ne null) {
        CodecPool.returnDecompressor(decompressor)
        decompressor = null
      }

  /** Begins a block, which may have no bytes; false at the end of the file. */
  private def beginBlock(): Boolean = {
    val first = in.read()
    if (first < 0) {
      // Hadoop may end a file with one, and such files may follow each other. Several at the end are more
      // likely a file that was not written to its end.
      if (emptyBlocks > 1) throw new IOException("it ends with zeros in the place of blocks")
      return false
    }
    left = readInt(first)
    if (left < 0) throw new IOException(s"a block of ${left & 0xffffffffL} bytes")
    if (left == 0) emptyBlocks += 1
    else emptyBlocks = 0
    true
  }

  private def readChunk(): Unit = {
    val length = readInt(in.read())
    if (length < 0 || length > in.left) {
      throw new EOFException(
        s"${length & 0xffffffffL} bytes of a block where the file has ${in.left}"
      )
    }
    if (length > chunk.length) chunk = GrowingBuffer.ensure(chunk, 0, length)
    var count = 0
    while (count < length) {
      val read = in.read(chunk, count, length - count)
      if (read < 0) throw new EOFException
      count += read
    }
    decompressor.setInput(chunk, 0, length)
  }

  /** @param first the first of the four bytes, or -1 at the end of the file */
  private def readInt(first: Int): Int = {
    var value = 0
    var byte = first
    var i = 0
    while (i < 4) {
      if (i > 0) byte = in.read()
      if (byte < 0) throw new EOFException("the length of a block is cut off")
      value = value << 8 | byte
      i += 1
    }
    value
  }
}

private object BlockStream {
  final private val BufferSize = 64 * 1024
}

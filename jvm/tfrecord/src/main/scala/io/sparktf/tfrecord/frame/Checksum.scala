package io.sparktf.tfrecord.frame

import java.util.zip.{Checksum => JavaChecksum}

import org.apache.hadoop.util.PureJavaCrc32C

/**
 * The masked CRC-32C of TFRecord frames
 * (tensorflow/tsl/lib/hash/crc32c.h: rotated right by 15 bits, plus a constant, so that the
 * checksum of data which itself holds checksums stays meaningful).
 *
 * Not thread-safe: one instance per reader or writer.
 */
final private[tfrecord] class Checksum {
  private[this] val crc: JavaChecksum = Checksum.newCrc32c()

  // Most files repeat a few record lengths, and hashing eight bytes costs more than a look-up:
  // the checksum of a length is remembered in the place that the length's low bits select.
  private[this] val knownLengths = new Array[Long](Checksum.LengthSlots)
  private[this] val knownChecksums = new Array[Int](Checksum.LengthSlots)
  private[this] val lengthBytes = new Array[Byte](8)
  java.util.Arrays.fill(knownLengths, -1L)

  /** The masked checksum of `length` bytes of `bytes` from `offset`. */
  def of(bytes: Array[Byte], offset: Int, length: Int): Int = {
    crc.reset()
    crc.update(bytes, offset, length)
    Checksum.mask(crc.getValue.toInt)
  }

  /** The masked checksum of a record length in its eight little-endian bytes. */
  def ofLength(length: Long): Int = {
    val slot = length.toInt & (Checksum.LengthSlots - 1)
    if (knownLengths(slot) != length) {
      var i = 0
      while (i < 8) {
        lengthBytes(i) = (length >>> (8 * i)).toByte
        i += 1
      }
      knownChecksums(slot) = of(lengthBytes, 0, 8)
      knownLengths(slot) = length
    }
    knownChecksums(slot)
  }
}

private[tfrecord] object Checksum {
  private val LengthSlots = 256

  def mask(crc: Int): Int = ((crc >>> 15) | (crc << 17)) + 0xa282ead8

  // java.util.zip.CRC32C is compiled to the processor's own instruction but came with Java 9, and
  // this jar must also load on Java 8, where Hadoop's table-driven twin takes its place.
  private val constructor: Option[java.lang.reflect.Constructor[_]] =
    try Some(Class.forName("java.util.zip.CRC32C").getConstructor())
    catch { case _: ClassNotFoundException => None }

  private def newCrc32c(): JavaChecksum = constructor match {
    case Some(c) => c.newInstance().asInstanceOf[JavaChecksum]
    case None => new PureJavaCrc32C
  }
}

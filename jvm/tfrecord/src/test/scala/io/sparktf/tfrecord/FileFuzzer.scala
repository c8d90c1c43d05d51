package io.sparktf.tfrecord

import java.io.{ByteArrayInputStream, ByteArrayOutputStream, File, InputStream, IOException}
import java.nio.ByteBuffer
import java.nio.ByteOrder.LITTLE_ENDIAN
import java.util.zip.{GZIPInputStream, InflaterInputStream}

import scala.collection.mutable.ArrayBuffer
import scala.util.Random

import org.apache.hadoop.fs.Path
import org.apache.spark.paths.SparkPath
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.datasources.PartitionedFile
import org.apache.spark.sql.types._
import org.tensorflow.hadoop.util.Crc32C

import Records._
import Wire.concat

/**
 * Random files of ByteArray records, damaged in their frames or in their compressed stream, read
 * as Spark's tasks read them.
 */
class FileFuzzer(spark: SparkSession, folder: File) {
  import FileFuzzer._

  private val readColumns = reader(columns)
  private val readNothing = reader(StructType(Nil))

  private def reader(required: StructType): PartitionedFile => Iterator[InternalRow] =
    new TFRecordFileFormat().buildReaderWithPartitionValues(
      spark,
      columns,
      StructType(Nil),
      required,
      Nil,
      Map("recordType" -> "ByteArray"),
      spark.sessionState.newHadoopConf()
    )

  /** @throws AssertionError that holds all that is needed to see it again */
  def run(seed: Long): Unit = new Case(seed).run()

  /** One file, and what is wrong with it. All of it follows from `seed`. */
  final private class Case(seed: Long) {

    private val random = new Random(seed)
    private val mutator = new WireMutator(random)

    def run(): Unit = {
      val frames = Vector.fill(random.nextInt(6))(framed(Seq(payload())))
      val plain = concat(frames: _*)
      val damaged = damage(frames)
      random.nextInt(3) match {
        case 0 =>
          checkSame("data.tfrecord", plain, Reference.of(plain))
          checkSame("data.tfrecord", damaged, Reference.of(damaged))
        case 1 => checkCompressed("data.tfrecord.gz", plain, damaged, gzip)(new GZIPInputStream(_))
        case _ =>
          checkCompressed("data.tfrecord.deflate", plain, damaged, zlib)(new InflaterInputStream(_))
      }
    }

    private def checkCompressed(
        name: String,
        plain: Array[Byte],
        damaged: Array[Byte],
        compress: Array[Byte] => Array[Byte]
    )(inflate: InputStream => InputStream): Unit = {
      checkSame(name, compress(plain), Reference.of(plain))
      checkSame(name, compress(damaged), Reference.of(damaged))
      val stream = (0 to random.nextInt(2)).foldLeft(compress(plain))((s, _) =>
        mutator.changeBytes(s)
      )
      val (bytes, isWhole) = inflated(stream, inflate)
      val reference = Reference.of(bytes)
      val (found, error) = read(name, stream, withData = true)
      // java.util.zip lets pass what follows the stream, and damage in some of its headers.
      val agrees =
        if (error.isEmpty) isWhole && !reference.isDamaged && found == reference.records
        else reference.records.startsWith(found)
      if (!agrees) fail(name, stream, found, error, reference)
    }

    private def checkSame(name: String, bytes: Array[Byte], reference: Reference): Unit = {
      val (found, error) = read(name, bytes, withData = true)
      if (found != reference.records || error.isDefined != reference.isDamaged) {
        fail(name, bytes, found, error, reference)
      }
      val (counted, countError) = read(name, bytes, withData = false)
      if (counted.size != reference.headers || countError.isDefined != reference.isCut) {
        fail(name, bytes, counted, countError, reference)
      }
    }

    /** The records as text before the end or the error. */
    private def read(
        name: String,
        bytes: Array[Byte],
        withData: Boolean
    ): (Vector[String], Option[Throwable]) = {
      val file = writeFile(new File(folder, name), bytes)
      val found = ArrayBuffer.empty[String]
      try {
        val open = if (withData) readColumns else readNothing
        val rows = open(PartitionedFile(
          InternalRow.empty,
          SparkPath.fromPath(new Path(file.toURI)),
          0,
          bytes.length,
          Array.empty[String],
          file.lastModified,
          bytes.length
        ))
        rows.foreach(row => found += (if (withData) Shown.hex(row.getBinary(0)) else ""))
        (found.toVector, None)
      } catch {
        case e: CorruptTFRecordException => (found.toVector, Some(e))
        case e: Throwable => throw new AssertionError(s"seed $seed, $name ${Shown.hex(bytes)}", e)
      }
    }

    private def fail(
        name: String,
        bytes: Array[Byte],
        found: Vector[String],
        error: Option[Throwable],
        reference: Reference
    ): Nothing = throw new AssertionError(
      s"seed $seed, $name ${Shown.hex(bytes)}\nexpected $reference\nfound    $found, then $error"
    )

    private def payload(): Array[Byte] = {
      val size = random.nextInt(60) match {
        case 0 => random.nextInt(1200 * 1024) // larger than any buffer in the beginning
        case few if few < 8 => 0
        case few if few < 15 => 5000
        case _ => random.nextInt(60)
      }
      val bytes = new Array[Byte](size)
      random.nextBytes(bytes)
      // A record may hold records.
      if (random.nextInt(5) == 0) framed(Seq(bytes)) else bytes
    }

    private def damage(frames: Vector[Array[Byte]]): Array[Byte] = {
      val at = random.nextInt(frames.size + 1)
      val (before, after) = frames.splitAt(at)
      random.nextInt(6) match {
        case 0 => concat(before ++ after.drop(1): _*)
        case 1 => concat(before ++ after.take(1) ++ after: _*)
        case 2 =>
          // A length that is right by its checksum.
          val size = after.headOption.fold(0)(_.length - 16)
          val length = lengths(random.nextInt(lengths.size)) + random.nextInt(3) * size
          concat(before ++ Seq(header(length)) ++ after.map(_.drop(12)): _*)
        case 3 => concat(before ++ after.map(frame => frame.dropRight(4)): _*)
        case _ => mutator.changeBytes(concat(frames: _*))
      }
    }
  }
}

object FileFuzzer {
  private val columns = StructType(Seq(StructField("byteArray", BinaryType)))

  private val lengths =
    Seq(-1L, 0L, 1L, Int.MaxValue - 40L, Int.MaxValue.toLong, 1L << 31, 1L << 32, Long.MaxValue) :+
      Long.MinValue

  /**
   * What a file holds by the definition of the format (tensorflow/core/lib/io/record_reader.cc).
   *
   * @param records the data of the records before the first damage
   * @param isDamaged whether there is any
   * @param headers how many records there are by the lengths alone
   * @param isCut whether the lengths lead elsewhere than to the end
   */
  final case class Reference(
      records: Vector[String],
      isDamaged: Boolean,
      headers: Int,
      isCut: Boolean
  )

  object Reference {
    def of(bytes: Array[Byte]): Reference = {
      val buffer = ByteBuffer.wrap(bytes).order(LITTLE_ENDIAN)
      val whole = ArrayBuffer.empty[String]
      var headers = 0
      var isDamaged = false
      while (buffer.hasRemaining) {
        val at = buffer.position()
        val fits = buffer.remaining >= 12 &&
          buffer.getInt(at + 8) == Crc32C.maskedCrc32c(bytes, at, 8) &&
          buffer.getLong(at) >= 0 && buffer.getLong(at) <= buffer.remaining - 16
        if (!fits) return Reference(whole.toVector, isDamaged = true, headers, isCut = true)
        val length = buffer.getLong(at).toInt
        headers += 1
        val stored = buffer.getInt(at + 12 + length)
        isDamaged ||= stored != Crc32C.maskedCrc32c(bytes, at + 12, length)
        if (!isDamaged) whole += Shown.hex(bytes.slice(at + 12, at + 12 + length))
        buffer.position(at + 16 + length)
      }
      Reference(whole.toVector, isDamaged, headers, isCut = false)
    }
  }

  /** All that can be decompressed, and whether that was all. */
  private def inflated(
      stream: Array[Byte],
      inflate: InputStream => InputStream
  ): (Array[Byte], Boolean) = {
    val out = new ByteArrayOutputStream()
    try {
      val in = inflate(new ByteArrayInputStream(stream))
      // Byte by byte: of a longer read nothing would be had where its end is damaged.
      Iterator.continually(in.read()).takeWhile(_ >= 0).foreach(byte => out.write(byte))
      (out.toByteArray, true)
    } catch {
      // A file of no bytes has no records, whatever its name.
      case _: IOException => (out.toByteArray, stream.isEmpty)
    }
  }
}

package io.sparktf.tfrecord

import java.io.{BufferedInputStream, ByteArrayInputStream, ByteArrayOutputStream, DataOutputStream}
import java.io.{File, InputStream, OutputStream}
import java.nio.ByteBuffer
import java.nio.ByteOrder.LITTLE_ENDIAN
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.Files
import java.util.zip.{DeflaterOutputStream, GZIPInputStream, GZIPOutputStream, InflaterInputStream}

import com.google.protobuf.ByteString
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorOutputStream
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.io.compress.CompressionCodec
import org.apache.hadoop.util.ReflectionUtils
import org.tensorflow.example.{BytesList, Example, Feature, FeatureList, FeatureLists, Features}
import org.tensorflow.example.{FloatList, Int64List, SequenceExample}
import org.tensorflow.hadoop.util.{Crc32C, TFRecordReader, TFRecordWriter}

/**
 * TFRecord files and tf.Examples made and read without this project's code: the messages by
 * protobuf's generated classes, the framing by tensorflow-hadoop, compression by java.util.zip.
 */
object Records {

  def int64s(values: Long*): Feature = {
    val list = Int64List.newBuilder()
    values.foreach(list.addValue)
    Feature.newBuilder().setInt64List(list).build()
  }

  def floats(values: Float*): Feature = {
    val list = FloatList.newBuilder()
    values.foreach(list.addValue)
    Feature.newBuilder().setFloatList(list).build()
  }

  def bytes(values: Array[Byte]*): Feature = {
    val list = BytesList.newBuilder()
    values.foreach(value => list.addValue(ByteString.copyFrom(value)))
    Feature.newBuilder().setBytesList(list).build()
  }

  def strings(values: String*): Feature = bytes(values.map(_.getBytes(UTF_8)): _*)

  /** `Feature {}`: present, without a kind. */
  def noKind: Feature = Feature.getDefaultInstance

  def example(entries: (String, Feature)*): Example =
    Example.newBuilder().setFeatures(features(entries)).build()

  private def features(entries: Seq[(String, Feature)]): Features = {
    val map = Features.newBuilder()
    entries.foreach { case (name, feature) => map.putFeature(name, feature) }
    map.build()
  }

  def sequence(context: (String, Feature)*)(lists: (String, Seq[Feature])*): SequenceExample = {
    val map = FeatureLists.newBuilder()
    lists.foreach { case (name, steps) =>
      val list = FeatureList.newBuilder()
      steps.foreach(list.addFeature)
      map.putFeatureList(name, list.build())
    }
    val message = SequenceExample.newBuilder()
    if (context.nonEmpty) message.setContext(features(context))
    if (lists.nonEmpty) message.setFeatureLists(map)
    message.build()
  }

  /** The records in frames, one after the other: what an uncompressed TFRecord file holds. */
  def framed(records: Seq[Array[Byte]]): Array[Byte] = {
    val out = new ByteArrayOutputStream()
    val writer = new TFRecordWriter(new DataOutputStream(out))
    records.foreach(record => writer.write(record))
    out.toByteArray
  }

  /** A frame's first 12 bytes for any length at all, with the length's checksum right. */
  def header(length: Long): Array[Byte] = {
    val bytes = ByteBuffer.allocate(12).order(LITTLE_ENDIAN).putLong(length)
    bytes.putInt(Crc32C.maskedCrc32c(bytes.array, 0, 8)).array
  }

  def gzip(bytes: Array[Byte]): Array[Byte] = through(bytes)(new GZIPOutputStream(_))

  def zlib(bytes: Array[Byte]): Array[Byte] = through(bytes)(new DeflaterOutputStream(_))

  def bzip2(bytes: Array[Byte]): Array[Byte] = through(bytes)(new BZip2CompressorOutputStream(_))

  /** As Hadoop's codec writes it. */
  def through(codec: Class[_ <: CompressionCodec], bytes: Array[Byte]): Array[Byte] =
    through(bytes)(ReflectionUtils.newInstance(codec, new Configuration).createOutputStream(_))

  def through(bytes: Array[Byte])(wrap: OutputStream => OutputStream): Array[Byte] = {
    val out = new ByteArrayOutputStream()
    val stream = wrap(out)
    try stream.write(bytes)
    finally stream.close()
    out.toByteArray
  }

  def writeFile(file: File, bytes: Array[Byte]): File = {
    file.getParentFile.mkdirs()
    Files.write(file.toPath, bytes)
    Store.put(file)
    file
  }

  def writeExamples(file: File, examples: Example*): File =
    writeFile(file, framed(examples.map(_.toByteArray)))

  def writeSequences(file: File, sequences: SequenceExample*): File =
    writeFile(file, framed(sequences.map(_.toByteArray)))

  /** The records of a file, its checksums verified; gzip and zlib by the name's ending. */
  def readRecords(file: File): Vector[Array[Byte]] = {
    val raw = new BufferedInputStream(Files.newInputStream(file.toPath))
    try readRecords(decompressed(file.getName, raw))
    finally raw.close()
  }

  def readRecords(input: InputStream): Vector[Array[Byte]] = {
    val reader = new TFRecordReader(input, true)
    Iterator.continually(reader.read()).takeWhile(_ != null).toVector
  }

  def readRecords(bytes: Array[Byte]): Vector[Array[Byte]] =
    readRecords(new ByteArrayInputStream(bytes))

  private def decompressed(name: String, raw: InputStream): InputStream =
    if (name.endsWith(".gz")) new GZIPInputStream(raw)
    else if (name.endsWith(".deflate")) new InflaterInputStream(raw)
    else raw

  /** The Examples of all of a folder's data files, partition folders included, by path. */
  def readExamples(folder: File): Vector[Example] =
    readFolder(folder).map(record => Example.parseFrom(record))

  def readSequences(folder: File): Vector[SequenceExample] =
    readFolder(folder).map(record => SequenceExample.parseFrom(record))

  /** The records of all of a folder's data files. */
  def readFolder(folder: File): Vector[Array[Byte]] =
    dataFiles(folder).flatMap(file => readRecords(file))

  /** The files below `folder` that Spark calls data: neither hidden nor `_SUCCESS`, by path. */
  def dataFiles(folder: File): Vector[File] = {
    Store.fetch(folder)
    localDataFiles(folder)
  }

  private def localDataFiles(folder: File): Vector[File] =
    folder.listFiles().toVector.sortBy(_.getPath).flatMap { file =>
      if (file.getName.startsWith(".") || file.getName.startsWith("_")) Vector.empty
      else if (file.isDirectory) localDataFiles(file)
      else Vector(file)
    }
}

package io.sparktf.tfrecord

import java.io.{ByteArrayOutputStream, DataOutputStream, InputStream}
import java.util.Random

import com.google.protobuf.ByteString
import io.sparktf.tfrecord.frame.FrameReader
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection
import org.apache.spark.sql.catalyst.util.GenericArrayData
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String
import org.tensorflow.example.{BytesList, Example, Feature, Features, FloatList, Int64List}
import org.tensorflow.hadoop.util.TFRecordWriter

/**
 * The records that the benchmarks in memory work on, made by protobuf and framed by
 * tensorflow-hadoop, so that nothing depends on what is measured.
 */
object Shapes {

  /** As many as fit the processor's cache, so that memory is not what is measured. */
  final val Records = 1000

  /** How often a benchmark goes over them: its buffers are made once for all. */
  final val Rounds = 100
  final val Operations = 100000

  def schema(shape: String): StructType = shape match {
    case "mixed" =>
      StructType(
        (1 to 4).map(i => StructField(s"integer_$i", LongType)) ++
          (1 to 3).map(i => StructField(s"number_$i", FloatType)) ++
          (1 to 3).map(i => StructField(s"string_$i", StringType))
      )
    case "image" => new StructType().add("label", LongType).add("image", BinaryType)
    case "floats" => new StructType().add("label", LongType).add("x", ArrayType(FloatType, false))
  }

  def examples(shape: String): IndexedSeq[Example] = {
    val random = new Random(42)
    IndexedSeq.fill(Records) {
      val features = Features.newBuilder()
      schema(shape).foreach(f => features.putFeature(f.name, feature(f, random)))
      Example.newBuilder().setFeatures(features).build()
    }
  }

  private def feature(field: StructField, random: Random): Feature = {
    val feature = Feature.newBuilder()
    field.dataType match {
      case LongType => feature.setInt64List(Int64List.newBuilder().addValue(random.nextInt(100000)))
      case FloatType => feature.setFloatList(FloatList.newBuilder().addValue(random.nextFloat()))
      case StringType =>
        val text = Iterator.continually(('a' + random.nextInt(26)).toChar).take(12).mkString
        feature.setBytesList(BytesList.newBuilder().addValue(ByteString.copyFromUtf8(text)))
      case BinaryType =>
        val pixels = new Array[Byte](784)
        random.nextBytes(pixels)
        feature.setBytesList(BytesList.newBuilder().addValue(ByteString.copyFrom(pixels)))
      case _ =>
        val list = FloatList.newBuilder()
        (1 to 200).foreach(_ => list.addValue(random.nextFloat()))
        feature.setFloatList(list)
    }
    feature.build()
  }

  /** The records as a TFRecord file's bytes. */
  def file(examples: Seq[Example]): Array[Byte] = {
    val bytes = new ByteArrayOutputStream
    val writer = new TFRecordWriter(new DataOutputStream(bytes))
    examples.foreach(e => writer.write(e.toByteArray))
    bytes.toByteArray
  }

  /** The file, [[Rounds]] times over. */
  def stream(file: Array[Byte]): InputStream = new InputStream {
    private[this] var rounds = Rounds
    private[this] var pos = 0

    override def read(): Int = {
      val one = new Array[Byte](1)
      if (read(one, 0, 1) < 0) -1 else one(0) & 0xff
    }

    override def read(bytes: Array[Byte], offset: Int, length: Int): Int = {
      if (pos == file.length) {
        pos = 0
        rounds -= 1
      }
      if (rounds == 0) return -1
      val count = math.min(length, file.length - pos)
      System.arraycopy(file, pos, bytes, offset, count)
      pos += count
      count
    }
  }

  def reader(file: Array[Byte]): FrameReader =
    new FrameReader(stream(file), Array.emptyByteArray, "memory", -1, verify = true)

  /** The records as rows of Spark's own making. */
  def rows(shape: String, examples: Seq[Example]): Array[InternalRow] = {
    val project = UnsafeProjection.create(schema(shape))
    val convert = new ProtobufRows(schema(shape))
    examples.map(e => project(convert(e)).copy(): InternalRow).toArray
  }
}

/**
 * The way to a row by message objects, as a careful user of protobuf would go: the names known in
 * advance, the values copied without boxing, and an `UnsafeRow` in the end.
 */
final class ProtobufRows(schema: StructType) {
  private[this] val names = schema.fieldNames
  private[this] val types = schema.fields.map(_.dataType)
  private[this] val row = new GenericInternalRow(names.length)

  def apply(example: Example): InternalRow = {
    val features = example.getFeatures.getFeatureMap
    var i = 0
    while (i < names.length) {
      val feature = features.get(names(i))
      if (feature eq null) row.setNullAt(i) else row.update(i, value(feature, types(i)))
      i += 1
    }
    row
  }

  private def value(feature: Feature, dataType: DataType): Any = dataType match {
    case LongType => feature.getInt64List.getValue(0)
    case FloatType => feature.getFloatList.getValue(0)
    case StringType => UTF8String.fromBytes(feature.getBytesList.getValue(0).toByteArray)
    case BinaryType => feature.getBytesList.getValue(0).toByteArray
    case _ =>
      val list = feature.getFloatList
      val floats = new Array[Float](list.getValueCount)
      var i = 0
      while (i < floats.length) {
        floats(i) = list.getValue(i)
        i += 1
      }
      new GenericArrayData(floats)
  }
}

package io.sparktf.tfrecord

import java.io.{DataOutputStream, OutputStream}
import java.util.concurrent.TimeUnit

import com.google.protobuf.ByteString
import io.sparktf.tfrecord.encode.ExampleEncoder
import io.sparktf.tfrecord.frame.FrameWriter
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types._
import org.openjdk.jmh.annotations._
import org.tensorflow.example.{BytesList, Example, Feature, Features, FloatList, Int64List}
import org.tensorflow.hadoop.util.TFRecordWriter

/** From `UnsafeRow`s to TFRecord bytes, which are thrown away: time per record, one thread. */
@State(Scope.Thread)
@BenchmarkMode(Array(Mode.AverageTime))
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
class EncodeBenchmark {
  @Param(Array("mixed", "image", "floats"))
  var shape: String = _

  private var rows: Array[InternalRow] = _
  private var schema: StructType = _

  @Setup
  def prepare(): Unit = {
    rows = Shapes.rows(shape, Shapes.examples(shape))
    schema = Shapes.schema(shape)
  }

  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def sparktf(): Long = {
    val out = new CountingStream
    val records = new FrameWriter(out)
    val writer = new ExampleEncoder(schema, records)
    var round = 0
    while (round < Shapes.Rounds) {
      rows.foreach(writer.write)
      round += 1
    }
    records.close()
    out.count
  }

  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def protobuf(): Long = {
    val out = new CountingStream
    val writer = new TFRecordWriter(new DataOutputStream(out))
    var round = 0
    while (round < Shapes.Rounds) {
      rows.foreach(row => writer.write(toExample(row).toByteArray))
      round += 1
    }
    out.count
  }

  private def toExample(row: InternalRow): Example = {
    val features = Features.newBuilder()
    var i = 0
    while (i < schema.length) {
      features.putFeature(schema(i).name, feature(row, i, schema(i).dataType))
      i += 1
    }
    Example.newBuilder().setFeatures(features).build()
  }

  private def feature(row: InternalRow, i: Int, dataType: DataType): Feature = {
    val feature = Feature.newBuilder()
    dataType match {
      case LongType => feature.setInt64List(Int64List.newBuilder().addValue(row.getLong(i)))
      case FloatType => feature.setFloatList(FloatList.newBuilder().addValue(row.getFloat(i)))
      case StringType => feature.setBytesList(bytes(row.getUTF8String(i).getBytes))
      case BinaryType => feature.setBytesList(bytes(row.getBinary(i)))
      case _ =>
        val list = FloatList.newBuilder()
        row.getArray(i).toFloatArray().foreach(list.addValue)
        feature.setFloatList(list)
    }
    feature.build()
  }

  private def bytes(value: Array[Byte]): BytesList.Builder =
    BytesList.newBuilder().addValue(ByteString.copyFrom(value))
}

final private class CountingStream extends OutputStream {
  var count = 0L
  override def write(b: Int): Unit = count += 1
  override def write(b: Array[Byte], offset: Int, length: Int): Unit = count += length
}

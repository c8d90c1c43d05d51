package io.sparktf.tfrecord

import java.io.DataInputStream
import java.util.concurrent.TimeUnit

import io.sparktf.tfrecord.decode.{RecordDecoder, RowSchema}
import io.sparktf.tfrecord.options.RecordType
import org.apache.spark.sql.catalyst.expressions.{UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.types.StructType
import org.openjdk.jmh.annotations._
import org.tensorflow.example.Example
import org.tensorflow.hadoop.util.TFRecordReader

/**
 * From a TFRecord file's bytes in memory to `UnsafeRow`s, checksums compared: time per record, one
 * thread. Each benchmark adds up the rows' sizes, so that none of them can be left out.
 */
@State(Scope.Thread)
@BenchmarkMode(Array(Mode.AverageTime))
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
class DecodeBenchmark {
  @Param(Array("mixed", "image", "floats"))
  var shape: String = _

  private var file: Array[Byte] = _
  private var messages: Array[Array[Byte]] = _
  private var schema: StructType = _
  private var reader: RecordDecoder = _
  private var pruned: RecordDecoder = _
  private var toRow: ProtobufRows = _
  private var project: UnsafeProjection = _

  @Setup
  def prepare(): Unit = {
    val examples = Shapes.examples(shape)
    file = Shapes.file(examples)
    messages = examples.map(_.toByteArray).toArray
    schema = Shapes.schema(shape)
    reader = RecordDecoder(RecordType.Auto, rowSchema(schema))
    pruned = RecordDecoder(RecordType.Auto, rowSchema(StructType(schema.take(1))))
    toRow = new ProtobufRows(schema)
    project = UnsafeProjection.create(schema)
  }

  private def rowSchema(columns: StructType): RowSchema =
    RowSchema(columns, partitions = new StructType, caseSensitive = false)

  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def sparktf(): Long = read(reader)

  /** One column of all. */
  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def sparktfPruned(): Long = read(pruned)

  private def read(rows: RecordDecoder): Long = {
    val records = Shapes.reader(file)
    var size = 0L
    while (records.next()) {
      val row = rows.read(records.buffer, records.start, records.end)
      size += row.asInstanceOf[UnsafeRow].getSizeInBytes
    }
    size
  }

  /** The frames and their checksums alone: what decoding comes on top of. */
  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def sparktfFrames(): Long = {
    val records = Shapes.reader(file)
    var size = 0L
    while (records.next()) size += records.end - records.start
    size
  }

  /** From header to header, as `count` goes. */
  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def sparktfCount(): Long = {
    val records = Shapes.reader(file)
    var count = 0L
    while (records.skip()) count += 1
    count
  }

  /** protobuf's parse, conversion and projection, on frames read by tensorflow-hadoop. */
  @Benchmark
  @OperationsPerInvocation(Shapes.Operations)
  def protobuf(): Long = {
    val records = new TFRecordReader(new DataInputStream(Shapes.stream(file)), true)
    var size = 0L
    var record = records.read()
    while (record ne null) {
      size += project(toRow(Example.parseFrom(record))).getSizeInBytes
      record = records.read()
    }
    size
  }

  /** protobuf's parse alone: no frames, no checksums, no rows. */
  @Benchmark
  @OperationsPerInvocation(Shapes.Records)
  def protobufParse(): Long = {
    var features = 0L
    messages.foreach(m => features += Example.parseFrom(m).getFeatures.getFeatureCount)
    features
  }
}

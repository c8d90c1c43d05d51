package io.sparktf.tfrecord

import java.io.{ByteArrayInputStream, ByteArrayOutputStream}
import java.nio.ByteBuffer

import scala.util.Random

import io.sparktf.tfrecord.decode.{RecordDecoder, RowSchema}
import io.sparktf.tfrecord.encode.RecordEncoder
import io.sparktf.tfrecord.frame.{FrameReader, FrameWriter}
import io.sparktf.tfrecord.options.RecordType
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{
  BoundReference, GenericInternalRow, InterpretedUnsafeProjection
}
import org.apache.spark.sql.catalyst.util.{ArrayData, GenericArrayData}
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String
import org.tensorflow.example.{Example, Feature, SequenceExample}

import Records._

/**
 * Random rows of one random schema, written by this project's writer into one stream, whose records
 * are compared with the messages that protobuf builds from the same values; then read by this
 * project's reader and compared with the rows. Most are so large that the buffers of writer and
 * reader grow in the middle of them. All of it follows from `seed`.
 */
class WriteFuzzer(seed: Long, recordType: RecordType) {
  import WriteFuzzer._

  private val random = new Random(seed)
  private val isSequence = recordType == RecordType.SequenceExample
  private val isWide = recordType != RecordType.ByteArray && oneIn(12)
  private val longNames = oneIn(3)

  private val schema: StructType =
    if (recordType == RecordType.ByteArray) {
      new StructType().add("byteArray", if (oneIn(2)) BinaryType else StringType)
    } else {
      val count = if (isWide) 1500 + random.nextInt(3501) else 1 + random.nextInt(12)
      StructType(Vector.tabulate(count)(i => StructField(name(i), pick(types))))
    }

  private lazy val types: Vector[DataType] =
    if (isSequence) flatTypes ++ nestedTypes else flatTypes

  /** @throws AssertionError that holds all that is needed to see it again */
  def run(): Unit = {
    val rows = Vector.fill(if (isWide) 3 + random.nextInt(4) else 1 + random.nextInt(9))(row())
    val written =
      try write(rows)
      catch { case e: Throwable => fail(s"writing ended with $e", e) }
    val records =
      try readRecords(written)
      catch { case e: Throwable => fail(s"tensorflow-hadoop reads the frames with $e", e) }
    if (records.size != rows.size) fail(s"${rows.size} rows gave ${records.size} records")
    rows.zip(records).zipWithIndex.foreach { case ((row, record), i) => compare(i, row, record) }
    compareRead(written, rows, recordType)
    if (recordType != RecordType.ByteArray) compareRead(written, rows, RecordType.Auto)
  }

  private def write(rows: Vector[InternalRow]): Array[Byte] = {
    val out = new ByteArrayOutputStream()
    val records = new FrameWriter(out)
    val encoder = RecordEncoder(recordType, schema, Set.empty, records)
    val projection = InterpretedUnsafeProjection.createProjection(
      schema.zipWithIndex.map { case (f, i) => BoundReference(i, f.dataType, f.nullable) }
    )
    // Spark gives unsafe rows nearly always, and others now and then.
    rows.foreach(row => encoder.write(if (oneIn(4)) row else projection(row)))
    records.close()
    out.toByteArray
  }

  private def compare(index: Int, row: InternalRow, record: Array[Byte]): Unit = {
    val (expected, found) = recordType match {
      case RecordType.Example | RecordType.Auto => (exampleOf(row), Example.parseFrom(record))
      case RecordType.SequenceExample => (sequenceOf(row), SequenceExample.parseFrom(record))
      case RecordType.ByteArray =>
        (ByteBuffer.wrap(bytesOf(row.get(0, schema.head.dataType))), ByteBuffer.wrap(record))
    }
    if (expected != found) fail(s"row $index of ${record.length} bytes is not what was written")
  }

  private def compareRead(
      written: Array[Byte],
      rows: Vector[InternalRow],
      readAs: RecordType
  ): Unit = {
    val reader = new FrameReader(
      new ByteArrayInputStream(written),
      Array.emptyByteArray,
      "written",
      -1,
      verify = true
    )
    val decoder =
      RecordDecoder(readAs, RowSchema(schema, StructType(Nil), caseSensitive = true))
    rows.zipWithIndex.foreach { case (row, i) =>
      if (!reader.next()) fail(s"the reader ends before row $i")
      val found =
        try decoder.read(reader.buffer, reader.start, reader.end)
        catch { case e: Throwable => fail(s"reading row $i ended with $e", e) }
      schema.indices.foreach { field =>
        val dataType = schema(field).dataType
        if (!isSame(found.get(field, dataType), row.get(field, dataType), dataType)) {
          fail(s"column `${schema(field).name.take(40)}` of row $i is read as another value")
        }
      }
    }
    if (reader.next()) fail("the reader finds a record too many")
  }

  private def isSame(found: Any, written: Any, dataType: DataType): Boolean =
    (found, written, dataType) match {
      case (some: ArrayData, others: ArrayData, ArrayType(element, _)) =>
        some.numElements() == others.numElements() && (0 until some.numElements()).forall { i =>
          isSame(some.get(i, element), others.get(i, element), element)
        }
      case (some: Array[Byte], others: Array[Byte], _) => java.util.Arrays.equals(some, others)
      // No value that is drawn is a NaN or a negative zero.
      case _ => found == written
    }

  // ------------------------------------------------------------------ protobuf's messages

  private def present(row: InternalRow): Vector[(StructField, Any)] =
    schema.zipWithIndex.toVector.collect {
      case (field, i) if !row.isNullAt(i) => field -> row.get(i, field.dataType)
    }

  /** Without a value nothing is written, not even an empty map. */
  private def exampleOf(row: InternalRow): Example = {
    val entries = present(row).map { case (f, value) => f.name -> featureOf(f.dataType, value) }
    if (entries.isEmpty) Example.getDefaultInstance else example(entries: _*)
  }

  private def sequenceOf(row: InternalRow): SequenceExample = {
    val (lists, context) = present(row).partition(_._1.dataType match {
      case ArrayType(_: ArrayType, _) => true
      case _ => false
    })
    sequence(context.map { case (f, value) => f.name -> featureOf(f.dataType, value) }: _*)(
      lists.map { case (f, steps) =>
        val inner = f.dataType.asInstanceOf[ArrayType].elementType
        f.name -> elements(inner, steps).map(step => featureOf(inner, step))
      }: _*
    )
  }

  private def featureOf(dataType: DataType, value: Any): Feature = {
    val (element, values) = dataType match {
      case ArrayType(element, _) => (element, elements(element, value))
      case scalar => (scalar, Vector(value))
    }
    element match {
      case FloatType => floats(values.map(_.asInstanceOf[Float]): _*)
      case DoubleType => floats(values.map(_.asInstanceOf[Double].toFloat): _*)
      case _: DecimalType => floats(values.map(_.asInstanceOf[Decimal].toFloat): _*)
      case StringType | BinaryType => bytes(values.map(bytesOf): _*)
      case BooleanType => int64s(values.map(v => if (v.asInstanceOf[Boolean]) 1L else 0L): _*)
      case _ => int64s(values.map(_.asInstanceOf[Number].longValue): _*)
    }
  }

  private def elements(element: DataType, array: Any): Vector[Any] =
    array.asInstanceOf[ArrayData].toSeq[Any](element).toVector

  private def bytesOf(value: Any): Array[Byte] = value match {
    case text: UTF8String => text.getBytes
    case bytes: Array[Byte] => bytes
  }

  // ------------------------------------------------------------------ values, as Catalyst has them

  private def row(): InternalRow = {
    val values: Array[Any] =
      schema.map { f =>
        if (recordType != RecordType.ByteArray && oneIn(8)) null else value(f.dataType)
      }.toArray
    // One value that brings the record to about where a buffer is full.
    val large = schema.indices.filter { i =>
      schema(i).dataType == BinaryType || schema(i).dataType == StringType
    }
    if (large.nonEmpty && !oneIn(4)) {
      val field = large(random.nextInt(large.size))
      values(field) = blob(schema(field).dataType, math.max(0, pick(full) - random.nextInt(700)))
    }
    new GenericInternalRow(values)
  }

  private def value(dataType: DataType): Any = dataType match {
    case ArrayType(element, _) =>
      val isFlat = !element.isInstanceOf[ArrayType]
      val most = if (isWide) 3 else if (isFlat && oneIn(200)) 20000 else 8
      new GenericArrayData(Array.fill[Any](random.nextInt(most))(value(element)))
    case BooleanType => random.nextBoolean()
    case ByteType => random.nextInt().toByte
    case ShortType => random.nextInt().toShort
    case IntegerType | DateType => random.nextInt() >> random.nextInt(32)
    case LongType => random.nextLong() >> random.nextInt(64)
    case FloatType => random.nextFloat()
    case DoubleType => random.nextFloat().toDouble // what a float holds
    case decimal: DecimalType =>
      Decimal(BigDecimal(random.nextInt(1 << 20), decimal.scale), decimal.precision, decimal.scale)
    case text => blob(text, random.nextInt(if (isWide) 6 else 40))
  }

  private def blob(dataType: DataType, size: Int): Any =
    if (dataType == StringType) UTF8String.fromBytes(Array.fill(size)(('a' + size % 26).toByte))
    else {
      val bytes = new Array[Byte](size)
      random.nextBytes(bytes)
      bytes
    }

  /** A name whose length takes one byte or two, as that of a scalar's entry then does. */
  private def name(i: Int): String =
    if (!longNames) s"c$i"
    else s"column $i " + "of a long name " * random.nextInt(if (isWide) 9 else 20)

  private def oneIn(n: Int): Boolean = random.nextInt(n) == 0

  private def pick[T](from: Seq[T]): T = from(random.nextInt(from.size))

  private def fail(what: String, cause: Throwable = null): Nothing = throw new AssertionError(
    s"$recordType, seed $seed, schema ${schema.toDDL.take(2000)}\n$what",
    cause
  )
}

object WriteFuzzer {

  // The writer's buffer begins with 192 KiB, the reader's with 256, others with 256 bytes; each
  // doubles. What is behind these sizes is written where a buffer has just grown, or just not.
  private val full: Vector[Int] =
    Vector(256, 512, 1024, 4096) ++ Vector(128, 192, 256, 384, 768, 1024).map(_ * 1024)

  private val flatTypes: Vector[DataType] = {
    val scalars = Vector(
      LongType,
      IntegerType,
      ShortType,
      ByteType,
      BooleanType,
      DateType,
      FloatType,
      FloatType,
      DoubleType,
      DecimalType(9, 2),
      DecimalType(28, 3),
      StringType,
      BinaryType,
      BinaryType
    )
    scalars ++ scalars.map(ArrayType(_, containsNull = true))
  }

  private val nestedTypes: Vector[DataType] =
    flatTypes.collect { case array: ArrayType => ArrayType(array, containsNull = true) }
}

package io.sparktf.tfrecord

import java.io.File
import java.nio.charset.StandardCharsets.UTF_8

import scala.util.Random

import org.apache.spark.sql.types.{StructField, StructType}
import org.scalacheck.{Arbitrary, Gen}
import org.tensorflow.example.Example

import Records._

/** Thousands of random Examples in random encodings: what Spark reads is what protobuf reads. */
@LocalOnly
@FormatOnly
class RandomWireSuite extends TFRecordSuite {
  import RandomWireSuite._

  private val records = 2000

  private lazy val messages: Vector[Array[Byte]] = {
    val random = new Random(seed)
    draw(records, rows).zipWithIndex.map { case (row, index) =>
      // Runs of plain records in one order with odd ones between: a reader that expects the next
      // record to look like the last is right for a while, and then is not.
      val oddness = if (index % 7 == 0) 0.3 else if (index % 3 == 0) 0.05 else 0.0
      new OddEncoder(random, oddness).example(row)
    }
  }

  private def agree(schema: StructType): Unit = withTempDir { folder =>
    writeFile(new File(folder, "data.tfrecord"), framed(messages))
    val found = shown(read(folder, schema))
    assert(found.size == messages.size)
    found.zip(messages).zipWithIndex.foreach { case ((row, message), index) =>
      val reference = Shown.expected(Example.parseFrom(message), schema)
      assert(row == Shown.show(reference: Any), s"in record $index")
    }
  }

  test("every column of random Examples in random encodings") {
    agree(schema)
  }

  test("some of the columns, in another order") {
    val random = new Random(seed)
    Seq(1, 3, 5).foreach { count =>
      agree(StructType(random.shuffle(schema.toVector).take(count * 2)))
    }
  }

  test("their number") {
    withTempDir { folder =>
      writeFile(new File(folder, "data.tfrecord"), framed(messages))
      assert(read(folder, schema).count() == messages.size)
    }
  }
}

object RandomWireSuite {

  sealed trait Values
  final case class Ints(values: Vector[Long]) extends Values
  final case class Floats(values: Vector[Float]) extends Values
  final case class Strings(values: Vector[Array[Byte]]) extends Values

  /** A column and the values that it may have: `None` leaves the feature out. */
  final case class Column(field: StructField, values: Gen[Option[Values]])

  private val longName = "name" * 80

  private def column(ddl: String, values: Gen[Values]): Column =
    Column(
      StructType.fromDDL(ddl).head,
      Gen.frequency(7 -> values.map(value => Some(value)), 1 -> Gen.const(None))
    )

  private def ints(ddl: String, each: Gen[Long]): Column = column(ddl, sized(ddl, each).map(Ints))
  private def floats(ddl: String, each: Gen[Float]): Column =
    column(ddl, sized(ddl, each).map(Floats))
  private def texts(ddl: String, each: Gen[Array[Byte]]): Column =
    column(ddl, sized(ddl, each).map(Strings))

  private def sized[T](ddl: String, each: Gen[T]): Gen[Vector[T]] =
    if (ddl.contains("ARRAY")) {
      Gen.choose(0, 9).flatMap(count => Gen.containerOfN[Vector, T](count, each))
    } else {
      Gen.frequency(1 -> Gen.const(Vector.empty[T]), 9 -> each.map(value => Vector(value)))
    }

  private val long = Arbitrary.arbLong.arbitrary
  private val float = Gen.frequency(
    4 -> Arbitrary.arbInt.arbitrary.map(bits => java.lang.Float.intBitsToFloat(bits)),
    1 -> Gen.oneOf(0f, -0f, Float.NaN, Float.PositiveInfinity, Float.MinPositiveValue)
  )
  private val eighths = Gen.choose(-80000, 80000).map(_ / 8f)
  private val text = Gen.choose(0, 20).flatMap { length =>
    Gen.stringOfN(length, Gen.oneOf(Gen.alphaChar, Gen.oneOf('é', '数', ' ', '\u0000', 'Ω')))
  }.map(_.getBytes(UTF_8))
  private val blob = Gen.choose(0, 40).flatMap { length =>
    Gen.containerOfN[Array, Byte](length, Arbitrary.arbByte.arbitrary)
  }
  private val days = Gen.choose(-700000L, 700000L)
  private val micros = Gen.choose(-60000000000000000L, 200000000000000000L)

  val columns: Vector[Column] = Vector(
    ints("a BIGINT", long),
    ints("ab ARRAY<BIGINT>", long),
    floats("ba FLOAT", float),
    floats("b ARRAY<FLOAT>", float),
    texts("Aa STRING", text),
    texts("BB BINARY", blob),
    texts("`特徴量` ARRAY<STRING>", text),
    texts("`a.dotted name` ARRAY<BINARY>", blob),
    ints(s"${longName}1 INT", Arbitrary.arbInt.arbitrary.map(_.toLong)),
    floats(s"${longName}2 DOUBLE", float),
    ints("s SMALLINT", Arbitrary.arbShort.arbitrary.map(_.toLong)),
    ints("t TINYINT", Arbitrary.arbByte.arbitrary.map(_.toLong)),
    ints("`is it` BOOLEAN", Gen.oneOf(0L, 1L)),
    ints("day DATE", days),
    ints("at TIMESTAMP", micros),
    ints("local TIMESTAMP_NTZ", micros),
    floats("price DECIMAL(12,3)", eighths),
    floats("big DECIMAL(30,4)", eighths),
    ints("numbers ARRAY<INT>", Arbitrary.arbInt.arbitrary.map(_.toLong)),
    ints("shorts ARRAY<SMALLINT>", Arbitrary.arbShort.arbitrary.map(_.toLong)),
    ints("tinies ARRAY<TINYINT>", Arbitrary.arbByte.arbitrary.map(_.toLong)),
    ints("flags ARRAY<BOOLEAN>", Gen.oneOf(0L, 1L)),
    floats("doubles ARRAY<DOUBLE>", float),
    ints("days ARRAY<DATE>", days),
    ints("times ARRAY<TIMESTAMP>", micros),
    floats("prices ARRAY<DECIMAL(12,3)>", eighths)
  )

  val schema: StructType = StructType(columns.map(_.field))

  type Entries = Vector[(String, Values)]

  val rows: Gen[Entries] =
    columns.foldLeft(Gen.const(Vector.empty[(String, Values)]): Gen[Entries]) { (soFar, next) =>
      for (entries <- soFar; values <- next.values)
        yield entries ++ values.map(value => next.field.name -> value)
    }
}

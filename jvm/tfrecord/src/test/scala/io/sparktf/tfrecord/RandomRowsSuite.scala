package io.sparktf.tfrecord

import java.io.File
import java.math.BigDecimal
import java.time.{Instant, LocalDate, LocalDateTime, ZoneOffset}
import java.time.temporal.ChronoUnit

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.types.{StructField, StructType}
import org.scalacheck.{Arbitrary, Gen}

import Records._

/** Columns of every type with random values. */
object RandomRows {

  // Values that a 32-bit float can hold, so that what is read is what was written.
  private val float: Gen[Float] = Gen.frequency(
    4 -> Arbitrary.arbInt.arbitrary.map(bits => java.lang.Float.intBitsToFloat(bits)),
    1 -> Gen.oneOf(0f, -0f, Float.NaN, Float.NegativeInfinity, Float.MaxValue)
  )
  private val cents = Gen.choose(-999999L, 999999L).map(value => BigDecimal.valueOf(value, 2))
  private val text = Gen.choose(0, 20).flatMap { length =>
    val letter = Gen.frequency(4 -> Gen.alphaNumChar, 1 -> Gen.oneOf('é', '数', '\u0000'))
    Gen.stringOfN(length, letter)
  }
  private val blob = Gen.choose(0, 40).flatMap { length =>
    Gen.containerOfN[Array, Byte](length, Arbitrary.arbByte.arbitrary)
  }
  private val day = Gen.choose(-700000L, 700000L).map(days => LocalDate.ofEpochDay(days))
  private val micros = Gen.choose(-60000000000000000L, 200000000000000000L)
  private val instant = micros.map(value => Instant.EPOCH.plus(value, ChronoUnit.MICROS))
  private val local = micros.map { value =>
    LocalDateTime.ofEpochSecond(0, 0, ZoneOffset.UTC).plus(value, ChronoUnit.MICROS)
  }

  private val scalars: Seq[(String, Gen[Any])] = Seq(
    "BIGINT" -> Arbitrary.arbLong.arbitrary,
    "INT" -> Arbitrary.arbInt.arbitrary,
    "SMALLINT" -> Arbitrary.arbShort.arbitrary,
    "TINYINT" -> Arbitrary.arbByte.arbitrary,
    "BOOLEAN" -> Arbitrary.arbBool.arbitrary,
    "DATE" -> day,
    "TIMESTAMP" -> instant,
    "TIMESTAMP_NTZ" -> local,
    "FLOAT" -> float,
    "DOUBLE" -> float.map(_.toDouble),
    "DECIMAL(9,2)" -> cents,
    "DECIMAL(28,2)" -> cents,
    "STRING" -> text,
    "BINARY" -> blob
  )

  /** A column of each type and of arrays of it, with what makes its values, some of them null. */
  val columns: Seq[(StructField, Gen[Any])] = scalars.zipWithIndex.flatMap {
    case ((ddlType, values), index) =>
      val lists = Gen.choose(0, 12).flatMap(count => Gen.containerOfN[Vector, Any](count, values))
      Seq(s"scalar$index $ddlType" -> values, s"array$index ARRAY<$ddlType>" -> lists)
        .map { case (ddl, each) =>
          StructType.fromDDL(ddl).head -> Gen.frequency(1 -> Gen.const(null: Any), 6 -> each)
        }
  }
}

/** Random rows of every type, written by Spark and read by protobuf and by Spark again. */
@FormatOnly
class RandomRowsSuite extends TFRecordSuite {
  import RandomRows.columns

  private val schema = StructType(columns.map(_._1))

  private lazy val rows: Vector[Row] = draw(
    1500,
    columns
      .foldLeft(Gen.const(Vector.empty[Any])) { case (soFar, (_, next)) =>
        soFar.flatMap(values => next.map(value => values :+ value))
      }
  ).map(values => Row.fromSeq(values))

  private def compare(found: Seq[Row]): Unit = {
    assert(found.size == rows.size)
    found.zip(rows).zipWithIndex.foreach { case ((one, other), index) =>
      assert(Shown.show(one: Any) == Shown.show(other: Any), s"in row $index")
    }
  }

  test("protobuf and Spark read the rows that Spark wrote", LocalOnlyTest) {
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame(schema, rows: _*), out)
      compare(readExamples(out).map(message => Shown.expected(message, schema)))
      compare(read(out, schema).collect().toVector)
      val files = dataFiles(out)
      assert(files.size == 1)
      // The same records in the same frames as tensorflow-hadoop makes them.
      assert(framed(readRecords(files.head)).length == files.head.length)
    }
  }

  test("rows that are equal have equal bytes: each is found among Spark's own, and once") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val own = frame(schema, rows.take(300) ++ rows.take(300): _*)
      write(own, out)
      val found = read(out, schema)
      assert(found.distinct().count() == 300)
      assert(found.exceptAll(own).isEmpty && own.exceptAll(found).isEmpty)
    }
  }

  test("compressed, in many files and with random partitions, no row is lost or changed") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val numbered = rows.zipWithIndex.map { case (row, i) =>
        Row.fromSeq(row.toSeq ++ Seq[Any](i, (i * 7919L) % 5))
      }
      val wide = schema.add("row", "int").add("part", "long")
      frame(wide, numbered: _*).repartition(3).write.format(source)
        .option("compression", "gzip").option("maxRecordsPerFile", 100)
        .partitionBy("part").save(out.getPath)
      val found: DataFrame = read(out, wide).orderBy("row")
      compare(found.select(schema.fieldNames.head, schema.fieldNames.tail.toSeq: _*)
        .collect().toVector)
      assertRows(
        found.select("row", "part"),
        rows.indices.map(i => Row(i, (i * 7919L) % 5)): _*
      )
    }
  }
}

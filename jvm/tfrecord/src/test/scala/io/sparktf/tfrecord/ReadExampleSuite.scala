package io.sparktf.tfrecord

import java.io.File
import java.math.BigDecimal
import java.nio.charset.StandardCharsets.UTF_8
import java.time.{Instant, LocalDate, LocalDateTime}

import org.apache.spark.sql.Row
import org.apache.spark.sql.types._
import org.tensorflow.example.{Example, Feature}

import Records._

/** Examples that protobuf wrote, as rows of every type and of schemas that fit them loosely. */
@LocalOnly
@FormatOnly
class ReadExampleSuite extends TFRecordSuite {

  /** Reads one file of one-feature Examples and shows what became of each. */
  private def readAs(ddlType: String, features: Feature*): Vector[String] =
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), features.map(f => example("it" -> f)): _*)
      read(folder, s"it $ddlType").collect().toVector.map(row => Shown.show(row.get(0)))
    }

  private def shows(values: Any*): Vector[String] = values.map(Shown.show(_: Any)).toVector

  test("integers of every width, and the ends of their ranges") {
    assert(readAs("BIGINT", int64s(Long.MinValue), int64s(-1), int64s(0), int64s(Long.MaxValue)) ==
      shows(Long.MinValue, -1L, 0L, Long.MaxValue))
    assert(readAs("INT", int64s(Int.MinValue), int64s(7), int64s(Int.MaxValue)) ==
      shows(Int.MinValue, 7, Int.MaxValue))
    assert(readAs("SMALLINT", int64s(-32768), int64s(7), int64s(32767)) ==
      shows((-32768).toShort, 7.toShort, 32767.toShort))
    assert(readAs("TINYINT", int64s(-128), int64s(7), int64s(127)) ==
      shows((-128).toByte, 7.toByte, 127.toByte))
    assert(readAs("BOOLEAN", int64s(0), int64s(1)) == shows(false, true))
    assert(readAs("ARRAY<INT>", int64s(Int.MinValue, 0, Int.MaxValue)) ==
      shows(Seq(Int.MinValue, 0, Int.MaxValue)))
    assert(readAs("ARRAY<SMALLINT>", int64s(-32768, 32767)) ==
      shows(Seq((-32768).toShort, 32767.toShort)))
    assert(readAs("ARRAY<TINYINT>", int64s(-128, 127, 0)) ==
      shows(Seq((-128).toByte, 127.toByte, 0.toByte)))
    assert(readAs("ARRAY<BOOLEAN>", int64s(0, 1, 1)) == shows(Seq(false, true, true)))
    assert(readAs("ARRAY<BIGINT>", int64s(1, -1), int64s(), int64s((1L to 1000L): _*)) ==
      shows(Seq(1L, -1L), Seq.empty, (1L to 1000L).toVector))
  }

  test("floats and doubles, NaN, infinities and negative zero among them") {
    val all = Seq(
      1.5f,
      -0f,
      Float.NaN,
      Float.PositiveInfinity,
      Float.NegativeInfinity,
      Float.MinPositiveValue,
      Float.MaxValue,
      0.1f
    )
    assert(readAs("FLOAT", all.map(value => floats(value)): _*) == shows(all: _*))
    assert(readAs("DOUBLE", all.map(value => floats(value)): _*) == shows(all.map(_.toDouble): _*))
    assert(readAs("ARRAY<FLOAT>", floats(all: _*), floats()) == shows(all, Seq.empty))
    assert(readAs("ARRAY<DOUBLE>", floats(all: _*)) == shows(all.map(_.toDouble)))
  }

  test("lists of every length, also where their lengths take one byte more") {
    // 128 bytes and 16,384 do, each of the list, the feature, and the map entry around them.
    val counts = (0 to 140) ++ (16370 to 16390)
    val texts = counts.map(n => "x" * n)
    assert(readAs("STRING", texts.map(t => strings(t)): _*) == shows(texts: _*))
    assert(readAs("ARRAY<STRING>", texts.map(t => strings(t)): _*) == shows(texts.map(Seq(_)): _*))
    val numbers = counts.map(n => Vector.tabulate(n)(i => (i % 100).toLong))
    assert(readAs("ARRAY<BIGINT>", numbers.map(n => int64s(n: _*)): _*) == shows(numbers: _*))
    val fractions = counts.map(n => Vector.tabulate(n)(i => i / 2f))
    assert(readAs("ARRAY<FLOAT>", fractions.map(n => floats(n: _*)): _*) == shows(fractions: _*))
  }

  test("decimals have their column's precision and scale") {
    def decimal(text: String): BigDecimal = new BigDecimal(text)
    assert(readAs("DECIMAL(4,2)", floats(12.5f), floats(-99.75f), floats(0f), floats(-0f)) ==
      shows(decimal("12.50"), decimal("-99.75"), decimal("0.00"), decimal("0.00")))
    assert(readAs("DECIMAL(18,0)", floats(16777216f)) == shows(decimal("16777216")))
    assert(readAs("DECIMAL(20,2)", floats(-8388607.5f)) == shows(decimal("-8388607.50")))
    assert(readAs("DECIMAL(38,18)", floats(0.5f), floats(1024.0625f)) ==
      shows(decimal("0.500000000000000000"), decimal("1024.062500000000000000")))
    assert(readAs("DECIMAL(38,0)", floats(65536f)) == shows(decimal("65536")))
    assert(readAs("ARRAY<DECIMAL(6,3)>", floats(1f, -2.125f), floats()) ==
      shows(Seq(decimal("1.000"), decimal("-2.125")), Seq.empty))
    // More digits than the column has places are rounded, half up, as everywhere in Spark.
    assert(readAs("DECIMAL(3,1)", floats(1.25f), floats(-1.25f), floats(1.0625f)) ==
      shows(decimal("1.3"), decimal("-1.3"), decimal("1.1")))
  }

  test("a decimal with room for all of a float's digits is that float") {
    val large = Seq(123456.79f, 1e20f, -3.4e30f)
    val small = Seq(0.1f, 1e-6f, -7.7777775e-3f)
    for ((ddlType, values) <- Seq("DECIMAL(38,2)" -> large, "DECIMAL(38,20)" -> small)) {
      withTempDir { folder =>
        val file = new File(folder, "data.tfrecord")
        writeExamples(file, values.map(value => example("it" -> floats(value))): _*)
        val found = read(folder, s"it $ddlType").collect().map(_.getDecimal(0).floatValue)
        assert(found.toSeq == values)
      }
    }
  }

  test("dates are days, timestamps microseconds, in no time zone") {
    assert(readAs("DATE", int64s(0), int64s(19000), int64s(-719162)) ==
      shows(LocalDate.of(1970, 1, 1), LocalDate.of(2022, 1, 8), LocalDate.of(1, 1, 1)))
    assert(readAs("TIMESTAMP", int64s(0), int64s(1600000000123456L), int64s(-1)) == shows(
      Instant.EPOCH,
      Instant.parse("2020-09-13T12:26:40.123456Z"),
      Instant.parse("1969-12-31T23:59:59.999999Z")
    ))
    assert(readAs("TIMESTAMP_NTZ", int64s(0), int64s(1600000000123456L)) == shows(
      LocalDateTime.parse("1970-01-01T00:00"),
      LocalDateTime.parse("2020-09-13T12:26:40.123456")
    ))
    assert(readAs("ARRAY<DATE>", int64s(0, 1)) ==
      shows(Seq(LocalDate.of(1970, 1, 1), LocalDate.of(1970, 1, 2))))
    assert(readAs("ARRAY<TIMESTAMP>", int64s(0)) == shows(Seq(Instant.EPOCH)))
    assert(readAs("ARRAY<TIMESTAMP_NTZ>", int64s(0)) ==
      shows(Seq(LocalDateTime.parse("1970-01-01T00:00"))))
  }

  test("strings and binaries, empty ones and long ones") {
    val words = Seq("", "x", "naïve 数学 😀", "y" * 100000)
    assert(readAs("STRING", words.map(word => strings(word)): _*) == shows(words: _*))
    assert(readAs("ARRAY<STRING>", strings(words: _*), strings()) == shows(words, Seq.empty))
    val blobs = words.map(_.getBytes(UTF_8)) :+ Array[Byte](0, -1, -128)
    assert(readAs("BINARY", blobs.map(blob => bytes(blob)): _*) == shows(blobs: _*))
    assert(readAs("ARRAY<BINARY>", bytes(blobs: _*)) == shows(blobs))
  }

  test("a string's bytes are those of the file even where they are not UTF-8") {
    val odd = Array[Byte](-1, 'a', -64, -128, 0)
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), example("it" -> bytes(odd)))
      assertRows(read(folder, "it STRING").selectExpr("CAST(it AS BINARY)"), Row(odd))
    }
  }

  private val everyType = Seq(
    "BIGINT",
    "INT",
    "SMALLINT",
    "TINYINT",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP_NTZ",
    "FLOAT",
    "DOUBLE",
    "DECIMAL(9,2)",
    "DECIMAL(30,2)",
    "STRING",
    "BINARY"
  )

  private def emptyList(ddlType: String): Feature =
    if (ddlType.matches("FLOAT|DOUBLE|DECIMAL.*")) floats()
    else if (ddlType.matches("STRING|BINARY")) bytes()
    else int64s()

  test("an absent feature, a feature without a kind and a scalar's empty list are null") {
    val schema = everyType.zipWithIndex.map { case (ddlType, i) => s"c$i $ddlType" }.mkString(", ")
    val nulls = Row.fromSeq(everyType.map(_ => null))
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        Example.getDefaultInstance,
        example("other" -> int64s(1)),
        example(everyType.indices.map(i => s"c$i" -> noKind): _*),
        example(everyType.zipWithIndex.map { case (t, i) => s"c$i" -> emptyList(t) }: _*)
      )
      assertRows(read(folder, schema), nulls, nulls, nulls, nulls)
    }
  }

  test("of arrays, absent and without a kind are null, and an empty list is an empty array") {
    val schema = everyType.zipWithIndex.map { case (t, i) => s"c$i ARRAY<$t>" }.mkString(", ")
    val nulls = Row.fromSeq(everyType.map(_ => null))
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        Example.getDefaultInstance,
        example(everyType.indices.map(i => s"c$i" -> noKind): _*),
        example(everyType.zipWithIndex.map { case (t, i) => s"c$i" -> emptyList(t) }: _*)
      )
      assertRows(read(folder, schema), nulls, nulls, Row.fromSeq(everyType.map(_ => Seq.empty)))
    }
  }

  test("a null leaves nothing of the row before it") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("n" -> int64s(1), "t" -> strings("first"), "l" -> int64s(1, 2)),
        example(),
        example("t" -> strings("third")),
        example("l" -> int64s(4), "n" -> int64s(4))
      )
      assertRows(
        read(folder, "n BIGINT, t STRING, l ARRAY<BIGINT>"),
        Row(1L, "first", Seq(1L, 2L)),
        Row(null, null, null),
        Row(null, "third", null),
        Row(4L, null, Seq(4L))
      )
    }
  }

  test("a schema may have more columns than the file, fewer, or others in between") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("a" -> int64s(1), "b" -> floats(2), "c" -> strings("3"))
      )
      assertRows(read(folder, "c STRING, b FLOAT, a BIGINT"), Row("3", 2f, 1L))
      assertRows(read(folder, "b FLOAT"), Row(2f))
      assertRows(
        read(folder, "x BIGINT, c STRING, y ARRAY<FLOAT>, a INT"),
        Row(null, "3", null, 1)
      )
      assertRows(read(folder, "x BIGINT"), Row(null: Any))
    }
  }

  test("a schema that says NOT NULL is read as Spark reads files, with nulls") {
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), example())
      val strict = StructType(Seq(
        StructField("n", LongType, nullable = false),
        StructField("l", ArrayType(LongType, containsNull = false), nullable = false)
      ))
      assertRows(read(folder, strict), Row(null, null))
    }
  }

  test("a column finds its feature in any case, unless spark.sql.caseSensitive is set") {
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), example("Label" -> int64s(2)))
      assertRows(read(folder, "label BIGINT"), Row(2L))
      assertRows(read(folder, "Label BIGINT").selectExpr("LABEL"), Row(2L))
      withConf("spark.sql.caseSensitive" -> "true") {
        assertRows(read(folder, "Label BIGINT, label BIGINT"), Row(2L, null))
      }
    }
  }

  test("of features that differ only in case the column's own spelling wins, a third is refused") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("label" -> int64s(1), "Label" -> int64s(2), "other" -> int64s(3))
      )
      assertRows(read(folder, "label BIGINT"), Row(1L))
      assertRows(read(folder, "Label BIGINT"), Row(2L))
      assertFails("data.tfrecord", "`label`", "`Label`", "caseSensitive") {
        read(folder, "LABEL BIGINT").collect()
      }
      assertRows(read(folder, "label BIGINT, other BIGINT").select("other"), Row(3L))
      withConf("spark.sql.caseSensitive" -> "true") {
        assertRows(read(folder, "Label BIGINT, label BIGINT"), Row(2L, 1L))
        assertRows(read(folder, "label BIGINT, LABEL BIGINT"), Row(1L, null))
      }
    }
  }

  test("partition columns come from the folders, even where the files have such a feature") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "day=1/data.tfrecord"),
        example("n" -> int64s(1), "day" -> int64s(77))
      )
      writeExamples(new File(folder, "day=2/data.tfrecord"), example("n" -> int64s(2)))
      assertSameRows(read(folder, "n BIGINT, day INT"), Row(1L, 1), Row(2L, 2))
      assertSameRows(read(folder, "n BIGINT").selectExpr("day", "n"), Row(1, 1L), Row(2, 2L))
      assertSameRows(read(folder, "n BIGINT, day INT").where("day = 2"), Row(2L, 2))
    }
  }

  test("the columns of a wide record, and more columns than one word of null bits has") {
    withTempDir { folder =>
      val names = (0 until 200).map(i => s"column$i")
      val records = (0 until 5).map { r =>
        example(names.zipWithIndex.filter { case (_, i) => i % (r + 1) == 0 }
          .map { case (name, i) => name -> int64s(r * 1000L + i) }: _*)
      }
      writeExamples(new File(folder, "data.tfrecord"), records: _*)
      val schema = StructType(names.map(name => StructField(name, LongType)))
      assertRows(
        read(folder, schema),
        records.map(record => Shown.expected(record, schema)): _*
      )
    }
  }
}

package io.sparktf.tfrecord

import java.io.File
import java.math.BigDecimal
import java.time.{Instant, LocalDate, LocalDateTime}

import org.apache.spark.sql.{DataFrame, Row}
import org.tensorflow.example.{Example, Feature}

import Records._

/** What Spark writes, as protobuf and tensorflow-hadoop read it. */
@LocalOnly
@FormatOnly
class WriteExampleSuite extends TFRecordSuite {

  private def written(rows: DataFrame): Vector[Example] = withTempDir { folder =>
    val out = new File(folder, "out")
    write(rows, out)
    // Whether a message without features has an empty Features or none makes no difference.
    readExamples(out).map(found => Example.newBuilder().setFeatures(found.getFeatures).build())
  }

  /** The feature of each row's one column. */
  private def features(ddlType: String, values: Any*): Vector[Feature] =
    written(frame(s"it $ddlType", values.map(value => Row(value)): _*)).map { message =>
      assert(message.getFeatures.getFeatureCount == 1, message)
      message.getFeatures.getFeatureOrThrow("it")
    }

  test("integers of every width become int64_list") {
    assert(features("BIGINT", Long.MinValue, -1L, 0L, Long.MaxValue) ==
      Vector(int64s(Long.MinValue), int64s(-1), int64s(0), int64s(Long.MaxValue)))
    assert(features("INT", Int.MinValue, Int.MaxValue) ==
      Vector(int64s(Int.MinValue), int64s(Int.MaxValue)))
    assert(features("SMALLINT", (-32768).toShort, 5.toShort) == Vector(int64s(-32768), int64s(5)))
    assert(features("TINYINT", (-128).toByte, 5.toByte) == Vector(int64s(-128), int64s(5)))
    assert(features("BOOLEAN", true, false) == Vector(int64s(1), int64s(0)))
    assert(features("ARRAY<BIGINT>", Seq(1L, -1L, 1L << 40), Seq.empty, (1L to 500L).toVector) ==
      Vector(int64s(1, -1, 1L << 40), int64s(), int64s((1L to 500L): _*)))
    assert(features("ARRAY<INT>", Seq(-7, 300)) == Vector(int64s(-7, 300)))
    assert(features("ARRAY<SMALLINT>", Seq[Short](-7, 300)) == Vector(int64s(-7, 300)))
    assert(features("ARRAY<TINYINT>", Seq[Byte](-7, 3)) == Vector(int64s(-7, 3)))
    assert(features("ARRAY<BOOLEAN>", Seq(true, false, true)) == Vector(int64s(1, 0, 1)))
  }

  test("dates become days and timestamps microseconds since the epoch") {
    val noon = Instant.parse("1969-12-31T12:00:00.000001Z")
    val local = LocalDateTime.parse("2020-09-13T12:26:40.123456")
    assert(features("DATE", LocalDate.of(1970, 1, 2), LocalDate.of(1, 1, 1)) ==
      Vector(int64s(1), int64s(-719162)))
    assert(features("TIMESTAMP", noon, Instant.EPOCH) == Vector(int64s(-43199999999L), int64s(0)))
    assert(features("TIMESTAMP_NTZ", local) == Vector(int64s(1600000000123456L)))
    assert(features("ARRAY<DATE>", Seq(LocalDate.of(1970, 1, 2))) == Vector(int64s(1)))
    assert(features("ARRAY<TIMESTAMP>", Seq(Instant.EPOCH, noon)) ==
      Vector(int64s(0, -43199999999L)))
    assert(features("ARRAY<TIMESTAMP_NTZ>", Seq(local)) == Vector(int64s(1600000000123456L)))
  }

  test("floats, doubles and decimals become the nearest 32-bit floats") {
    val all = Seq(1.5f, -0f, Float.MinPositiveValue, Float.MaxValue, -Float.MaxValue, 0.1f)
    assert(features("FLOAT", all: _*) == all.map(value => floats(value)))
    assert(features("DOUBLE", 0.1, -0.0, 1e-60, 3.4028234663852886e38, 16777217.0) ==
      Vector(floats(0.1f), floats(-0f), floats(0f), floats(Float.MaxValue), floats(16777216f)))
    assert(features("ARRAY<FLOAT>", all, Seq.empty) == Vector(floats(all: _*), floats()))
    assert(features("ARRAY<DOUBLE>", Seq(0.5, 0.1)) == Vector(floats(0.5f, 0.1f)))
    val decimals = Seq("12.50", "-99.75", "0.00", "0.10").map(text => new BigDecimal(text))
    assert(features("DECIMAL(5,2)", decimals: _*) ==
      decimals.map(value => floats(value.floatValue)))
    val wide = new BigDecimal("-12345678901234567890123456.789")
    assert(features("DECIMAL(38,3)", wide) == Vector(floats(wide.floatValue)))
    assert(features("ARRAY<DECIMAL(38,3)>", Seq(wide, wide.negate)) ==
      Vector(floats(wide.floatValue, -wide.floatValue)))
  }

  test("NaN and the infinities pass through") {
    val bits = Seq(Float.NaN, Float.PositiveInfinity, Float.NegativeInfinity)
    def found(feature: Feature): Seq[String] = {
      val list = feature.getFloatList
      (0 until list.getValueCount).map(i => list.getValue(i).toString)
    }
    assert(found(features("ARRAY<FLOAT>", bits).head) == bits.map(_.toString))
    assert(found(features("ARRAY<DOUBLE>", bits.map(_.toDouble)).head) == bits.map(_.toString))
    assert(features("FLOAT", bits: _*).flatMap(found) == bits.map(_.toString))
    assert(features("DOUBLE", bits.map(_.toDouble): _*).flatMap(found) == bits.map(_.toString))
  }

  for (
    (ddlType, value) <- Seq(
      "DOUBLE" -> 1e39,
      "DOUBLE" -> -Double.MaxValue,
      "DOUBLE" -> 3.4028235677973366e38,
      "ARRAY<DOUBLE>" -> Seq(1.0, 1e39)
    )
  ) {
    test(s"$value in a column of type $ddlType is an error, not Infinity") {
      withTempDir { folder =>
        assertFails("weight")(write(frame(s"weight $ddlType", Row(value)), new File(folder, "out")))
      }
    }
  }

  test("strings and binaries become bytes_list") {
    val words = Seq("", "x", "naïve 数学 😀", "y" * 100000)
    assert(features("STRING", words: _*) == words.map(word => strings(word)))
    assert(features("ARRAY<STRING>", words, Seq.empty) == Vector(strings(words: _*), strings()))
    val blob = Array[Byte](0, -1, -128, 65)
    val none = Array.empty[Byte]
    assert(features("BINARY", blob, none) == Vector(bytes(blob), bytes(none)))
    assert(features("ARRAY<BINARY>", Seq(blob, blob)) == Vector(bytes(blob, blob)))
  }

  test("a string that is not UTF-8 keeps its bytes") {
    val odd = Array[Byte](-1, 'a', -64, -128, 0)
    val rows = frame("it BINARY", Row(odd)).selectExpr("CAST(it AS STRING) AS it")
    assert(written(rows) == Vector(example("it" -> bytes(odd))))
  }

  test("a null is an absent feature, an empty array an empty list") {
    val schema = "n BIGINT, d DOUBLE, s STRING, l ARRAY<BIGINT>, f ARRAY<FLOAT>, b ARRAY<BINARY>"
    val found = written(frame(
      schema,
      Row(null, null, null, null, null, null),
      Row(null, null, null, Seq.empty, Seq.empty, Seq.empty),
      Row(1L, null, "", Seq(1L), null, Seq.empty)
    ))
    assert(found == Vector(
      example(),
      example("l" -> int64s(), "f" -> floats(), "b" -> bytes()),
      example("n" -> int64s(1), "s" -> strings(""), "l" -> int64s(1), "b" -> bytes())
    ))
  }

  for (
    (ddlType, values) <- Seq[(String, Seq[Any])](
      "BIGINT" -> Seq(1L, null),
      "BOOLEAN" -> Seq(null),
      "FLOAT" -> Seq(null, 1f),
      "DOUBLE" -> Seq(1.0, null, 2.0),
      "DATE" -> Seq(null),
      "STRING" -> Seq("a", null),
      "BINARY" -> Seq(null),
      "DECIMAL(9,2)" -> Seq(null),
      "DECIMAL(30,2)" -> Seq(null)
    )
  ) {
    test(s"a null element of an array of $ddlType is an error that names the column") {
      withTempDir { folder =>
        val rows = frame(s"n BIGINT, weights ARRAY<$ddlType>", Row(1L, values))
        assertFails("weights", "null")(write(rows, new File(folder, "out")))
      }
    }
  }

  test("names of any length and any letters, and columns without a row") {
    val names = Seq("a", "naïve 数学 😀", "with.dot", "with space", "`", "n" * 70000)
    val schema = names.map(name => s"`${name.replace("`", "``")}` BIGINT").mkString(", ")
    val values = names.indices.map(_.toLong)
    assert(written(frame(schema, Row.fromSeq(values), Row.fromSeq(names.map(_ => null)))) == Vector(
      example(names.zip(values.map(value => int64s(value))): _*),
      example()
    ))
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame(schema), out)
      assert(readExamples(out) == Vector.empty)
      assert(read(out, "a BIGINT").count() == 0)
    }
  }

  test("a row without a column is an empty record") {
    assert(written(spark.range(3).selectExpr("NULL", "id").selectExpr("CAST(NULL AS INT) AS x")) ==
      Vector(example(), example(), example()))
  }

  test("a record of many megabytes between small ones") {
    val large = Array.tabulate[Byte](20 * 1000 * 1000)(i => (i * 31).toByte)
    val found = written(frame(
      "it BINARY, l ARRAY<BIGINT>",
      Row(Array[Byte](1), Seq(1L)),
      Row(large, Seq(2L)),
      Row(Array[Byte](3), Seq(3L))
    ))
    assert(found.map(_.getFeatures.getFeatureOrThrow("l")) ==
      Vector(int64s(1), int64s(2), int64s(3)))
    assert(found.map(_.getFeatures.getFeatureOrThrow("it")) ==
      Vector(bytes(Array[Byte](1)), bytes(large), bytes(Array[Byte](3))))
  }
}

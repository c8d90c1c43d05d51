package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row

import Records._

/** Values that their column cannot hold: an error each, and never a narrowed value. */
@LocalOnly
@FormatOnly
class MisfitSuite extends TFRecordSuite {

  Seq(
    "INT" -> 2147483648L,
    "INT" -> -2147483649L,
    "SMALLINT" -> 32768L,
    "TINYINT" -> -129L,
    "BOOLEAN" -> 2L,
    "BOOLEAN" -> -1L,
    "DATE" -> 2147483648L,
    "INT" -> (1L << 32)
  ).foreach { case (ddlType, value) =>
    test(s"$value does not fit $ddlType: an error, in a scalar and in an array") {
      for (column <- Seq(s"clicks $ddlType", s"clicks ARRAY<$ddlType>")) withTempDir { folder =>
        val good = example("clicks" -> int64s(1))
        writeExamples(new File(folder, "data.tfrecord"), good, example("clicks" -> int64s(value)))
        val offset = good.getSerializedSize + 16
        assertFails("data.tfrecord", offset, "clicks", value)(read(folder, column).collect())
      }
    }
  }

  test("a float that its decimal column cannot hold is an error") {
    for (value <- Seq(1000f, Float.NaN, Float.PositiveInfinity, Float.MaxValue)) {
      for (column <- Seq("price DECIMAL(5,2)", "price ARRAY<DECIMAL(5,2)>")) withTempDir { folder =>
        writeExamples(new File(folder, "data.tfrecord"), example("price" -> floats(value)))
        assertFails("data.tfrecord", "price", "decimal(5,2)")(read(folder, column).collect())
      }
    }
  }

  test("a scalar column that meets several values is an error") {
    for (
      (ddlType, feature) <- Seq(
        "BIGINT" -> int64s(1, 2, 3),
        "BOOLEAN" -> int64s(0, 1, 0),
        "DOUBLE" -> floats(1, 2, 3),
        "STRING" -> strings("a", "b", "c"),
        "BINARY" -> strings("a", "b", "c")
      )
    ) {
      withTempDir { folder =>
        val good = example("other" -> int64s(1))
        writeExamples(new File(folder, "data.tfrecord"), good, example("weight" -> feature))
        assertFails("data.tfrecord", good.getSerializedSize + 16, "weight", "one value") {
          read(folder, s"weight $ddlType").collect()
        }
      }
    }
  }

  for (
    (ddlType, exact, inexact) <- Seq(
      ("DOUBLE", Seq(0L, -1L, 1L << 53, (1L << 53) + 2, Long.MinValue), (1L << 53) + 1),
      ("DOUBLE", Seq(1L << 62), Long.MaxValue),
      ("DOUBLE", Seq(-(1L << 53)), -(1L << 53) - 1),
      ("FLOAT", Seq(0L, -1L, 1L << 24, (1L << 24) + 2, Long.MinValue), (1L << 24) + 1),
      ("FLOAT", Seq(1L << 62), Long.MaxValue)
    )
  ) {
    test(s"whole numbers are read as $ddlType as far as it holds them: not $inexact") {
      withTempDir { folder =>
        val data = new File(folder, "data.tfrecord")
        def real(value: Long): Any = if (ddlType == "FLOAT") value.toFloat else value.toDouble
        val records = exact.map(v => example("x" -> int64s(v), "l" -> int64s(v, 1L)))
        writeExamples(data, records :+ example("x" -> int64s(), "l" -> int64s()): _*)
        assertRows(
          read(folder, s"x $ddlType, l ARRAY<$ddlType>"),
          exact.map(v => Row(real(v), Seq(real(v), real(1L)))) :+ Row(null, Seq()): _*
        )
        writeExamples(data, example("x" -> int64s(inexact), "l" -> int64s(1L, inexact)))
        for (column <- Seq("x " + ddlType, s"l ARRAY<$ddlType>")) {
          assertFails("data.tfrecord", s"`${column.head}`", ddlType, inexact, "bigint") {
            read(folder, column).collect()
          }
        }
        // Several values are no scalar here either, and a decimal takes no whole numbers.
        assertFails("`l`", "one value", 2)(read(folder, s"l $ddlType").collect())
        assertFails("`x`", "float_list", "int64_list")(read(folder, "x DECIMAL(20,0)").collect())
      }
    }
  }

  test("whole numbers in the steps of a feature list") {
    withTempDir { folder =>
      val data = new File(folder, "data.tfrecord")
      writeSequences(data, sequence()("x" -> Seq(int64s(1L), int64s(1L << 30))))
      assertRows(read(data, "x ARRAY<DOUBLE>"), Row(Seq(1.0, (1L << 30).toDouble)))
      writeSequences(data, sequence()("x" -> Seq(int64s(1L), floats(0.5f))))
      assertRows(read(data, "x ARRAY<ARRAY<DOUBLE>>"), Row(Seq(Seq(1.0), Seq(0.5))))
      assertFails("`x`", "int64_list", "float_list", "array of arrays") {
        read(data, "x ARRAY<DOUBLE>").collect()
      }
    }
  }

  test("a feature of another kind than its column is an error that names both") {
    val kinds = Seq("int64" -> int64s(1), "float" -> floats(1), "bytes" -> strings("a"))
    val columns = Seq("int64" -> "BIGINT", "float" -> "FLOAT", "bytes" -> "STRING")
    for (
      (wanted, ddlType) <- columns; (found, feature) <- kinds
      if wanted != found && (wanted != "float" || found != "int64")
    ) {
      for (column <- Seq(s"clicks $ddlType", s"clicks ARRAY<$ddlType>")) withTempDir { folder =>
        val good = example("other" -> strings("x"))
        writeExamples(new File(folder, "data.tfrecord"), good, example("clicks" -> feature))
        assertFails("data.tfrecord", good.getSerializedSize + 16, "clicks", wanted, found) {
          read(folder, column).collect()
        }
      }
    }
  }
}

package io.sparktf.tfrecord

import java.io.File

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

  test("a feature of another kind than its column is an error that names both") {
    val kinds = Seq("int64" -> int64s(1), "float" -> floats(1), "bytes" -> strings("a"))
    val columns = Seq("int64" -> "BIGINT", "float" -> "FLOAT", "bytes" -> "STRING")
    for ((wanted, ddlType) <- columns; (found, feature) <- kinds if wanted != found) {
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

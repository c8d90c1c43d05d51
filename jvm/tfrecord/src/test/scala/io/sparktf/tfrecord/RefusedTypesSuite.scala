package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row

import Records._

/** A column that has no place in an Example is refused when the query is planned. */
@LocalOnly
class RefusedTypesSuite extends TFRecordSuite {

  private val refused = Seq(
    "STRUCT<a: INT>" -> "struct",
    "MAP<STRING, INT>" -> "map",
    "ARRAY<STRUCT<a: INT>>" -> "struct",
    "ARRAY<MAP<STRING, INT>>" -> "map",
    "ARRAY<ARRAY<ARRAY<BIGINT>>>" -> "array",
    "INTERVAL DAY TO SECOND" -> "interval",
    "INTERVAL YEAR TO MONTH" -> "interval"
  )

  refused.foreach { case (ddlType, word) =>
    test(s"$ddlType is refused for reading, before a file is read") {
      withTempDir { folder =>
        // A file without a record: nothing but the plan could complain.
        writeFile(new File(folder, "data.tfrecord"), Array.empty[Byte])
        assertFails("extras", word)(read(folder, s"n BIGINT, extras $ddlType").collect())
      }
    }

    test(s"$ddlType is refused for writing, before the folder is made") {
      withTempDir { folder =>
        val out = new File(folder, "out")
        assertFails("extras", word)(write(frame(s"n BIGINT, extras $ddlType"), out))
        assertFails("extras", word) {
          write(frame(s"n BIGINT, extras $ddlType", Row(1L, null)), out)
        }
        assert(!Store.exists(out))
      }
    }
  }

  test("an array of arrays is refused with the advice to flatten it or use SequenceExample") {
    withTempDir { folder =>
      writeFile(new File(folder, "data.tfrecord"), Array.empty[Byte])
      assertFails("matrix", "flatten", "SequenceExample") {
        val schema = "n BIGINT, matrix ARRAY<ARRAY<FLOAT>>"
        read(folder, schema, "recordType" -> "Example").collect()
      }
      val out = new File(folder, "out")
      assertFails("matrix", "flatten", "SequenceExample") {
        write(frame("n BIGINT, matrix ARRAY<ARRAY<FLOAT>>"), out)
      }
      assert(!Store.exists(out))
    }
  }

  test("a column of type void is refused") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      assertFails("nothing", "void")(write(spark.range(3).selectExpr("id", "NULL AS nothing"), out))
      assert(!Store.exists(out))
    }
  }

  test("a column that is refused may stay out of the query") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val rows = frame("n BIGINT, extras MAP<STRING, INT>", Row(1L, null))
      write(rows.drop("extras"), out)
      assertRows(read(out, "n BIGINT"), Row(1L))
    }
  }
}

package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.{DataFrame, Row}

import Records._

/** Files that are written again between their listing and their reading. */
class ChangedFilesSuite extends TFRecordSuite {

  private val schema = "n BIGINT, b BINARY"
  private val messages = (0 until 20).map(i =>
    example("n" -> int64s(i.toLong), "b" -> bytes(new Array[Byte](9000)))
  )
  private val records = messages.map(_.toByteArray)
  private val plain = framed(records)
  private val frame = plain.length / 20

  private val modes = Seq("FAILFAST", "DROPMALFORMED", "PERMISSIVE")

  /** The rows of a file with the first bytes, once it has the second ones. */
  private def afterwards(
      listed: Array[Byte],
      present: Array[Byte],
      name: String = "data.tfrecord",
      options: Seq[(String, String)] = Nil
  )(check: DataFrame => Any): Unit = withTempDir { folder =>
    val file = new File(folder, name)
    writeFile(file, listed)
    val rows = read(folder, schema, options: _*)
    writeFile(file, present)
    check(rows)
  }

  private def assertChanged(rows: DataFrame): Unit = {
    assertFails("data.tfrecord", "listed")(rows.select("n").collect())
    assertFails("data.tfrecord", "listed")(rows.collect())
    assertFails("data.tfrecord", "listed")(rows.count())
  }

  for (mode <- modes) {
    test(s"$mode: a file that was cut is an error in rows and in counts, wherever the cut is") {
      val cuts = Seq(plain.length - 1, plain.length - 5000, 10 * frame, 10 * frame + 5, 3, 0)
      for (cut <- cuts; ignore <- Seq("false", "true")) withClue(s"cut at $cut: ") {
        val options = Seq("mode" -> mode, "ignoreCorruptFiles" -> ignore)
        afterwards(plain, plain.take(cut), options = options)(assertChanged)
      }
    }

    test(s"$mode: of a file that has grown, rows and counts are of what was listed") {
      for (more <- Seq(plain, Array[Byte](1, 2, 3))) {
        afterwards(plain, plain ++ more, options = Seq("mode" -> mode)) { rows =>
          assertRows(rows.select("n"), (0 until 20).map(i => Row(i.toLong)): _*)
          assert(rows.count() == 20)
        }
      }
    }
  }

  test("in splits, of one file they all see the same") {
    inSplits(25000) {
      for (cut <- Seq(plain.length - 1, plain.length - 5000, 10 * frame)) {
        afterwards(plain, plain.take(cut)) { rows =>
          assert(rows.rdd.getNumPartitions > 5)
          assertChanged(rows)
        }
      }
      afterwards(plain, plain ++ plain) { rows =>
        assertRows(rows.select("n"), (0 until 20).map(i => Row(i.toLong)): _*)
        assert(rows.count() == 20)
      }
    }
  }

  for (
    (form, ending) <- Seq[(Array[Byte] => Array[Byte], String)](gzip _ -> "gz", zlib _ -> "deflate")
  ) {
    test(s"a .$ending file that was cut or has grown") {
      val packed = form(plain)
      val name = s"data.tfrecord.$ending"
      for (cut <- Seq(packed.length - 1, packed.length / 2, 0); mode <- modes) {
        afterwards(packed, packed.take(cut), name, Seq("mode" -> mode))(assertChanged)
      }
      afterwards(packed, packed ++ packed, name) { rows =>
        assertRows(rows.select("n"), (0 until 20).map(i => Row(i.toLong)): _*)
        assert(rows.count() == 20)
      }
    }
  }
}

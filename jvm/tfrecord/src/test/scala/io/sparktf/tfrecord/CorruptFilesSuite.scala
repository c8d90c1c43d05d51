package io.sparktf.tfrecord

import java.io.File
import java.lang.management.ManagementFactory

import org.apache.spark.sql.Row
import org.apache.spark.sql.functions.{col, count, lit}
import org.tensorflow.example.Example

import Records._

/** Damaged files end in an error with the file and the offset: never in fewer or other rows. */
@FormatOnly
class CorruptFilesSuite extends TFRecordSuite {

  private val schema = "n BIGINT, s STRING"
  private val messages =
    Vector(("a", 1L), ("bc", 2L), ("", 3L)).map { case (s, n) =>
      example("n" -> int64s(n), "s" -> strings(s))
    }
  private val rows = Vector(Row(1L, "a"), Row(2L, "bc"), Row(3L, ""))
  private val whole: Array[Byte] = framed(messages.map(_.toByteArray))
  private val starts: Vector[Int] = messages.map(_.getSerializedSize + 16).scanLeft(0)(_ + _)

  private def flipped(bytes: Array[Byte], offset: Int, mask: Int): Array[Byte] =
    bytes.updated(offset, (bytes(offset) ^ mask).toByte)

  /** The start of the record that holds the byte at `offset`. */
  private def recordAt(offset: Int): Int = starts.filter(_ <= offset).max

  /** Reads all files at once, skipping the rest of each from its damage on. */
  private def rowsBeforeDamage(files: Seq[Array[Byte]]): Map[String, Vector[String]] =
    withTempDir { folder =>
      files.zipWithIndex.foreach { case (bytes, i) =>
        writeFile(new File(folder, s"$i.tfrecord"), bytes)
      }
      read(folder, schema, "ignoreCorruptFiles" -> "true")
        .select(col("_metadata.file_name"), col("n"), col("s")).collect().toVector
        .groupBy(_.getString(0))
        .map { case (file, found) =>
          file -> found.map(row => Shown.show(Row(row.get(1), row.get(2)): Any))
        }
    }

  private def assertOnlyWholeRecordsBefore(damages: Seq[(Int, Array[Byte])]): Unit = {
    val found = rowsBeforeDamage(damages.map(_._2))
    damages.zipWithIndex.foreach { case ((offset, _), i) =>
      val before = Shown.show(rows.take(starts.indexOf(recordAt(offset))))
      assert(found.getOrElse(s"$i.tfrecord", Vector.empty) == before, s"damage at $offset")
    }
  }

  test(
    "every flipped bit is noticed, and the rows before it are as they were",
    LocalOnlyTest,
    FormatOnlyTest
  ) {
    assertOnlyWholeRecordsBefore(
      for (offset <- whole.indices; bit <- 0 until 8)
        yield offset -> flipped(whole, offset, 1 << bit)
    )
  }

  test("every cut is noticed, in reading and in counting", LocalOnlyTest, FormatOnlyTest) {
    val cuts = whole.indices.filterNot(cut => starts.contains(cut))
    assertOnlyWholeRecordsBefore(cuts.map(cut => cut -> whole.take(cut)))
    withTempDir { folder =>
      for (
        cut <- Seq(
          1,
          11,
          12,
          15,
          starts(1) - 1,
          starts(1) + 3,
          whole.length - 4,
          whole.length - 1
        )
      ) {
        val file = new File(folder, s"cut$cut/data.tfrecord")
        writeFile(file, whole.take(cut))
        assertFails("data.tfrecord", recordAt(cut))(read(file, schema).collect())
        assertFails("data.tfrecord", recordAt(cut))(read(file, schema).count())
      }
    }
  }

  test("every inserted byte and every lost byte is noticed", LocalOnlyTest, FormatOnlyTest) {
    for (byte <- Seq(0, 1, 0xff)) {
      assertOnlyWholeRecordsBefore(whole.indices.map { offset =>
        // A byte equal to its neighbours moves the damage to where they end.
        val changed = (whole.take(offset) :+ byte.toByte) ++ whole.drop(offset)
        whole.indices.find(i => whole(i) != changed(i)).getOrElse(whole.length) -> changed
      })
    }
    assertOnlyWholeRecordsBefore(whole.indices.map { offset =>
      val changed = whole.take(offset) ++ whole.drop(offset + 1)
      changed.indices.find(i => whole(i) != changed(i)).getOrElse(changed.length) -> changed
    })
  }

  test("the error names the file and where the damaged record begins") {
    withTempDir { folder =>
      val middle = starts(1)
      // The length, its checksum, the message, the message's checksum.
      for (
        offset <- Seq(
          0,
          7,
          8,
          11,
          middle,
          middle + 9,
          middle + 12,
          starts(2) - 5,
          starts(2) - 1
        )
      ) {
        val file = new File(folder, s"at$offset/data.tfrecord")
        writeFile(file, flipped(whole, offset, 0x10))
        assertFails("data.tfrecord", recordAt(offset))(read(file, schema).collect())
        assertFails("data.tfrecord")(read(file, "other FLOAT").collect())
        if (offset - recordAt(offset) < 12) {
          assertFails("data.tfrecord", recordAt(offset))(read(file, schema).count())
        }
      }
    }
  }

  test("bytes after the last record and files that are something else are errors") {
    val ends = Seq(
      Array[Byte](0),
      Array.fill[Byte](12)(0),
      Array.fill[Byte](5000)(0),
      "\n".getBytes,
      Array.tabulate[Byte](300)(_.toByte)
    )
    for (end <- ends) withTempDir { folder =>
      val file = writeFile(new File(folder, "data.tfrecord"), whole ++ end)
      assertFails("data.tfrecord", whole.length)(read(file, schema).collect())
      assertFails("data.tfrecord", whole.length)(read(file, schema).count())
    }
    for (text <- Seq("x", "id,name\n1,one\n2,two\n", "PAR1", "{\"a\": 1}\n" * 1000)) {
      withTempDir { folder =>
        val file = writeFile(new File(folder, "data.tfrecord"), text.getBytes)
        // It may be no damage, but a file that lies beside those of records.
        assertFails("data.tfrecord", 0, "pathGlobFilter")(read(file, schema).collect())
        assertFails("data.tfrecord", 0, "pathGlobFilter")(read(file, schema).count())
        assertFails("data.tfrecord", "pathGlobFilter")(infer(file))
      }
    }
  }

  test("a file without a byte has no records") {
    withTempDir { folder =>
      writeFile(new File(folder, "empty.tfrecord"), Array.empty[Byte])
      assertRows(read(folder, schema))
      assert(read(folder, schema).count() == 0)
      writeFile(new File(folder, "full.tfrecord"), whole)
      assertRows(infer(folder), rows: _*)
    }
  }

  private def allocated(): Long = {
    val threads = ManagementFactory.getThreadMXBean
      .asInstanceOf[com.sun.management.ThreadMXBean]
    threads.getThreadAllocatedBytes(threads.getAllThreadIds).filter(_ > 0).sum
  }

  private val absurd = Seq(512L << 20, Int.MaxValue.toLong, 1L << 32, 1L << 62, -1L)

  for (
    (form, wrap) <- Seq[(String, Array[Byte] => Array[Byte])](
      "plain" -> identity,
      "gzip" -> gzip,
      "zlib" -> zlib
    )
  ) {
    test(
      s"a $form file with an absurd length, its checksum right, fails without the memory",
      LocalOnlyTest
    ) {
      for (length <- absurd; options <- Seq(Nil, Seq("verifyChecksum" -> "false"))) {
        withTempDir { folder =>
          val bytes = wrap(whole ++ header(length) ++ Array.fill[Byte](100)(7))
          val file = writeFile(new File(folder, "data.tfrecord"), bytes)
          val before = allocated()
          assertFails("data.tfrecord", whole.length)(read(file, schema, options: _*).collect())
          assertFails("data.tfrecord", whole.length)(read(file, schema, options: _*).count())
          assertFails("data.tfrecord")(infer(file, options: _*))
          assert(allocated() - before < (300L << 20), s"for a length of $length")
        }
      }
    }
  }

  test("verifyChecksum=false lets changed bytes pass, and notices a cut all the same") {
    withTempDir { folder =>
      val off = "verifyChecksum" -> "false"
      // The text "bc" is where the second message has it, the checksum in the last four bytes.
      val text = new String(whole, "ISO-8859-1").indexOf("bc")
      val changed = writeFile(new File(folder, "a/data.tfrecord"), flipped(whole, text, 1))
      assertFails("data.tfrecord", starts(1))(read(changed, schema).collect())
      assertRows(read(changed, schema, off), rows.updated(1, Row(2L, "cc")): _*)
      val checksum = flipped(whole, whole.length - 1, 0xff)
      val file = writeFile(new File(folder, "b/data.tfrecord"), checksum)
      assertFails("data.tfrecord", starts(2))(read(file, schema).collect())
      assertRows(read(file, schema, off), rows: _*)
      for (cut <- Seq(5, 14, starts(1) + 13, whole.length - 1)) {
        val short = writeFile(new File(folder, s"cut$cut/data.tfrecord"), whole.take(cut))
        assertFails("data.tfrecord", recordAt(cut))(read(short, schema, off).collect())
        assertFails("data.tfrecord", recordAt(cut))(read(short, schema, off).count())
      }
    }
  }

  test("one damaged file among whole ones") {
    withTempDir { folder =>
      (1 to 5).foreach(i => writeFile(new File(folder, s"whole$i.tfrecord"), whole))
      writeFile(new File(folder, "damaged.tfrecord"), flipped(whole, starts(2) + 12, 1))
      assertFails("damaged.tfrecord", starts(2))(read(folder, schema).collect())
      val rest = read(folder, schema, "ignoreCorruptFiles" -> "true")
      assertRows(
        rest.groupBy("n").agg(count(lit(1))).orderBy("n"),
        Row(1L, 6L),
        Row(2L, 6L),
        Row(3L, 5L)
      )
      withConf("spark.sql.files.ignoreCorruptFiles" -> "true") {
        assert(read(folder, schema).collect().length == 17)
      }
    }
  }

  test("a file that is gone is an error, or skipped with ignoreMissingFiles") {
    withTempDir { folder =>
      (1 to 3).foreach(i => writeFile(new File(folder, s"$i.tfrecord"), whole))
      val strict = read(folder, schema)
      val lenient = read(folder, schema, "ignoreMissingFiles" -> "true")
      Store.delete(new File(folder, "2.tfrecord"))
      assertFails("2.tfrecord")(strict.collect())
      assert(lenient.collect().length == 6)
    }
  }

  test("a message that protobuf would not read, in a whole frame") {
    val broken = messages(1).toByteArray.dropRight(1)
    intercept[com.google.protobuf.InvalidProtocolBufferException](Example.parseFrom(broken))
    withTempDir { folder =>
      val file = writeFile(
        new File(folder, "data.tfrecord"),
        framed(Seq(messages(0).toByteArray, broken))
      )
      assertFails("data.tfrecord", starts(1))(read(file, schema).collect())
      assertFails("data.tfrecord", starts(1))(read(file, "other FLOAT").collect())
      // The file is whole: its rest is not to be dropped because a record does not fit a column.
      val ignore = "ignoreCorruptFiles" -> "true"
      assertFails("data.tfrecord", starts(1))(read(file, schema, ignore).collect())
      assertFails("data.tfrecord", 0)(read(file, "s BIGINT", ignore).collect())
    }
  }
}

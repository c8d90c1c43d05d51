package io.sparktf.tfrecord

import java.io.File
import java.nio.file.Files

import org.apache.spark.sql.{DataFrame, Row}

import Records._

/** What records that cannot be decoded do in each mode. */
class ModesSuite extends TFRecordSuite {

  private val permissive = "mode" -> "PERMISSIVE"
  private val dropping = "mode" -> "DROPMALFORMED"
  private val schema = "n BIGINT, s STRING"
  private val withCorrupt = schema + ", _corrupt_record BINARY"

  private val good =
    Vector(1L, 2L, 3L).map(n => message("n" -> int64s(n), "s" -> strings("s" * n.toInt)))
  private val goodRows = Vector(Row(1L, "s"), Row(2L, "ss"), Row(3L, "sss"))
  private val noMessage = Array[Byte](0x0a, 0x7f, 1)
  private val otherKind = message("n" -> floats(1f), "s" -> strings("other kind"))

  private def message(features: (String, org.tensorflow.example.Feature)*): Array[Byte] =
    example(features: _*).toByteArray

  private def file(folder: File, records: Array[Byte]*): File =
    writeFile(new File(folder, "data.tfrecord"), framed(records))

  private def corrupt(bytes: Array[Byte]): Row = Row(null, null, bytes)

  private def whole(row: Row): Row = Row(row(0), row(1), null)

  test("FAILFAST, the default, ends the query at the first malformed record") {
    withTempDir { folder =>
      val data = file(folder, good(0), noMessage, good(1))
      val offset = good(0).length + 16
      for (options <- Seq(Nil, Seq("mode" -> "failfast"))) {
        assertFails("data.tfrecord", offset)(read(data, schema, options: _*).collect())
        assertFails("data.tfrecord", offset)(infer(data, options: _*).collect())
      }
      assertFails("mode", "SOMETIMES", "FAILFAST", "DROPMALFORMED", "PERMISSIVE") {
        read(data, schema, "mode" -> "SOMETIMES").collect()
      }
    }
  }

  test("DROPMALFORMED leaves malformed records out, whichever columns are asked for") {
    withTempDir { folder =>
      val data = file(folder, good(0), noMessage, good(1), otherKind, good(2))
      val found = read(data, schema, dropping)
      assertRows(found, goodRows: _*)
      assertRows(found.select("n"), goodRows.map(row => Row(row(0))): _*)
      // Here `n` alone is malformed in one of the records.
      assertRows(found.select("s"), goodRows.map(row => Row(row(1))): _*)
      assert(found.count() == 3)
      assert(found.where("s = 'other kind'").count() == 0)
      // A schema that does not have the column has no quarrel with it.
      assert(read(data, "s STRING", dropping).count() == 4)
    }
  }

  test("PERMISSIVE gives malformed records as rows, whichever columns are asked for") {
    withTempDir { folder =>
      val data = file(folder, good(0), noMessage, good(1), otherKind)
      val found = read(data, withCorrupt, permissive)
      assertRows(
        found,
        whole(goodRows(0)),
        corrupt(noMessage),
        whole(goodRows(1)),
        corrupt(otherKind)
      )
      assertRows(
        found.select("_corrupt_record"),
        Row(null),
        Row(noMessage),
        Row(null),
        Row(otherKind)
      )
      assertRows(found.select("s"), Row("s"), Row(null), Row("ss"), Row(null))
      assertRows(found.where("_corrupt_record IS NOT NULL").selectExpr("n"), Row(null), Row(null))
      assert(found.count() == 4)
      assertRows(
        read(data, schema, permissive),
        goodRows(0),
        Row(null, null),
        goodRows(1),
        Row(null, null)
      )
    }
  }

  test("the column for corrupt records goes by its option, or by Spark's setting") {
    withTempDir { folder =>
      val data = file(folder, good(0), noMessage)
      val named = permissive -> ("columnNameOfCorruptRecord" -> "broken")
      assertRows(
        read(data, "broken BINARY, " + schema, named._1, named._2),
        Row(null, 1L, "s"),
        Row(noMessage, null, null)
      )
      spark.conf.set("spark.sql.columnNameOfCorruptRecord", "bad")
      try assertRows(
          read(data, "n BIGINT, bad BINARY", permissive),
          Row(1L, null),
          Row(null, noMessage)
        )
      finally spark.conf.unset("spark.sql.columnNameOfCorruptRecord")
      assertFails("_corrupt_record", "binary", "string") {
        read(data, schema + ", _corrupt_record STRING", permissive).collect()
      }
      // In the other modes it is a column like any other.
      assertFails("data.tfrecord") {
        read(data, "_corrupt_record STRING").collect()
      }
      val own = file(new File(folder, "own"), message("_corrupt_record" -> strings("a")))
      assertRows(read(own, "_corrupt_record STRING"), Row("a"))
      assertRows(read(own, "_corrupt_record STRING", dropping), Row("a"))
      assertFails("_corrupt_record", "columnNameOfCorruptRecord")(infer(own, permissive))
    }
  }

  private def damaged(folder: File, second: Array[Byte] => Array[Byte]): (File, Array[Byte]) = {
    val broken = second(framed(Seq(good(1))))
    val bytes = framed(Seq(good(0))) ++ broken ++ framed(Seq(good(2)))
    (writeFile(new File(folder, "data.tfrecord"), bytes), broken ++ framed(Seq(good(2))))
  }

  private val damages: Seq[(String, Array[Byte] => Array[Byte])] = Seq(
    "length" -> (frame => frame.updated(1, (frame(1) ^ 1).toByte)),
    "length's checksum" -> (frame => frame.updated(9, (frame(9) ^ 64).toByte)),
    "cut in its header" -> (frame => frame.take(7))
  )

  private val damagesOfData: Seq[(String, Array[Byte] => Array[Byte])] = Seq(
    "data" -> (frame => frame.updated(15, (frame(15) ^ 8).toByte)),
    "data's checksum" -> (frame => frame.updated(frame.length - 1, (frame.last ^ 1).toByte))
  )

  damages.foreach { case (name, change) =>
    test(s"where a frame is broken (its $name), the rest of the file is dropped or reported") {
      withTempDir { folder =>
        val (data, rest) = damaged(folder, change)
        assertFails("data.tfrecord", good(0).length + 16)(read(data, schema).collect())
        val dropped = read(data, schema, dropping)
        assertRows(dropped, goodRows(0))
        assert(dropped.count() == 1)
        val reported = read(data, withCorrupt, permissive)
        assertRows(reported, whole(goodRows(0)), corrupt(rest))
        assert(reported.count() == 2)
        assertRows(reported.select("n"), Row(1L), Row(null))
      }
    }
  }

  damagesOfData.foreach { case (name, change) =>
    test(s"where a frame is whole but its $name damaged, that record alone is lost") {
      withTempDir { folder =>
        val (data, _) = damaged(folder, change)
        assertFails("data.tfrecord", good(0).length + 16)(read(data, schema).collect())
        val dropped = read(data, schema, dropping)
        assertRows(dropped, goodRows(0), goodRows(2))
        assert(dropped.count() == 2)
        val bytes = change(framed(Seq(good(1)))).drop(12).dropRight(4)
        val reported = read(data, withCorrupt, permissive)
        assertRows(reported, whole(goodRows(0)), corrupt(bytes), whole(goodRows(2)))
        assert(reported.count() == 3)
        val packed = writeFile(new File(folder, "packed.gz"), gzip(Files.readAllBytes(data.toPath)))
        assertRows(read(packed, schema, dropping), goodRows(0), goodRows(2))

        val first = change(framed(Seq(good(1)))) ++ framed(Seq(good(2)))
        val inferred = writeFile(new File(folder, "first/data.tfrecord"), first)
        assertRows(infer(inferred, dropping), goodRows(2))
        assert(infer(inferred, permissive).columns.toSeq == Seq("n", "s", "_corrupt_record"))
      }
    }
  }

  test("where a frame is cut, what follows it in its place is lost with it") {
    withTempDir { folder =>
      val (data, _) = damaged(folder, frame => frame.dropRight(7))
      assertRows(read(data, schema, dropping), goodRows(0))
      val reported = read(data, withCorrupt, permissive)
      assert(shown(reported.select("n")) == Vector("{Long(1)}", "{null}", "{null}"))
    }
  }

  test("a broken frame is shown up to a bound, the same in a compressed file") {
    withTempDir { folder =>
      val rest = Array.tabulate[Byte](1000000)(i => (i * 7).toByte)
      val bytes = framed(Seq(good(0))) ++ rest
      val plain = writeFile(new File(folder, "data.tfrecord"), bytes)
      val packed = writeFile(new File(folder, "data.tfrecord.gz"), gzip(bytes))
      for (data <- Seq(plain, packed)) {
        assertRows(
          read(data, withCorrupt, permissive),
          whole(goodRows(0)),
          corrupt(rest.take(64 * 1024))
        )
      }
    }
  }

  test(
    "a frame that is cut off is shown from its header on, also where the stream around it is cut"
  ) {
    withTempDir { folder =>
      val large = example("n" -> int64s(1L), "b" -> bytes(new Array[Byte](100000))).toByteArray
      val before = framed(Seq.fill(3)(good(0)))
      val frame = framed(Seq(large))
      for (cut <- Seq(5, 12, 20, frame.length - 1)) {
        val whole = before ++ frame.take(cut)
        val files = Seq(
          "data.tfrecord" -> whole,
          "whole.gz" -> gzip(whole),
          // Without the stream's own checksum.
          "cut.gz" -> gzip(whole).dropRight(8),
          "cut.deflate" -> zlib(whole).dropRight(4)
        )
        for ((name, bytes) <- files) withClue(s"$name, cut at $cut: ") {
          val data = writeFile(new File(folder, name), bytes)
          val found = read(data, withCorrupt, permissive).collect()
          assert(found.length == 4)
          val damage = found.last.getAs[Array[Byte]](2)
          assert(java.util.Arrays.equals(damage, frame.take(math.min(cut, 64 * 1024))))
        }
      }
    }
  }

  test("compressed files that end early or are none") {
    withTempDir { folder =>
      val bytes = gzip(framed(Seq.fill(2000)(good).flatten))
      val cut = writeFile(new File(folder, "cut.tfrecord.gz"), bytes.take(bytes.length / 2))
      assertFails("cut.tfrecord.gz")(read(cut, schema).collect())
      val kept = read(cut, schema, dropping).collect()
      assert(kept.length > 100 && kept.length < 6000)
      assert(Shown.show(kept.toSeq) ==
        Shown.show(Seq.fill(2000)(goodRows).flatten.take(kept.length)))
      val reported = read(cut, withCorrupt, permissive).collect()
      assert(reported.length == kept.length + 1)
      assert(reported.last.isNullAt(0) && !reported.last.isNullAt(2))

      for (ending <- Seq("gz", "deflate", "bz2")) {
        val name = s"text.$ending"
        val text = writeFile(new File(folder, name), "no compressed stream at all".getBytes)
        assertFails(name)(read(text, schema).collect())
        assertRows(read(text, schema, dropping))
        val row = read(text, withCorrupt, permissive).collect()
        assert(row.length == 1 && row.head.isNullAt(0) && !row.head.isNullAt(2))
        assert(read(text, schema, permissive).count() == 1)
        assert(infer(text, permissive).schema.toDDL == "_corrupt_record BINARY")
      }
    }
  }

  test("checksums that are not compared break nothing, and the message decides") {
    withTempDir { folder =>
      val frame = framed(Seq(good(0)))
      val data = writeFile(
        new File(folder, "data.tfrecord"),
        frame.updated(frame.length - 1, (frame.last ^ 1).toByte) ++ framed(Seq(noMessage, good(1)))
      )
      assertRows(
        read(data, withCorrupt, permissive, "verifyChecksum" -> "false"),
        whole(goodRows(0)),
        corrupt(noMessage),
        whole(goodRows(1))
      )
    }
  }

  test("inference leaves malformed records out, and knows the column for them") {
    withTempDir { folder =>
      file(new File(folder, "a"), good(0), noMessage)
      val (data, rest) = damaged(new File(folder, "b"), damages.head._2)
      val all = new File(folder, "*")
      assert(infer(all, dropping).schema.toDDL == "n BIGINT,s STRING")
      assert(infer(all, permissive).schema.toDDL == "n BIGINT,s STRING,_corrupt_record BINARY")
      assertSameRows(infer(all, dropping), goodRows(0), goodRows(0))
      assertSameRows(
        infer(all, permissive),
        whole(goodRows(0)),
        corrupt(noMessage),
        whole(goodRows(0)),
        corrupt(rest)
      )
      assert(infer(file(new File(folder, "c"), good: _*), permissive).schema.toDDL ==
        "n BIGINT,s STRING")
      assertFails("data.tfrecord")(infer(data))
    }
  }

  test("half a malformed record is no source of columns") {
    withTempDir { folder =>
      // The first feature is fine and the second cut off, behind a whole Features message.
      val start = message("early" -> int64s(1L, 2L))
      val data = file(folder, start ++ Array[Byte](0x0a, 0x02, 0x0a, 0x55), good(0))
      assert(infer(data, dropping).schema.toDDL == "n BIGINT,s STRING")
    }
  }

  test("the modes for SequenceExample and ByteArray") {
    withTempDir { folder =>
      val sequences = "recordType" -> "SequenceExample"
      val steps = sequence("n" -> int64s(1L))("x" -> Seq(int64s(1L), int64s(2L, 3L)))
      val mixed = sequence("n" -> int64s(2L))("x" -> Seq(floats(1f)))
      val data = file(folder, steps.toByteArray, mixed.toByteArray, noMessage)
      val ddl = "n BIGINT, x ARRAY<ARRAY<INT>>"
      val row = Row(1L, Seq(Seq(1), Seq(2, 3)))
      assertRows(read(data, ddl, sequences, dropping), row)
      assertRows(read(data, ddl, sequences, dropping).select("n"), Row(1L))
      assert(read(data, ddl, sequences, dropping).count() == 1)
      assertRows(
        read(data, ddl + ", _corrupt_record BINARY", sequences, permissive),
        Row(row(0), row(1), null),
        corrupt(mixed.toByteArray),
        corrupt(noMessage)
      )

      // Whole frames are all that a ByteArray asks for.
      val byteArrays = "recordType" -> "ByteArray"
      assert(infer(data, byteArrays, dropping).count() == 3)
      val (broken, rest) = damaged(new File(folder, "broken"), damages.head._2)
      assertRows(infer(broken, byteArrays, dropping), Row(good(0)))
      assertRows(
        read(broken, "byteArray BINARY, _corrupt_record BINARY", byteArrays, permissive),
        Row(good(0), null),
        Row(null, rest)
      )
    }
  }

  test("ignoreCorruptFiles skips the rest of a file with a broken frame, but no whole record") {
    withTempDir { folder =>
      val ignoring = "ignoreCorruptFiles" -> "true"
      val (broken, rest) = damaged(new File(folder, "broken"), damages.head._2)
      assertRows(read(broken, schema, ignoring), goodRows(0))
      assertRows(infer(broken, ignoring), goodRows(0))
      assertRows(
        read(broken, withCorrupt, ignoring, permissive),
        whole(goodRows(0)),
        corrupt(rest)
      )
      val malformed = file(new File(folder, "malformed"), good(0), otherKind)
      assertFails("data.tfrecord", "`n`")(read(malformed, schema, ignoring).collect())
    }
  }

  test("ignoreMissingFiles leaves out files that went away after the listing") {
    withTempDir { folder =>
      val gone = new File(folder, "in/a.tfrecord")
      def prepare(options: (String, String)*): DataFrame = {
        writeExamples(gone, example("n" -> int64s(1L)))
        writeExamples(new File(folder, "in/b.tfrecord"), example("n" -> int64s(2L)))
        val rows = read(gone.getParentFile, "n BIGINT", options: _*)
        Store.delete(gone)
        rows
      }
      for (mode <- Seq("FAILFAST", "DROPMALFORMED", "PERMISSIVE")) {
        assertFails("a.tfrecord")(prepare("mode" -> mode).collect())
        assertRows(prepare("mode" -> mode, "ignoreMissingFiles" -> "true"), Row(2L))
        assert(prepare("mode" -> mode, "ignoreMissingFiles" -> "true").count() == 1)
      }
    }
  }

  test("streams obey the mode") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      writeFile(new File(in, "a.tfrecord"), framed(Seq(good(0), noMessage, good(1))))
      damaged(new File(in, "b"), damages.head._2)
      def run(ddl: String, options: (String, String)*): Vector[String] = {
        val name = "modes" + options.map(_._2).mkString.toLowerCase
        val query = spark.readStream.format(source).schema(ddl).options(options.toMap)
          .option("recursiveFileLookup", "true").load(in.getPath)
          .writeStream.format("memory").queryName(name)
          .option("checkpointLocation", new File(folder, name).getPath).start()
        try query.processAllAvailable()
        finally query.stop()
        shown(spark.table(name)).sorted
      }
      assert(run(schema, dropping) == Shown.show(Seq(goodRows(0), goodRows(0), goodRows(1))).sorted)
      assert(run(withCorrupt, permissive).count(_.contains("x'")) == 2)
      assertFails("offset")(run(schema, "mode" -> "FAILFAST"))
    }
  }
}

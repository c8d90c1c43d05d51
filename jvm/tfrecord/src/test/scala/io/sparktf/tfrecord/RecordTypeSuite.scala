package io.sparktf.tfrecord

import java.io.File
import java.nio.charset.StandardCharsets.UTF_8

import org.apache.spark.sql.Row
import org.apache.spark.sql.types.StructType

import Records._
import Wire._

/** Records whose type nobody names: what they are is found in them. */
@LocalOnly
class RecordTypeSuite extends TFRecordSuite {

  private val clip = sequence("id" -> int64s(1L), "tags" -> strings("a", "b"))(
    "rgb" -> Seq(strings("x"), strings("y")),
    "steps" -> Seq(int64s(1L), int64s(2L, 3L))
  )
  private val plain = example("id" -> int64s(2L), "tags" -> strings("c"))
  private val columns =
    "id BIGINT,tags ARRAY<STRING>,rgb ARRAY<ARRAY<STRING>>,steps ARRAY<ARRAY<BIGINT>>"
  private val clipRow = Row(1L, Seq("a", "b"), Seq(Seq("x"), Seq("y")), Seq(Seq(1L), Seq(2L, 3L)))
  private val plainRow = Row(2L, Seq("c"), null, null)

  private def file(folder: File, records: Array[Byte]*): File =
    writeFile(new File(folder, "data.tfrecord"), framed(records))

  // ---------------------------------------------------------------------------- sequences

  test("feature lists are found by inference, and read") {
    withTempDir { folder =>
      val data = file(folder, clip.toByteArray)
      for (options <- Seq(Nil, Seq("recordType" -> "AUTO"), Seq("samplingRatio" -> "1.0"))) {
        assert(infer(data, options: _*).schema.toDDL == columns)
        assertRows(infer(data, options: _*), clipRow)
      }
      assertRows(infer(data).select("steps"), Row(clipRow(3)))
      assertRows(infer(data).select("id"), Row(1L))
      assert(infer(data).count() == 1)
    }
  }

  test("Examples and SequenceExamples in one folder and in one file") {
    withTempDir { folder =>
      val data = file(folder, plain.toByteArray, clip.toByteArray, plain.toByteArray)
      assert(infer(data).schema.toDDL == columns)
      assertRows(infer(data), plainRow, clipRow, plainRow)
      writeExamples(new File(folder, "more.tfrecord"), plain)
      assertSameRows(infer(folder), plainRow, plainRow, clipRow, plainRow)
    }
  }

  test("with a schema of flat columns a feature list is read as one, or is an error") {
    withTempDir { folder =>
      val data = file(folder, plain.toByteArray, clip.toByteArray)
      assertRows(
        read(data, "rgb ARRAY<BINARY>, id INT"),
        Row(null, 2),
        Row(Seq("x", "y").map(_.getBytes(UTF_8)), 1)
      )
      assertFails("data.tfrecord", "`steps`", "array of arrays") {
        read(data, "steps ARRAY<BIGINT>").collect()
      }
      assertFails("data.tfrecord", "`rgb`", "feature list")(read(data, "rgb STRING").collect())
      assertFails("data.tfrecord", "`tags`", "feature list") {
        read(data, "tags ARRAY<ARRAY<STRING>>").collect()
      }
    }
  }

  test("an Example is no SequenceExample where it is said to be none, as for protobuf") {
    withTempDir { folder =>
      val data = file(folder, clip.toByteArray)
      val examples = "recordType" -> "Example"
      assert(infer(data, examples).columns.toSeq == Seq("id", "tags"))
      assertRows(read(data, "rgb ARRAY<STRING>, id INT", examples), Row(null, 1))
      assertFails("rgb", "SequenceExample") {
        read(data, "rgb ARRAY<ARRAY<STRING>>", examples).collect()
      }
      // All of its features are in its lists.
      val lists = file(new File(folder, "lists"), sequence()("x" -> Seq(int64s(1L))).toByteArray)
      assertFails("data.tfrecord", "no record", "2 (bytes)")(infer(lists, examples))
      assert(infer(lists).schema.toDDL == "x ARRAY<ARRAY<BIGINT>>")
    }
  }

  test("in layouts that no library writes") {
    withTempDir { folder =>
      val steps = field(1, int64Kind(looseInts(4, 5)))
      val lists = field(2, entry(value(steps), key("steps")))
      val context = features(entry("id", int64Kind(looseInts(7))))
      val unknown = unknownFields(9)
      val records = Seq(
        concat(lists, context),
        concat(context, context, lists),
        concat(unknown.head, lists, unknown.last, context)
      )
      val data = file(folder, records: _*)
      val row = Row(7L, Seq(Seq(4L, 5L)))
      assert(infer(data).schema.toDDL == "id BIGINT,steps ARRAY<ARRAY<BIGINT>>")
      assertRows(infer(data), row, row, row)
      assertRows(read(data, "id INT"), Row(7), Row(7), Row(7))
      // A number of ours with a type that is not its own is an unknown field.
      val other = file(new File(folder, "other"), concat(context, tag(2, Varint), varint(1)))
      assertRows(read(other, "id INT, steps ARRAY<BIGINT>"), Row(7, null))
    }
  }

  test("a field 2 that holds no feature lists is an error that names the record types") {
    withTempDir { folder =>
      val odd = concat(plain.toByteArray, field(2, Array[Byte](0x0e, 0x0e)))
      val data = file(folder, odd)
      for (rows <- Seq(() => infer(data), () => read(data, "id INT"))) {
        assertFails("data.tfrecord", "SequenceExample", "recordType=ByteArray")(rows().collect())
      }
      assertRows(read(data, "id INT", "recordType" -> "Example"), Row(2))
    }
  }

  test("which records are malformed depends on no query, and streams go by the same rules") {
    withTempDir { folder =>
      val mixed = sequence("id" -> int64s(3L))("steps" -> Seq(strings("x")))
      val data = file(folder, clip.toByteArray, mixed.toByteArray, plain.toByteArray)
      val ddl = "id INT, steps ARRAY<ARRAY<INT>>"
      val dropping = read(data, ddl, "mode" -> "DROPMALFORMED")
      assertRows(dropping.select("id"), Row(1), Row(2))
      assert(dropping.count() == 2)
      val query = spark.readStream.format(source).schema(ddl).option("mode", "DROPMALFORMED")
        .load(folder.getPath).writeStream.format("memory").queryName("clips").start()
      try query.processAllAvailable()
      finally query.stop()
      assertSameRows(spark.table("clips"), Row(1, Seq(Seq(1), Seq(2, 3))), Row(2, null))
    }
  }

  test("a write makes Examples unless it is told otherwise") {
    withTempDir { folder =>
      for (options <- Seq(Nil, Seq("recordType" -> "auto"))) {
        val out = new File(folder, s"out${options.size}")
        write(frame("id BIGINT", Row(2L)), out, options: _*)
        assert(readExamples(out) == Vector(example("id" -> int64s(2L))))
        assertFails("steps", "SequenceExample") {
          write(frame("steps ARRAY<ARRAY<INT>>"), new File(folder, "none"), options: _*)
        }
      }
    }
  }

  // ---------------------------------------------------------------------------- other messages

  private val event = concat(
    concat(tag(1, Fixed64), fixed64(1)),
    concat(tag(2, Varint), varint(1)),
    field(3, "brain.Event:2".getBytes)
  )
  private val ranking = concat(field(1, plain.toByteArray), field(2, plain.toByteArray))
  private val nested = concat(features(entry(key("abcdefgh"))), field(4, "x".getBytes))

  for (
    (what, record, hint) <- Seq(
      ("TensorBoard's events", event, "TensorBoard"),
      ("lists of Examples", ranking, "ExampleListWithContext"),
      ("messages in messages", nested, "4 (bytes)")
    )
  ) {
    test(s"$what are no Examples: inference says what they are, and in which file") {
      withTempDir { folder =>
        val data = file(folder, record, record)
        assertFails("data.tfrecord", "recordType=ByteArray", hint)(infer(data))
        assert(infer(data, "recordType" -> "ByteArray").count() == 2)
        for (i <- 0 until 12) writeFile(new File(folder, s"more/$i"), framed(Seq(record)))
        assertFails("/more/", "recordType=ByteArray", hint)(infer(new File(folder, "more")))
        assertFails("data.tfrecord", "recordType=ByteArray", hint) {
          infer(data, "mode" -> "DROPMALFORMED")
        }
        // One feature with a value, in any file, and it is a folder of Examples.
        writeExamples(new File(folder, "good.tfrecord"), plain)
        if (record ne event) assert(infer(folder).columns.toSeq == Seq("id", "tags"))
      }
    }
  }

  test("a record of unknown fields alone is malformed, unless it is said to be an Example") {
    withTempDir { folder =>
      val data = file(folder, event, plain.toByteArray)
      assertFails("data.tfrecord", "offset", 0, "TensorBoard", "recordType=Example") {
        read(data, "id INT").collect()
      }
      assertFails("data.tfrecord", "offset", 0, "TensorBoard")(infer(data))
      assertFails("data.tfrecord", "TensorBoard") {
        read(data, "x ARRAY<ARRAY<INT>>").collect()
      }
      val dropping = "mode" -> "DROPMALFORMED"
      assertRows(read(data, "id INT", dropping), Row(2))
      assertRows(infer(data, dropping).select("id"), Row(2L))
      val permissive = "mode" -> "PERMISSIVE"
      assertRows(
        infer(data, permissive).select("id", "_corrupt_record"),
        Row(null, event),
        Row(2L, null)
      )
      assertRows(read(data, "id INT", "recordType" -> "Example"), Row(null), Row(2))
      assertRows(read(data, "id INT", "recordType" -> "SequenceExample"), Row(null), Row(2))
      val events = file(new File(folder, "events"), event)
      assert(infer(events, permissive).schema.toDDL == "_corrupt_record BINARY")
    }
  }

  test("Examples that say nothing are Examples") {
    withTempDir { folder =>
      val empty = example("none" -> noKind, "ints" -> int64s(), "words" -> bytes())
      val data = file(
        folder,
        Array.emptyByteArray,
        empty.toByteArray,
        sequence("a" -> noKind)("b" -> Seq(noKind, int64s()), "c" -> Seq()).toByteArray,
        features(entry("loose", int64Kind(packedInts())))
      )
      assert(infer(data).schema == new StructType)
      assert(infer(data).count() == 4)
      assertRows(read(data, "ints ARRAY<BIGINT>").limit(2), Row(null), Row(Seq()))
    }
  }

  test("the error about no valid message names the option that reads any") {
    withTempDir { folder =>
      val data = file(folder, "some words, no message".getBytes(UTF_8))
      for (recordType <- Seq("auto", "Example", "SequenceExample")) {
        val option = "recordType" -> recordType
        assertFails("data.tfrecord", "no valid", "recordType=ByteArray")(infer(data, option))
        assertFails("data.tfrecord", "no valid", "recordType=ByteArray") {
          read(data, "id INT", option).collect()
        }
      }
    }
  }
}

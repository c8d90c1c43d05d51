package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.types.{ArrayType, StructField, StructType}
import org.scalacheck.Gen
import org.tensorflow.example.SequenceExample

import Records._

/** SequenceExamples made by protobuf are read, and protobuf reads those that are written. */
@LocalOnly
@FormatOnly
class SequenceExampleSuite extends TFRecordSuite {

  private val sequences = "recordType" -> "SequenceExample"

  private def file(folder: File, messages: SequenceExample*): File =
    writeSequences(new File(folder, "data.tfrecord"), messages: _*)

  private def written(rows: DataFrame, options: (String, String)*): Vector[SequenceExample] =
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(rows, out, sequences +: options: _*)
      readSequences(out)
    }

  test("the context is columns, and feature lists are arrays of arrays") {
    withTempDir { folder =>
      val data = file(
        folder,
        sequence("id" -> int64s(7L), "tags" -> strings("a", "b"))(
          "frames" -> Seq(floats(1f, 2f), floats(3f)),
          "words" -> Seq(strings("x"), strings("y", "z"))
        ),
        sequence()(),
        sequence("id" -> int64s(8L), "tags" -> strings())(
          "frames" -> Seq(),
          "words" -> Seq(strings(), strings(""))
        )
      )
      val schema =
        "frames ARRAY<ARRAY<FLOAT>>, id BIGINT, words ARRAY<ARRAY<STRING>>, tags ARRAY<STRING>"
      assertRows(
        read(data, schema, sequences),
        Row(Seq(Seq(1f, 2f), Seq(3f)), 7L, Seq(Seq("x"), Seq("y", "z")), Seq("a", "b")),
        Row(null, null, null, null),
        Row(Seq(), 8L, Seq(Seq(), Seq("")), Seq())
      )
      // A part of the columns, either map's alone, and none.
      assertRows(
        read(data, schema, sequences).select("words"),
        Row(Seq(Seq("x"), Seq("y", "z"))),
        Row(null),
        Row(Seq(Seq(), Seq("")))
      )
      assertRows(read(data, schema, sequences).select("id"), Row(7L), Row(null), Row(8L))
      assert(read(data, schema, sequences).count() == 3)
    }
  }

  test("every type in a feature list, and steps without a value or without a kind") {
    withTempDir { folder =>
      val numbers = Seq(int64s(1L, 0L), int64s(), noKind, int64s(1L))
      val reals = Seq(floats(1.5f, -2.25f), floats(), noKind, floats(3f))
      val data = file(folder, sequence()("numbers" -> numbers, "reals" -> reals))
      def values(column: String, ddl: String, one: Any, zero: Any): Unit =
        assertRows(
          read(data, s"$column ARRAY<ARRAY<$ddl>>", sequences),
          Row(Seq(Seq(one, zero), Seq(), Seq(), Seq(one)))
        )
      values("numbers", "BIGINT", 1L, 0L)
      values("numbers", "INT", 1, 0)
      values("numbers", "SMALLINT", 1.toShort, 0.toShort)
      values("numbers", "TINYINT", 1.toByte, 0.toByte)
      values("numbers", "BOOLEAN", true, false)
      values(
        "numbers",
        "DATE",
        java.time.LocalDate.ofEpochDay(1),
        java.time.LocalDate.ofEpochDay(0)
      )
      def floatsAs(ddl: String, convert: Float => Any): Unit =
        assertRows(
          read(data, s"reals ARRAY<ARRAY<$ddl>>", sequences),
          Row(Seq(Seq(convert(1.5f), convert(-2.25f)), Seq(), Seq(), Seq(convert(3f))))
        )
      floatsAs("FLOAT", identity)
      floatsAs("DOUBLE", _.toDouble)
      floatsAs("DECIMAL(5,2)", f => new java.math.BigDecimal(f.toDouble).setScale(2))
      floatsAs("DECIMAL(25,2)", f => new java.math.BigDecimal(f.toDouble).setScale(2))
    }
  }

  test("a flat array may be a feature list of one value per step") {
    withTempDir { folder =>
      val data = file(
        folder,
        sequence()(
          "n" -> Seq(int64s(1L), int64s(-5L), int64s(300L)),
          "f" -> Seq(floats(1f), floats(2f)),
          "s" -> Seq(strings("one"), strings(""))
        ),
        sequence("n" -> int64s(4L, 5L))("n" -> Seq(int64s(9L)), "f" -> Seq())
      )
      assertRows(
        read(data, "n ARRAY<INT>, f ARRAY<DOUBLE>, s ARRAY<STRING>", sequences),
        Row(Seq(1, -5, 300), Seq(1.0, 2.0), Seq("one", "")),
        // The context comes first, where it has the name.
        Row(Seq(4, 5), Seq(), null)
      )
      for (steps <- Seq(Seq(int64s(1L), int64s(2L, 3L)), Seq(int64s()), Seq(noKind))) {
        val odd = file(new File(folder, "odd"), sequence()("n" -> steps))
        assertFails("data.tfrecord", "offset", 0, "`n`", "array of arrays") {
          read(odd, "n ARRAY<BIGINT>", sequences).collect()
        }
      }
    }
  }

  test("what is in the other map, of another kind or too large is an error that names the column") {
    withTempDir { folder =>
      val data = file(
        folder,
        sequence("flat" -> int64s(1L, 2L))("list" -> Seq(int64s(1L), int64s(1L << 40)))
      )
      assertFails("data.tfrecord", "`flat`", "expected a feature list") {
        read(data, "flat ARRAY<ARRAY<BIGINT>>", sequences).collect()
      }
      assertFails("data.tfrecord", "`list`", "expected a feature of the context") {
        read(data, "list BIGINT", sequences).collect()
      }
      assertFails("data.tfrecord", "`list`", "bytes_list", "int64_list") {
        read(data, "list ARRAY<ARRAY<STRING>>", sequences).collect()
      }
      assertFails("data.tfrecord", "`list`", "bytes_list", "int64_list") {
        read(data, "list ARRAY<STRING>", sequences).collect()
      }
      assertFails("data.tfrecord", "`list`", "int", 1L << 40) {
        read(data, "list ARRAY<ARRAY<INT>>", sequences).collect()
      }
      val mixed = file(
        new File(folder, "mixed"),
        sequence()("list" -> Seq(int64s(1L), floats()))
      )
      assertFails("data.tfrecord", "`list`", "float_list", "int64_list") {
        read(mixed, "list ARRAY<ARRAY<BIGINT>>", sequences).collect()
      }
    }
  }

  test("rows are written as protobuf would write them") {
    val rows = frame(
      "id BIGINT, tags ARRAY<STRING>, frames ARRAY<ARRAY<FLOAT>>, words ARRAY<ARRAY<STRING>>",
      Row(7L, Seq("a", "b"), Seq(Seq(1f, 2f), Seq(), Seq(3f)), Seq(Seq("x"), Seq("y", ""))),
      Row(null, null, null, null),
      Row(8L, Seq(), Seq(), Seq(Seq()))
    )
    assert(written(rows) == Vector(
      sequence("id" -> int64s(7L), "tags" -> strings("a", "b"))(
        "frames" -> Seq(floats(1f, 2f), floats(), floats(3f)),
        "words" -> Seq(strings("x"), strings("y", ""))
      ),
      SequenceExample.getDefaultInstance,
      sequence(
        "id" -> int64s(8L),
        "tags" -> strings()
      )("frames" -> Seq(), "words" -> Seq(strings()))
    ))
  }

  test("featureLists sends flat arrays to the feature lists, a step for each value") {
    val rows = frame(
      "n ARRAY<INT>, f ARRAY<DECIMAL(5,2)>, s ARRAY<STRING>, rest ARRAY<BIGINT>",
      Row(
        Seq(1, -2),
        Seq(new java.math.BigDecimal("1.25")),
        Seq("", "ab"),
        Seq(1L)
      ),
      Row(Seq(), null, Seq("x"), null)
    )
    val expected = Vector(
      sequence("rest" -> int64s(1L))(
        "n" -> Seq(int64s(1L), int64s(-2L)),
        "f" -> Seq(floats(1.25f)),
        "s" -> Seq(strings(""), strings("ab"))
      ),
      sequence()("n" -> Seq(), "s" -> Seq(strings("x")))
    )
    assert(written(rows, "featureLists" -> "n, F ,s").map(_.toString) == expected.map(_.toString))
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(rows, out, sequences, "featureLists" -> "n,f,s")
      assertSameRows(read(out, rows.schema, sequences), rows.collect().toSeq: _*)
      assertFails("featureLists", "other", "`n`") {
        write(rows, new File(folder, "a"), sequences, "featureLists" -> "other")
      }
      assertFails("featureLists", "`id`", "bigint") {
        write(frame("id BIGINT"), new File(folder, "b"), sequences, "featureLists" -> "id")
      }
      assertFails("featureLists", "SequenceExample") {
        write(rows, new File(folder, "c"), "featureLists" -> "n")
      }
      assert(Store.list(folder) == Seq("out"))
    }
  }

  test("a null step and a null in a step are errors that name the column") {
    withTempDir { folder =>
      def out(name: String): File = new File(folder, name)
      assertFails("`steps`", "element 1", "null") {
        write(frame("steps ARRAY<ARRAY<BIGINT>>", Row(Seq(Seq(1L), null))), out("a"), sequences)
      }
      assertFails("`steps`", "element 1", "null") {
        val rows = frame("steps ARRAY<ARRAY<BIGINT>>", Row(Seq(Seq(1L), Seq(2L, null))))
        write(rows, out("b"), sequences)
      }
      assertFails("`flat`", "element 0", "null") {
        val rows = frame("flat ARRAY<INT>", Row(Seq(null)))
        write(rows, out("c"), sequences, "featureLists" -> "flat")
      }
    }
  }

  test("inference finds both maps, the context first") {
    withTempDir { folder =>
      val data = file(
        folder,
        sequence("id" -> int64s(1L), "none" -> noKind)(
          "frames" -> Seq(floats(1f)),
          "empty" -> Seq(int64s(), noKind),
          "blobs" -> Seq(strings("text"))
        ),
        sequence("tags" -> strings("a", "b"))("blobs" -> Seq(noKind, bytes(Array[Byte](-1, -2))))
      )
      val found = infer(data, sequences)
      assert(found.schema.toDDL ==
        "id BIGINT,tags ARRAY<STRING>,frames ARRAY<ARRAY<FLOAT>>,blobs ARRAY<ARRAY<BINARY>>")
      assertRows(
        found,
        Row(1L, null, Seq(Seq(1f)), Seq(Seq("text".getBytes))),
        Row(null, Seq("a", "b"), null, Seq(Seq(), Seq(Array[Byte](-1, -2))))
      )
    }
  }

  test("inference refuses kinds that disagree and a name in both maps") {
    withTempDir { folder =>
      file(new File(folder, "one"), sequence()("x" -> Seq(int64s(1L))))
      file(new File(folder, "two"), sequence()("x" -> Seq(strings("1"))))
      assertFails("`x`", "int64_list", "bytes_list", "data.tfrecord") {
        infer(new File(folder, "*"), sequences)
      }
      val steps = file(new File(folder, "steps"), sequence()("x" -> Seq(strings(""), floats(1f))))
      assertFails("`x`", "bytes_list", "float_list", "data.tfrecord")(infer(steps, sequences))
      val both = file(new File(folder, "both"), sequence("x" -> int64s(1L))("x" -> Seq(int64s(2L))))
      assertFails("`x`", "context", "feature list", "data.tfrecord")(infer(both, sequences))
    }
  }

  test("names in another case in both maps") {
    withTempDir { folder =>
      val data = file(folder, sequence("ID" -> int64s(1L))("Steps" -> Seq(int64s(2L))))
      assertRows(
        read(data, "id BIGINT, steps ARRAY<ARRAY<BIGINT>>", sequences),
        Row(1L, Seq(Seq(2L)))
      )
    }
  }

  test("an Example is read as a SequenceExample's context, and the other way round") {
    withTempDir { folder =>
      val example =
        writeExamples(new File(folder, "example"), Records.example("n" -> int64s(1L)))
      assertRows(read(example, "n BIGINT", sequences), Row(1L))
      val data = file(folder, sequence("n" -> int64s(1L))("x" -> Seq(int64s(2L))))
      // For Example feature lists are an unknown field, as they are for protobuf.
      assertRows(read(data, "n BIGINT, x BIGINT", "recordType" -> "Example"), Row(1L, null))
    }
  }

  test("random rows of every type in feature lists") {
    val schema = StructType(RandomRows.columns.collect {
      case (field @ StructField(_, array: ArrayType, _, _), _) =>
        field.copy(dataType = ArrayType(array))
    })
    val lists = RandomRows.columns.collect { case (StructField(_, _: ArrayType, _, _), values) =>
      Gen.choose(0, 5).flatMap(Gen.containerOfN[Vector, Any](_, values.filter(_ != null)))
    }
    val rows = draw(300, Gen.sequence[Vector[Any], Any](lists)).map(Row.fromSeq(_))
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame(schema, rows: _*), out, sequences)
      val byProtobuf = readSequences(out).map(message => Shown.expected(message, schema))
      val bySpark = read(out, schema, sequences).collect()
      rows.indices.foreach { i =>
        assert(Shown.show(byProtobuf(i): Any) == Shown.show(rows(i): Any), s"in row $i")
        assert(Shown.show(bySpark(i): Any) == Shown.show(rows(i): Any), s"in row $i")
      }
      assert(byProtobuf.size == rows.size && bySpark.length == rows.size)
    }
  }

  test("partition columns go with sequences") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val rows = frame(
        "steps ARRAY<ARRAY<INT>>, part STRING",
        Row(Seq(Seq(1, 2), Seq(3)), "a"),
        Row(null, "b=/ %"),
        Row(Seq(), null)
      )
      rows.write.format(source).options(Map(sequences)).partitionBy("part").save(out.getPath)
      assertSameRows(read(out, rows.schema, sequences), rows.collect().toSeq: _*)
      assertSameRows(
        infer(out, sequences).selectExpr("part", "IF(steps IS NULL, NULL, size(steps) > 1)"),
        Row("a", true),
        Row("b=/ %", null),
        Row(null, false)
      )
    }
  }
}

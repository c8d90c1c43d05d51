package io.sparktf.tfrecord

import java.io.File
import java.math.BigDecimal
import java.util.Arrays.asList

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types._
import org.tensorflow.example.{Feature, FeatureList, FeatureLists, SequenceExample}

import Records._

/**
 * What docs/migrating.md says: the documented examples and tables of Spark-TFRecord and of
 * Spark-TensorFlow-Connector, with only the changes that the page names, and the differences.
 */
@LocalOnly
class MigrationSuite extends TFRecordSuite {

  // The rows that both projects' first example writes.
  private val schema = StructType(Seq(
    StructField("id", IntegerType),
    StructField("IntegerCol", IntegerType),
    StructField("LongCol", LongType),
    StructField("FloatCol", FloatType),
    StructField("DoubleCol", DoubleType),
    StructField("VectorCol", ArrayType(DoubleType, true)),
    StructField("StringCol", StringType)
  ))
  private val rows = Seq(
    Row(11, 1, 23L, 10.0f, 14.0, List(1.0, 2.0), "r1"),
    Row(21, 2, 24L, 12.0f, 15.0, List(2.0, 2.0), "r2")
  )

  private def load(format: String, path: File, options: (String, String)*): DataFrame =
    spark.read.format(format).options(options.toMap).load(path.getPath)

  test("the first example, under both formats' names") {
    for (format <- Seq(source, "tfrecords")) {
      withTempDir { folder =>
        val path = new File(folder, "test-output.tfrecord")
        val example = "recordType" -> "Example"
        frame(schema, rows: _*).write.format(format).options(Map(example)).save(path.getPath)
        val inferred = load(format, path, example)
        assert(inferred.schema.map(f => f.name -> f.dataType.simpleString) == Seq(
          "id" -> "bigint",
          "IntegerCol" -> "bigint",
          "LongCol" -> "bigint",
          "FloatCol" -> "float",
          "DoubleCol" -> "float",
          "VectorCol" -> "array<float>",
          "StringCol" -> "string"
        ))
        assertSameRows(
          inferred,
          Row(11L, 1L, 23L, 10.0f, 14.0f, Seq(1.0f, 2.0f), "r1"),
          Row(21L, 2L, 24L, 12.0f, 15.0f, Seq(2.0f, 2.0f), "r2")
        )
        assertSameRows(spark.read.format(format).schema(schema).load(path.getPath), rows: _*)
      }
    }
  }

  test("partitionBy, and the partition column behind the others when read back") {
    withTempDir { folder =>
      val path = new File(folder, "out")
      val df = frame("number INT, word STRING", Row(8, "bat"), Row(8, "abc"), Row(1, "xyz"))
      df.repartition(3, col("number")).write.mode("overwrite").partitionBy("number")
        .format(source).option("recordType", "Example").save(path.getPath)
      assert(Store.list(path) == Seq("_SUCCESS", "number=1", "number=8"))
      assertSameRows(load(source, path), Row("bat", 8), Row("abc", 8), Row("xyz", 1))
    }
  }

  test("codec: the class of a Hadoop codec, and nothing to say when reading") {
    withTempDir { folder =>
      val path = new File(folder, "out")
      write(
        frame(schema, rows: _*),
        path,
        "codec" -> "org.apache.hadoop.io.compress.GzipCodec"
      )
      assert(dataFiles(path).map(_.getName).forall(_.endsWith(".tfrecord.gz")))
      assert(readExamples(path).length == 2)
      assert(load(source, path).columns.toSeq == schema.fieldNames.toSeq)
      assertRows(read(path, schema), rows: _*)
    }
  }

  test("files with the connector's names, which have no ending") {
    withTempDir { folder =>
      val records = rows.map(row => example("id" -> int64s(row.getInt(0).toLong)).toByteArray)
      writeFile(new File(folder, "part-r-00000"), framed(records.take(1)))
      writeFile(new File(folder, "part-r-00001.gz"), gzip(framed(records.drop(1))))
      writeFile(new File(folder, "_SUCCESS"), Array.empty[Byte])
      assertSameRows(load("tfrecords", folder), Row(11L), Row(21L))
    }
  }

  test("writeLocality: distributed is as it is here, local is refused with the way out") {
    withTempDir { folder =>
      val df = frame("id INT", Row(1))
      val path = new File(folder, "out")
      write(df, path, "writeLocality" -> "distributed")
      assert(readExamples(path).length == 1)
      assertFails("writeLocality", "local", "shard") {
        write(df, new File(folder, "local"), "writeLocality" -> "local")
      }
      assert(!Store.exists(new File(folder, "local")))
    }
  }

  test("each documented type goes to its documented list, and comes back") {
    val tenth = 0.1f
    val cases = Seq[(String, Any, Feature)](
      ("INT", 7, int64s(7)),
      ("BIGINT", Long.MinValue, int64s(Long.MinValue)),
      ("FLOAT", tenth, floats(tenth)),
      ("DOUBLE", tenth.toDouble, floats(tenth)),
      ("DECIMAL(10, 2)", new BigDecimal("12.34"), floats(12.34f)),
      ("DECIMAL(38, 18)", new BigDecimal("0.500000000000000000"), floats(0.5f)),
      ("STRING", "é", strings("é")),
      ("BINARY", Array[Byte](-1, 0, 1), bytes(Array[Byte](-1, 0, 1))),
      ("BOOLEAN", true, int64s(1)),
      ("ARRAY<INT>", Seq(1, -1), int64s(1, -1)),
      ("ARRAY<BIGINT>", Seq(1L, Long.MaxValue), int64s(1, Long.MaxValue)),
      ("ARRAY<FLOAT>", Seq(tenth, Float.NaN), floats(tenth, Float.NaN)),
      ("ARRAY<DOUBLE>", Seq(0.5, -0.0), floats(0.5f, -0.0f)),
      ("ARRAY<DECIMAL(5, 1)>", Seq(new BigDecimal("0.5")), floats(0.5f)),
      ("ARRAY<STRING>", Seq("a", ""), strings("a", "")),
      ("ARRAY<BINARY>", Seq(Array[Byte](-1)), bytes(Array[Byte](-1))),
      ("ARRAY<BOOLEAN>", Seq(true, false), int64s(1, 0))
    )
    val types = StructType.fromDDL(
      cases.zipWithIndex.map { case ((dataType, _, _), i) => s"c$i $dataType" }.mkString(", ")
    )
    val row = Row.fromSeq(cases.map(_._2))
    val nulls = Row.fromSeq(cases.map(_ => null))
    withTempDir { folder =>
      val path = new File(folder, "out")
      write(frame(types, row, nulls), path)
      val Seq(full, empty) = readExamples(path)
      cases.zipWithIndex.foreach { case ((dataType, _, feature), i) =>
        assert(full.getFeatures.getFeatureMap.get(s"c$i") == feature, dataType)
      }
      assert(empty.getFeatures.getFeatureCount == 0)
      assertRows(read(path, types), row, nulls)
    }
  }

  test("inference: the documented table, and what it did not say") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "first.tfrecord"),
        example(
          "long" -> int64s(1),
          "longs" -> int64s(1),
          "float" -> floats(1),
          "floats" -> floats(1, 2),
          "string" -> strings("x"),
          "strings" -> strings("x", "y"),
          "image" -> bytes(Array[Byte](-1, -40)),
          "nothing" -> noKind,
          "empty" -> int64s()
        ),
        example("long" -> int64s(), "longs" -> int64s(2, 3), "float" -> noKind)
      )
      writeExamples(new File(folder, "second.tfrecord"), example("later" -> int64s(1)))
      val found = load(source, folder)
      assert(found.schema == new StructType()
        .add("long", LongType)
        .add("longs", ArrayType(LongType))
        .add("float", FloatType)
        .add("floats", ArrayType(FloatType))
        .add("string", StringType)
        .add("strings", ArrayType(StringType))
        .add("image", BinaryType)
        .add("later", LongType))
      assertSameRows(
        found.select("long", "longs", "float", "later"),
        Row(1L, Seq(1L), 1f, null),
        Row(null, Seq(2L, 3L), null, null),
        Row(null, null, null, 1L)
      )
    }
  }

  test("inference: kinds that disagree are an error") {
    withTempDir { folder =>
      writeExamples(new File(folder, "a.tfrecord"), example("n" -> int64s(1)))
      writeExamples(new File(folder, "b.tfrecord"), example("n" -> strings("x")))
      assertFails("n", "int64_list", "a.tfrecord", "bytes_list", "b.tfrecord") {
        load(source, folder)
      }
    }
  }

  test("what was stored wrongly is refused: null elements, doubles beyond a float") {
    val refused = Seq(
      "ARRAY<BIGINT>" -> Seq(1L, null, 3L),
      "ARRAY<FLOAT>" -> Seq(1f, null),
      "ARRAY<STRING>" -> Seq("x", null),
      "DOUBLE" -> 1e300
    )
    refused.foreach { case (dataType, value) =>
      withTempDir { folder =>
        assertFails("price")(write(frame(s"price $dataType", Row(value)), new File(folder, "out")))
      }
    }
  }

  test("what was read wrongly is an error: narrowed integers, the first of several values") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("big" -> int64s(4294967303L), "several" -> int64s(1, 2, 3), "none" -> int64s())
      )
      assertFails("big", "4294967303")(read(folder, "big INT").collect())
      assertFails("several", 3)(read(folder, "several BIGINT").collect())
      assertRows(read(folder, "several ARRAY<BIGINT>").selectExpr("several[0]"), Row(1L))
      assertRows(read(folder, "none BIGINT, absent STRING"), Row(null, null))
    }
  }

  test("the frames of YouTube-8M: strings that are no text come through unchanged") {
    withTempDir { folder =>
      val frames = Seq(Array[Byte](-1, -40, 0), Array[Byte](0, -128), Array.empty[Byte])
      val list = FeatureList.newBuilder()
      frames.foreach(frame => list.addFeature(bytes(frame)))
      val video = SequenceExample.newBuilder()
        .setContext(example("video_id" -> strings("v1"), "labels" -> int64s(3, 5)).getFeatures)
        .setFeatureLists(
          FeatureLists.newBuilder().putFeatureList("rgb", list.build())
            .putFeatureList("audio", FeatureList.newBuilder().addFeature(strings("a", "b")).build())
        )
        .build()
      val in = new File(folder, "train-0.tfrecord")
      writeFile(in, framed(Seq(video.toByteArray)))
      val sequence = "recordType" -> "SequenceExample"
      val asDocumented =
        "video_id STRING, labels ARRAY<INT>, rgb ARRAY<ARRAY<STRING>>, audio ARRAY<ARRAY<STRING>>"
      val out = new File(folder, "youtube-8m-frame.tfrecord")
      write(read(in, asDocumented, sequence), out, sequence)
      val records = dataFiles(out).flatMap(file => readRecords(file))
      assert(records.map(record => SequenceExample.parseFrom(record)) == Seq(video))
      assertRows(
        load("tfrecords", out, sequence).select("video_id", "labels", "rgb", "audio"),
        Row("v1", Seq(3L, 5L), frames.map(frame => Seq(frame)), Seq(Seq("a", "b")))
      )
    }
  }

  test("inference of feature lists: the documented table, and empty ones") {
    withTempDir { folder =>
      val lists = FeatureLists.newBuilder()
      def list(name: String, steps: Feature*): Unit =
        lists.putFeatureList(
          name,
          FeatureList.newBuilder().addAllFeature(asList(steps: _*)).build()
        )
      list("longs", int64s(4), int64s(5, 6))
      list("floats", floats(1), floats(2))
      list("strings", strings("x"), noKind, strings())
      list("empty")
      val message = SequenceExample.newBuilder().setFeatureLists(lists).build()
      writeFile(new File(folder, "data.tfrecord"), framed(Seq(message.toByteArray)))
      val sequence = "recordType" -> "sequenceexample"
      val found = load(source, folder, sequence)
      assert(found.schema.map(f => f.name -> f.dataType.simpleString) == Seq(
        "longs" -> "array<array<bigint>>",
        "floats" -> "array<array<float>>",
        "strings" -> "array<array<string>>"
      ))
      assertRows(
        found,
        Row(Seq(Seq(4L), Seq(5L, 6L)), Seq(Seq(1f), Seq(2f)), Seq(Seq("x"), Seq(), Seq()))
      )
      assertRows(
        read(folder, "empty ARRAY<ARRAY<BIGINT>>, floats ARRAY<FLOAT>", sequence),
        Row(Seq(), Seq(1f, 2f))
      )
      assertFails("rows") {
        val rows = frame("rows ARRAY<ARRAY<INT>>", Row(Seq(Seq(1), null)))
        write(rows, new File(folder, "out"), sequence)
      }
    }
  }

  test("ByteArray: one column in, the column byteArray out") {
    withTempDir { folder =>
      val path = new File(folder, "out")
      val bytes = "recordType" -> "ByteArray"
      write(frame("proto BINARY", Row(Array[Byte](1, 2)), Row(Array.empty[Byte])), path, bytes)
      val found = load(source, path, bytes)
      assert(found.schema == new StructType().add("byteArray", BinaryType))
      assertRows(found, Row(Array[Byte](1, 2)), Row(Array.empty[Byte]))
      assertRows(read(path, "proto BINARY", bytes), Row(Array[Byte](1, 2)), Row(Array.empty[Byte]))
      assertFails("ByteArray", "number") {
        val two = frame("proto BINARY, number INT", Row(Array[Byte](1), 1))
        write(two, new File(folder, "two"), bytes)
      }
    }
  }

  test("types without a place are refused before a task runs") {
    val refused = Seq(
      "MAP<STRING, INT>" -> Map("a" -> 1),
      "STRUCT<a: INT>" -> Row(1),
      "ARRAY<ARRAY<INT>>" -> Seq(Seq(1))
    )
    refused.foreach { case (dataType, value) =>
      withTempDir { folder =>
        val path = new File(folder, "out")
        assertFails("odd")(write(frame(s"odd $dataType", Row(value)), path))
        assert(!Store.exists(path))
      }
    }
  }

  test("decimals that an old writer stored without their scale can be brought back") {
    withTempDir { folder =>
      writeExamples(new File(folder, "old.tfrecord"), example("price" -> floats(1234f)))
      val repaired = read(folder, "price DOUBLE")
        .selectExpr("CAST(price / 100 AS DECIMAL(10, 2)) AS price")
      assertRows(repaired, Row(new BigDecimal("12.34")))
    }
  }
}

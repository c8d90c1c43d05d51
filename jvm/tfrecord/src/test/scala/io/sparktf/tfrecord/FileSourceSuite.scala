package io.sparktf.tfrecord

import java.io.File
import java.security.MessageDigest

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.{broadcast, col, lit, sha2}

import Records._

/** What a user of any of Spark's file sources relies on. */
class FileSourceSuite extends TFRecordSuite {

  private val schema = "id BIGINT, name STRING, weight FLOAT, tags ARRAY<STRING>, raw BINARY"

  private def row(i: Int): Row = Row(
    i.toLong,
    if (i % 4 == 0) null else s"name $i",
    i / 8f,
    if (i % 5 == 0) null else (0 until i % 5).map(t => s"tag $t of $i"),
    Array.tabulate[Byte](i % 7)(b => (b + i).toByte)
  )

  private val rows = (0 until 300).map(row)

  /** Three partitions of three files each, and a column that only the folders have. */
  private def withFiles(check: File => Unit): Unit = withTempDir { folder =>
    val out = new File(folder, "out")
    frame(schema, rows: _*).withColumn("part", col("id") % 3).repartition(3, col("id"))
      .write.format(source).partitionBy("part").save(out.getPath)
    check(out)
  }

  private def table(out: File): DataFrame = read(out, schema + ", part BIGINT")

  test("counts: of all rows, of a partition, of rows that a filter keeps") {
    withFiles { out =>
      assert(table(out).count() == 300)
      assert(infer(out).count() == 300)
      assert(table(out).where("part = 1").count() == 100)
      assert(table(out).where("part > 5").count() == 0)
      assert(table(out).where("weight >= 10").count() == rows.count(_.getFloat(2) >= 10))
      assertSameRows(
        table(out).groupBy("part").count(),
        Row(0L, 100L),
        Row(1L, 100L),
        Row(2L, 100L)
      )
      assertRows(table(out).selectExpr("count(*)", "count(name)"), Row(300L, 225L))
    }
  }

  test("any choice of columns in any order has the values that all of them have", LocalOnlyTest) {
    withFiles { out =>
      val names = table(out).columns.toVector
      val all = table(out).orderBy("id").collect().toVector
      val choices = names.map(Vector(_)) ++ names.combinations(2) ++ Vector(names.reverse)
      for (choice <- choices) {
        val found = table(out).select(("id" +: choice).map(col): _*).collect().sortBy(_.getLong(0))
        val expected = all.map(row => Row.fromSeq(row.get(0) +: choice.map(row.getAs[Any](_))))
        assert(Shown.show(found.toVector) == Shown.show(expected), choice)
      }
    }
  }

  test("only partition columns") {
    withFiles { out =>
      assertSameRows(table(out).select("part"), rows.map(row => Row(row.getLong(0) % 3)): _*)
      assertSameRows(table(out).select("part").distinct(), Row(0L), Row(1L), Row(2L))
      assertSameRows(table(out).where("part < 2").selectExpr("max(part)"), Row(1L))
    }
  }

  test("the _metadata columns, alone and beside others") {
    withFiles { out =>
      val files = dataFiles(out)
      val found = table(out).selectExpr(
        "_metadata.file_name",
        "_metadata.file_size",
        "part",
        "id",
        "_metadata.file_path"
      ).collect()
      assert(found.map(_.getString(0)).toSet == files.map(_.getName).toSet)
      for (one <- found) {
        val file = new File(out, s"part=${one.getLong(2)}/${one.getString(0)}")
        assert(one.getLong(1) == file.length && one.getLong(3) % 3 == one.getLong(2))
        assert(one.getString(4).endsWith(file.getPath))
      }
      assert(table(out).select("_metadata.file_name").count() == 300)
      assert(table(out).select("_metadata.file_path").distinct().count() == files.size)
    }
  }

  test("rows stay what they were while others are read: collected, sorted, cached, joined") {
    withFiles { out =>
      val expected = rows.map(row => Row.fromSeq(row.toSeq :+ (row.getLong(0) % 3)))
      assertSameRows(table(out), expected: _*)
      assertRows(table(out).orderBy("id"), expected: _*)
      assertRows(table(out).orderBy(col("id").desc).limit(300), expected.reverse: _*)
      assertRows(table(out).repartition(2).sortWithinPartitions("id").orderBy("id"), expected: _*)
      val cached = table(out).cache()
      try {
        assert(cached.count() == 300)
        assertRows(cached.orderBy("id"), expected: _*)
      } finally cached.unpersist(true)
      val small = table(out).where("id < 50").select("id", "name", "tags").toDF("id", "n", "t")
      for (right <- Seq(small, broadcast(small), small.hint("shuffle_hash"), small.hint("merge"))) {
        val joined = table(out).join(right, "id").orderBy("id")
          .select("id", "name", "n", "tags", "t")
        assertRows(
          joined,
          rows.take(50).map { row =>
            Row(row.get(0), row.get(1), row.get(1), row.get(3), row.get(3))
          }: _*
        )
      }
      assertRows(
        table(out).crossJoin(table(out).where("id < 2").select(col("id").as("other")))
          .where("id = 299").orderBy("other").select("id", "name", "other"),
        Row(299L, "name 299", 0L),
        Row(299L, "name 299", 1L)
      )
      val iterator = table(out).orderBy("id").toLocalIterator()
      rows.foreach(row => assert(iterator.next().getLong(0) == row.getLong(0)))
    }
  }

  test("distinct and groupBy on strings, binaries and arrays", LocalOnlyTest) {
    withTempDir { folder =>
      val values = (0 until 200).map(i => Row(s"k${i % 3}", Seq(i % 2, 7), Array((i % 5).toByte)))
      val out = new File(folder, "out")
      write(frame("s STRING, l ARRAY<INT>, b BINARY", values: _*), out)
      val found = read(out, "s STRING, l ARRAY<INT>, b BINARY")
      assert(found.distinct().count() == 30)
      assert(found.select("b").distinct().count() == 5)
      assertRows(
        found.groupBy("s").count().orderBy("s"),
        Row("k0", 67L),
        Row("k1", 67L),
        Row("k2", 66L)
      )
      assertRows(
        found.groupBy("l").count().orderBy("l"),
        Row(Seq(0, 7), 100L),
        Row(Seq(1, 7), 100L)
      )
      assertRows(found.where("s = 'k1' AND l[0] = 1").selectExpr("count(*)"), Row(34L))
    }
  }

  test("columns of any name", LocalOnlyTest) {
    withTempDir { folder =>
      val names =
        Seq("with.dot", "with space", "数学", "`quoted`", "UPPER", "a/b:c", "$1", "line\nend")
      val ddl = names.map(name => s"`${name.replace("`", "``")}` BIGINT").mkString(", ")
      val out = new File(folder, "out")
      write(frame(ddl, Row.fromSeq(names.indices.map(_.toLong))), out)
      assertRows(read(out, ddl), Row.fromSeq(names.indices.map(_.toLong)))
      assert(infer(out).columns.toSeq == names)
      assertRows(infer(out).select("`with.dot`", "`数学`", "`with space`"), Row(0L, 2L, 1L))
    }
  }

  test("partition columns of any name and values of any characters") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val values = Seq("a=b", "ü/数", "% %20", "...", null)
      val data = values.zipWithIndex.map { case (value, i) => Row(i.toLong, value) }
      frame("id BIGINT, `the key.数` STRING", data: _*)
        .write.format(source).partitionBy("the key.数").save(out.getPath)
      assertSameRows(read(out, "id BIGINT, `the key.数` STRING"), data: _*)
      assertRows(
        read(out, "id BIGINT, `the key.数` STRING").where(col("`the key.数`") === "% %20"),
        data(2)
      )
    }
  }

  for (
    (size, tags) <- Seq(
      1000L -> Seq(LocalOnlyTest, FormatOnlyTest), // 2,600 tasks
      4097L -> Seq(LocalOnlyTest),
      100000L -> Nil
    )
  ) {
    test(
      s"a file is read once in splits of $size bytes, with other files inside its records",
      tags: _*
    ) {
      withTempDir { folder =>
        val inner = framed((0 until 40).map(i => example("id" -> int64s(i.toLong)).toByteArray))
        val nested = (0 until 300).map { i =>
          example("id" -> int64s(i.toLong), "raw" -> bytes(framed(Seq.fill(1 + i % 3)(inner))))
        }
        val file = writeExamples(new File(folder, "data.tfrecord"), nested: _*)
        // Frames only, from the first byte of the payload on.
        val bare = (0 until 200).map(i => if (i % 2 == 0) inner else nested(i).toByteArray)
        writeFile(new File(folder, "bare/data.tfrecord"), framed(bare))
        inSplits(size) {
          val found = read(file, "id BIGINT, raw BINARY")
          assert(found.rdd.getNumPartitions == (file.length + size - 1) / size)
          assert(found.select("id").collect().map(_.getLong(0)).sorted.toSeq == (0L until 300L))
          assert(found.count() == 300)
          assertRows(
            found.selectExpr("sum(length(raw))"),
            Row(nested.map { message =>
              message.getFeatures.getFeatureOrThrow("raw").getBytesList.getValue(0).size.toLong
            }.sum)
          )
          assert(read(new File(folder, "bare"), "none FLOAT").count() == 200)
        }
      }
    }
  }

  test("a large record between small ones") {
    withTempDir { folder =>
      val large = Array.tabulate[Byte](30 * 1000 * 1000)(i => (i * 31).toByte)
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("b" -> bytes(Array[Byte](1))),
        example("b" -> bytes(large)),
        example("b" -> bytes(Array[Byte](3)))
      )
      assertRows(
        read(folder, "b BINARY").select(sha2(col("b"), 256)),
        Seq(Array[Byte](1), large, Array[Byte](3)).map { bytes =>
          val digest = MessageDigest.getInstance("SHA-256").digest(bytes)
          Row(digest.map(byte => f"$byte%02x").mkString)
        }: _*
      )
    }
  }

  test("a list of paths and a glob") {
    withTempDir { folder =>
      for (name <- Seq("a/x.tfrecord", "b/y.tfrecord", "c/z.tfrecord")) {
        writeExamples(new File(folder, name), example("n" -> int64s(name.head.toLong)))
      }
      val reader = spark.read.format(source)
      val two = Seq("a", "c").map(name => new File(folder, name).getPath)
      assertSameRows(reader.load(two: _*), Row('a'.toLong), Row('c'.toLong))
      assertSameRows(reader.load(s"$folder/[ab]/*.tfrecord"), Row('a'.toLong), Row('b'.toLong))
      assertRows(reader.load(s"$folder/b/y.tfrecord").withColumn("m", lit(1)), Row('b'.toLong, 1))
    }
  }
}

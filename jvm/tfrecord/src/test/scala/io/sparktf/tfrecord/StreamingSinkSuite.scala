package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.streaming.{DataStreamWriter, Trigger}
import org.apache.spark.sql.types._

import Records._

/** Folders that a stream writes. */
class StreamingSinkSuite extends TableSuite {

  private val schema = "id BIGINT, day INT"

  /** A stream's folders; its source is JSON, so that here only the sink is tfrecord. */
  private class Stream(folder: File) {
    val out = new File(folder, "out")
    private val in = new File(folder, "in")
    private val checkpoint = new File(folder, "checkpoint")

    def add(ids: Int*): Unit = {
      val lines = ids.map(id => s"""{"id": $id, "day": ${id % 2}}""")
      val file = new File(in, s"${ids.head}.json")
      writeFile(file, lines.mkString("\n").getBytes("UTF-8"))
      // The source takes files by age, and of two that are as old either of them first.
      Store.setLastModified(file, 1600000000000L + 1000L * ids.head)
    }

    def run(set: DataStreamWriter[Row] => DataStreamWriter[Row] = identity): Unit = {
      val rows = spark.readStream.schema(schema).option("maxFilesPerTrigger", 1).json(in.getPath)
      val query = set(rows.writeStream.format(source))
        .option("checkpointLocation", checkpoint.getPath)
        .trigger(Trigger.AvailableNow()).start(out.getPath)
      try query.awaitTermination()
      finally query.stop()
    }

    /** Takes back the last `count` commits, as if the driver had died before it noted them. */
    def forgetCommits(count: Int): Unit = lastOf(new File(checkpoint, "commits"), count)

    /** Takes back the sink's own note of its last batch, whose files then are nobody's. */
    def forgetLastBatch(): Unit = lastOf(new File(out, "_spark_metadata"), 1)

    private def lastOf(log: File, count: Int): Unit = {
      Store.fetch(log)
      val batches = log.list().filter(_.matches("\\d+")).sortBy(_.toInt)
      batches.takeRight(count).foreach { name =>
        Store.delete(new File(log, name))
        Store.delete(new File(log, s".$name.crc"))
      }
    }

    def ids: Seq[Long] = idsOf(read(out, schema))
  }

  private def idsOf(rows: DataFrame): Seq[Long] =
    rows.select("id").collect().map(_.getLong(0)).sorted.toSeq

  private def withStream(body: Stream => Unit): Unit =
    withTempDir(folder => body(new Stream(folder)))

  test("batches are written once, over any number of restarts") {
    withStream { stream =>
      stream.add(1, 2)
      stream.add(3)
      stream.run()
      stream.run()
      assert(stream.ids == Seq(1, 2, 3))
      stream.add(4)
      stream.run()
      assert(stream.ids == Seq(1, 2, 3, 4))
      assert(idsOf(infer(stream.out)) == Seq(1, 2, 3, 4))
    }
  }

  test("a driver that dies before the commit is noted: the batch is in the folder once") {
    withStream { stream =>
      stream.add(1, 2)
      stream.add(3)
      stream.run()
      val files = dataFiles(stream.out)
      stream.forgetCommits(1)
      stream.run()
      assert(stream.ids == Seq(1, 2, 3) && dataFiles(stream.out) == files)
    }
  }

  test("files of a batch that never ended are left out, and what others put there too") {
    withStream { stream =>
      stream.add(1, 2)
      stream.add(3)
      stream.run()
      val files = dataFiles(stream.out).size
      stream.forgetCommits(1)
      stream.forgetLastBatch()
      assert(stream.ids == Seq(1, 2))
      stream.run()
      writeExamples(new File(stream.out, "other.tfrecord"), example("id" -> int64s(99)))
      assert(dataFiles(stream.out).size == files + 2)
      assert(stream.ids == Seq(1, 2, 3))
      assert(infer(stream.out).count() == 3)
      // A glob names the files, so it finds them all.
      assert(idsOf(read(new File(stream.out, "*.tfrecord"), schema)) == Seq(1, 2, 3, 3, 99))
    }
  }

  test("partitionBy with options of the source, read as partitions, by a stream too") {
    withStream { stream =>
      stream.add(1, 2, 3)
      stream.add(4)
      stream.run(_.partitionBy("day").option("compression", "gzip"))
      assert(pathsIn(stream.out).forall(_.matches("day=[01]/part-.*\\.tfrecord\\.gz")))
      assert(readExamples(stream.out).forall(_.getFeatures.getFeatureCount == 1))
      assertSameRows(
        read(stream.out, schema),
        (1 to 4).map(id => Row(id.toLong, id % 2)): _*
      )
      assertRows(infer(stream.out).where("day = 0").selectExpr("sum(id)"), Row(6L))
      val query = spark.readStream.format(source).schema(schema).load(stream.out.getPath)
        .writeStream.format("memory").queryName("onward").trigger(Trigger.AvailableNow()).start()
      try query.awaitTermination()
      finally query.stop()
      assertSameRows(spark.table("onward"), (1 to 4).map(id => Row(id.toLong, id % 2)): _*)
    }
  }

  test(
    "a null is never a 0 where a reader's schema says NOT NULL, which Spark keeps for such folders"
  ) {
    withStream { stream =>
      stream.add(1, 2)
      stream.run()
      val folder = stream.out
      // A folder that a batch wrote has no such columns, whatever the schema says.
      val given = StructType(Seq(
        StructField("none", ArrayType(LongType), nullable = true),
        StructField("id", LongType, nullable = false),
        StructField("gone", LongType, nullable = false)
      ))
      val found = read(folder, given)
      assert(found.schema("gone").nullable == false)
      assertRows(found.selectExpr("sum(id)"), Row(3L))
      assertSameRows(found.selectExpr("id + 1"), Row(2L), Row(3L))
      for (query <- Seq("gone", "gone + 1", "sum(gone)"))
        assertFails(
          ".tfrecord",
          "`gone`",
          "NOT NULL",
          "nullable"
        )(found.selectExpr(query).collect())
      assertFails("NOT NULL", "nullable")(read(folder, given, "mode" -> "PERMISSIVE").collect())
      assertRows(read(folder, given, "mode" -> "DROPMALFORMED"))
      assertRows(read(folder, "none ARRAY<BIGINT>, gone BIGINT").distinct(), Row(null, null))
    }
  }

  test("records that are bytes, in the folders of partitions and with a schema") {
    withTempDir { folder =>
      val bytes = "recordType" -> "ByteArray"
      writeFile(new File(folder, "in/1.json"), """{"id": 1, "day": 5}""".getBytes("UTF-8"))
      val query = spark.readStream.schema(schema).json(folder.getPath + "/in")
        .selectExpr("CAST(id AS STRING) AS line", "day")
        .writeStream.format(source).partitionBy("day").options(Map(bytes))
        .option("checkpointLocation", s"$folder/c").trigger(Trigger.AvailableNow())
        .start(s"$folder/out")
      try query.awaitTermination()
      finally query.stop()
      val found = read(new File(folder, "out"), "line STRING, day INT", bytes)
      assertRows(found, Row("1", 5))
      assertRows(found.select("day"), Row(5))
    }
  }

  test("a row that cannot be written fails its batch, of which nothing is read") {
    withStream { stream =>
      stream.add(1)
      stream.run()
      stream.add(2)
      val query = intercept[Exception] {
        val rows = spark.readStream.schema(schema).json(new File(stream.out, "../in").getPath)
          .selectExpr("array(id, NULL) AS bad")
        val failing = rows.writeStream.format(source).trigger(Trigger.AvailableNow())
          .option("checkpointLocation", new File(stream.out, "../other").getPath)
          .start(new File(stream.out, "../refused").getPath)
        try failing.awaitTermination()
        finally failing.stop()
      }
      assert(Iterator.iterate[Throwable](query)(_.getCause).takeWhile(_ != null)
        .exists(cause => String.valueOf(cause.getMessage).contains("bad")))
      // Another task of the batch may have left a file, which is in no batch's list.
      assertRows(read(new File(stream.out.getParentFile, "refused"), "bad ARRAY<INT>"))
      assert(stream.ids == Seq(1))
    }
  }

  test("a type or an option that cannot be is refused, and other modes than append, as Parquet's") {
    withTempDir { folder =>
      writeFile(new File(folder, "in/1.json"), """{"id": 1}""".getBytes("UTF-8"))
      val rows = spark.readStream.schema("id BIGINT").json(folder.getPath + "/in")
      def start(rows: DataFrame, name: String, set: (String, String)): Unit = {
        val query = rows.writeStream.format(source).option(set._1, set._2)
          .option("checkpointLocation", s"$folder/c$name").trigger(Trigger.AvailableNow())
          .start(s"$folder/out$name")
        try query.awaitTermination()
        finally query.stop()
      }
      assertFails("extras", "map") {
        start(rows.selectExpr("map('a', id) AS extras"), "1", "a" -> "b")
      }
      assertFails("compression", "lzip")(start(rows, "2", "compression" -> "lzip"))
      assertAsParquet { (format, out) =>
        rows.groupBy("id").count().writeStream.format(format).outputMode("complete")
          .option("checkpointLocation", s"$out/c").start(s"$out/out")
      }
    }
  }

  test("toTable and foreachBatch") {
    withTempDir { folder =>
      writeFile(new File(folder, "in/1.json"), """{"id": 1, "day": 5}""".getBytes("UTF-8"))
      def rows = spark.readStream.schema(schema).json(folder.getPath + "/in")
        .writeStream.trigger(Trigger.AvailableNow())
      withTable("streamed") {
        val toTable = rows.format(source).partitionBy("day")
          .option("checkpointLocation", s"$folder/c1").toTable("streamed")
        try toTable.awaitTermination()
        finally toTable.stop()
        assertRows(sql("SELECT * FROM streamed"), Row(1L, 5))
      }
      val append: (DataFrame, Long) => Unit = (batch, _) =>
        batch.write.format(source).mode("append").save(s"$folder/batches")
      val query = rows.foreachBatch(append).option("checkpointLocation", s"$folder/c2").start()
      try query.awaitTermination()
      finally query.stop()
      assert(readExamples(new File(folder, "batches")) ==
        Vector(example("id" -> int64s(1), "day" -> int64s(5))))
    }
  }
}

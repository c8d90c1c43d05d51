package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.{functions, DataFrame, Row}
import org.apache.spark.sql.execution.FilterExec
import org.apache.spark.sql.execution.exchange.ShuffleExchangeLike
import org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanHelper
import org.apache.spark.sql.execution.datasources.v2.BatchScanExec

import Records._

/** What a read by Data Source V2 does before there are rows: pushed counts and limits, and keys. */
class PushDownSuite extends TableSuite with AdaptiveSparkPlanHelper {

  private def load(path: File, options: (String, String)*): DataFrame =
    spark.read.format("tfrecordv2").options(options.toMap).load(path.getPath)

  /** What `explain` shows of the reads. */
  private def scans(query: DataFrame): Seq[String] =
    collect(query.queryExecution.executedPlan) { case scan: BatchScanExec =>
      scan.scan.description
    }

  private def shuffles(query: DataFrame): Int =
    collect(query.queryExecution.executedPlan) { case shuffle: ShuffleExchangeLike =>
      shuffle
    }.length

  private def junk(file: File): File = writeFile(file, Array[Byte](1, 2, 3))

  /** Three days of 2, 3 and 4 records, in two files each. */
  private def withDays(body: File => Unit): Unit = withTempDir { folder =>
    for (day <- 1 to 3; part <- 0 to 1) {
      val records = (0 to day).filter(_ % 2 == part).map { n =>
        example("id" -> int64s(10L * day + n), "s" -> strings(s"s$n"))
      }
      writeExamples(new File(folder, s"day=$day/$part.tfrecord"), records: _*)
    }
    body(folder)
  }

  test(
    "a read is one of Data Source V2, and its writes, tables and streams are the FileFormat's",
    LocalOnlyTest
  ) {
    withDays { folder =>
      val Seq(scan) = scans(load(folder).select("id"))
      assert(scan.startsWith("TFRecordScan"))
      assert(scan.contains("ReadSchema: struct<id:bigint>"))
      val out = new File(folder.getParentFile, folder.getName + "-out")
      load(folder).write.format("tfrecordv2").partitionBy("day").save(out.getPath)
      assertSameRows(load(out), load(folder).collect().toSeq: _*)
      withTable("days") {
        sql(s"CREATE TABLE days USING tfrecordv2 PARTITIONED BY (day) AS SELECT * FROM " +
          s"tfrecordv2.`$out`")
        sql("INSERT INTO days VALUES (1, 'x', 7)")
        assert(spark.table("days").count() == 10)
      }
    }
  }

  // ---------------------------------------------------------------------------- counts

  test("a count is answered by the source, in all and by partition columns", LocalOnlyTest) {
    withDays { folder =>
      val all = load(folder).groupBy().count()
      assertRows(all, Row(9L))
      assert(scans(all).head.contains("PushedAggregation: [COUNT(*)]"))
      assert(scans(all).head.contains("ReadSchema: struct<count_0:bigint>"))
      val byDay = load(folder).groupBy("day").count()
      assertSameRows(byDay, Row(1, 2L), Row(2, 3L), Row(3, 4L))
      assert(scans(byDay).head.contains("PushedGroupBy: [day]"))
      val some = load(folder).where("day > 1").selectExpr("count(*) AS n", "count(1) + 1")
      assertRows(some, Row(7L, 8L))
      assert(scans(some).head.contains("PushedAggregation"))
      assertRows(load(folder).where("day > 5").selectExpr("count(*)"), Row(0L))
      assertRows(load(folder).where("day > 5").groupBy("day").count())
    }
  }

  test("what needs values, or a filter on rows, is counted by Spark", LocalOnlyTest) {
    withDays { folder =>
      val queries = Seq(
        load(folder).where("id > 20").selectExpr("count(*)") -> Row(6L),
        load(folder).selectExpr("count(s)") -> Row(9L),
        load(folder).selectExpr("count(*)", "max(id)") -> Row(9L, 33L),
        load(folder).selectExpr("count(DISTINCT day)") -> Row(3L),
        load(folder).groupBy("s").count().where("s = 's3'").select("count") -> Row(1L)
      )
      queries.foreach { case (query, expected) =>
        assertRows(query, expected)
        assert(!scans(query).head.contains("PushedAggregation"), query)
      }
    }
  }

  test("files without records add nothing to a count, not even a group", LocalOnlyTest) {
    withTempDir { folder =>
      writeExamples(new File(folder, "day=1/a.tfrecord"))
      assertRows(read(folder, "id BIGINT, day INT").selectExpr("count(*)"), Row(0L))
      val schema = "id BIGINT, day INT"
      val loaded = spark.read.format("tfrecordv2").schema(schema).load(folder.getPath)
      assertRows(loaded.selectExpr("count(*)"), Row(0L))
      assertRows(loaded.groupBy("day").count())
    }
  }

  /** The answers of both entrances, as values and by what is asked of them in SQL. */
  private def assertCounts(folder: File, schema: String)(queries: (String, Seq[Row])*): Unit =
    for (format <- Seq("tfrecordv2", "tfrecord"); (query, expected) <- queries) {
      spark.read.format(format).schema(schema).load(folder.getPath).createTempView("records")
      try withClue(s"$format: $query")(assertSameRows(sql(query), expected: _*))
      finally spark.catalog.dropTempView("records")
    }

  test("a count of nothing is 0 and no null, and a group of nothing is none", LocalOnlyTest) {
    withTempDir { folder =>
      writeExamples(new File(folder, "day=1/a.tfrecord"))
      writeExamples(new File(folder, "day=2/a.tfrecord"))
      for (where <- Seq("", "WHERE day = 2", "WHERE day = 9")) {
        assertCounts(folder, "id BIGINT, day INT")(
          // A getter of numbers would show a null as 0.
          s"SELECT count(*) IS NULL, count(*) = 0, count(1) + 1 FROM records $where" ->
            Seq(Row(false, true, 1L)),
          s"SELECT 'none' FROM records $where HAVING count(*) = 0" -> Seq(Row("none")),
          s"SELECT count(DISTINCT 1) FROM records $where" -> Seq(Row(0L)),
          s"SELECT id FROM range(1) WHERE id >= (SELECT count(*) FROM records $where)" ->
            Seq(Row(0L)),
          s"SELECT day, count(*) FROM records $where GROUP BY day" -> Seq()
        )
      }
    }
    withTempDir { folder =>
      assertCounts(folder, "id BIGINT")(
        "SELECT count(*) IS NULL, count(*), count(DISTINCT 'x') FROM records" ->
          Seq(Row(false, 0L, 0L))
      )
    }
  }

  test("count(DISTINCT 1) counts no rows, which Spark pushes down as if it did", LocalOnlyTest) {
    withTempDir { folder =>
      val numbers = Seq(0, 1, 2, 3, 4, 5, 7, 8, 100, 1023)
      for (n <- numbers; day = n % 3) {
        val records = (0 until n).map(i => example("id" -> int64s(i.toLong)))
        writeExamples(new File(folder, s"day=$day/$n.tfrecord"), records: _*)
      }
      val days = numbers.groupBy(_ % 3).mapValues(_.sum.toLong).toSeq.sorted
      assertCounts(folder, "id BIGINT, day INT")(
        "SELECT count(*), count(DISTINCT 1) FROM records" -> Seq(Row(numbers.sum.toLong, 1L)),
        "SELECT count(DISTINCT 'x') FROM records WHERE day = 2" -> Seq(Row(1L)),
        "SELECT count(DISTINCT 1), day, count(*) FROM records GROUP BY day" ->
          days.map { case (day, n) => Row(1L, day, n) },
        "SELECT count(*) FILTER (WHERE id < 2) FROM records" -> Seq(Row(17L)),
        "SELECT count(*) FILTER (WHERE day = 1) FROM records" -> Seq(Row(days(1)._2)),
        "SELECT count(NULL), count(DISTINCT NULL), count(1, NULL) FROM records" ->
          Seq(Row(0L, 0L, 0L))
      )
    }
  }

  test("the reader of a task gives the same row until it is moved to the next", LocalOnlyTest) {
    withDays { folder =>
      val Seq(scan) = collect(load(folder).select("id").queryExecution.executedPlan) {
        case scan: BatchScanExec => scan
      }
      val ids = scan.batch.planInputPartitions().toSeq.flatMap { partition =>
        val rows = scan.readerFactory.createReader(partition)
        try
          Iterator.continually(rows).takeWhile(_.next()).map { _ =>
            assert(rows.get().getLong(0) == rows.get().getLong(0))
            rows.get().getLong(0)
          }.toVector
        finally rows.close()
      }
      assert(ids.sorted == Seq(10, 11, 20, 21, 22, 30, 31, 32, 33))
    }
  }

  test("a count of damaged files is what a count of their rows is", LocalOnlyTest) {
    withTempDir { folder =>
      val good = (0 until 5).map(i => example("id" -> int64s(i)).toByteArray)
      val file = new File(folder, "a.tfrecord")
      writeFile(file, framed(good) ++ framed(good).dropRight(3))
      writeExamples(new File(folder, "b.tfrecord"), example("id" -> int64s(7)))
      def count(options: (String, String)*): DataFrame =
        spark.read.format("tfrecordv2").schema("id BIGINT").options(options.toMap)
          .load(folder.getPath).selectExpr("count(*)")
      assertFails("a.tfrecord", "cut off")(count().collect())
      for (option <- Seq("ignoreCorruptFiles" -> "true", "mode" -> "DROPMALFORMED")) {
        assertRows(count(option), Row(10L))
        assert(scans(count(option)).head.contains("PushedAggregation"))
      }
      assertRows(count("mode" -> "PERMISSIVE"), Row(11L))
    }
  }

  // ---------------------------------------------------------------------------- limits

  test("a limit stops the opening of files", LocalOnlyTest) {
    withTempDir { folder =>
      for (i <- 10 until 30) {
        val file = new File(folder, s"$i.tfrecord")
        if (i == 10) {
          // The largest, so that Spark comes to it first.
          writeExamples(file, (0 until 20).map(n => example("id" -> int64s(n.toLong))): _*)
        } else junk(file)
      }
      val loaded = spark.read.format("tfrecordv2").schema("id BIGINT").load(folder.getPath)
      // Not `take`, which looks at one task after the other of itself.
      val limited = loaded.limit(15).selectExpr("sum(id)")
      assertRows(limited, Row(105L))
      assert(scans(limited).head.contains("PushedLimit: 15"))
      assert(loaded.limit(15).rdd.getNumPartitions == 1)
      intercept[Exception](loaded.limit(25).collect())
      intercept[Exception](loaded.where("id >= 0").limit(25).selectExpr("sum(id)").collect())
    }
  }

  test("limits of more rows than there are, of none, and behind filters", LocalOnlyTest) {
    withDays { folder =>
      assert(load(folder).limit(100).count() == 9)
      assert(load(folder).limit(5000).collect().length == 9)
      assert(load(folder).limit(0).collect().isEmpty)
      assert(load(folder).limit(4).count() == 4)
      assert(load(folder).where("day = 3").limit(3).collect().map(_.getInt(2)).toSet == Set(3))
      assert(load(folder).where("id = 33").limit(2).collect().length == 1)
      assertRows(load(folder).orderBy("id").limit(2).select("id"), Row(10L), Row(11L))
    }
  }

  // ---------------------------------------------------------------------------- partitions

  test(
    "a filter on partitions reads their files alone, and leaves no filter behind",
    LocalOnlyTest
  ) {
    withDays { folder =>
      Seq("day=1", "day=3").foreach(day => junk(new File(folder, s"$day/0.tfrecord")))
      val found = spark.read.format("tfrecordv2").schema("id BIGINT, day INT")
        .load(folder.getPath).where("day % 3 = 2")
      assertSameRows(found.select("id"), Row(20L), Row(21L), Row(22L))
      assert(scans(found).head.contains("PartitionFilters: ["))
      assert(collect(found.queryExecution.executedPlan) { case f: FilterExec => f }.isEmpty)
    }
  }

  test("a join reads the partitions alone that its other side has", LocalOnlyTest) {
    withDays { folder =>
      Seq("day=1", "day=3").foreach(day => junk(new File(folder, s"$day/0.tfrecord")))
      def joined(facts: DataFrame, dayType: String): DataFrame = {
        val days = Seq(1 -> "x", 2 -> "wanted", 3 -> "y")
          .map { case (day, name) => s"(CAST($day AS $dayType), rpad('$name', 6, ' '))" }
        // A table of values alone would be filtered before the join is planned.
        val out = new File(folder.getParentFile, s"${folder.getName}-$dayType")
        sql(s"SELECT * FROM VALUES ${days.mkString(", ")} AS t(day, name)")
          .write.mode("overwrite").parquet(out.getPath)
        val wanted = spark.read.parquet(out.getPath).where("name = 'wanted'")
        facts.join(functions.broadcast(wanted), "day").select("id")
      }
      def of(format: String): DataFrame =
        spark.read.format(format).schema("id BIGINT, day INT").load(folder.getPath)
      val wanted = Seq(Row(20L), Row(21L), Row(22L))
      assertSameRows(joined(of("tfrecordv2"), "INT"), wanted: _*)
      withConf("spark.sql.optimizer.dynamicPartitionPruning.enabled" -> "false") {
        intercept[Exception](joined(of("tfrecordv2"), "INT").collect())
      }
      // Where the types differ, Spark's Data Source V2 knows no such filter.
      assertSameRows(joined(of("tfrecord"), "BIGINT"), wanted: _*)
      intercept[Exception](joined(of("tfrecordv2"), "BIGINT").collect())
    }
  }

  test("a filter on _metadata reads its files alone", LocalOnlyTest) {
    withDays { folder =>
      junk(new File(folder, "day=1/1.tfrecord"))
      val found = spark.read.format("tfrecordv2").schema("id BIGINT, day INT")
        .load(folder.getPath).where("_metadata.file_name = '0.tfrecord' AND day < 3")
      assertSameRows(found.select("id"), Row(10L), Row(20L), Row(22L))
    }
  }

  test("two tables of the same partitions are joined without a shuffle", LocalOnlyTest) {
    withDays { left =>
      withDays { right =>
        withConf(
          "spark.sql.sources.v2.bucketing.enabled" -> "true",
          "spark.sql.requireAllClusterKeysForCoPartition" -> "false",
          "spark.sql.autoBroadcastJoinThreshold" -> "-1"
        ) {
          def joined = load(left).as("l").join(load(right).as("r"), "day")
            .groupBy("day").count()
          assertSameRows(joined, Row(1, 4L), Row(2, 9L), Row(3, 16L))
          assert(shuffles(joined) == 0)
          val grouped = load(left).groupBy("day").agg(functions.max("id"))
          assertSameRows(grouped, Row(1, 11L), Row(2, 22L), Row(3, 33L))
          assert(shuffles(grouped) == 0)
          // A partition that only one side has.
          writeExamples(new File(right, "day=9/0.tfrecord"), example("id" -> int64s(1)))
          assertSameRows(
            load(left).as("l").join(load(right).as("r"), Seq("day"), "right")
              .groupBy("day").count(),
            Row(1, 4L),
            Row(2, 9L),
            Row(3, 16L),
            Row(9, 1L)
          )
          // The keys stay what they were where a join's other side leaves files out.
          val one = load(right).where("id = 22").select("day")
          assertSameRows(
            load(left).join(one, "day").select("id"),
            Row(20L),
            Row(21L),
            Row(22L)
          )
        }
      }
    }
  }

  test(
    "large partitions are read by several tasks each, unless keys are asked for",
    LocalOnlyTest
  ) {
    withTempDir { folder =>
      for (day <- 1 to 2) {
        val records = (0 until 100).map(n => example("id" -> int64s(1000L * day + n)))
        writeExamples(new File(folder, s"day=$day/a.tfrecord"), records: _*)
      }
      inSplits(500) {
        val tasks = load(folder).rdd.getNumPartitions
        assert(tasks > 4, tasks)
        withConf("spark.sql.sources.v2.bucketing.enabled" -> "true") {
          assert(load(folder).count() == 200)
          assert(load(folder).groupBy("day").agg(functions.max("id")).collect().length == 2)
        }
        withConf("spark.sql.sources.v2.bucketing.enabled" -> "false") {
          assert(load(folder).rdd.getNumPartitions == tasks)
        }
      }
    }
  }

  // ---------------------------------------------------------------------------- plans

  test("the size of the files that are read is what joins are planned by", LocalOnlyTest) {
    withDays { folder =>
      val size = dataFiles(folder).map(_.length).sum
      assert(load(folder).queryExecution.optimizedPlan.stats.sizeInBytes == size)
      val of3 = dataFiles(new File(folder, "day=3")).map(_.length).sum
      assert(load(folder).where("day = 3").queryExecution.optimizedPlan.stats.sizeInBytes == of3)
    }
  }

  test("a cached read is read anew when its files are written over", LocalOnlyTest) {
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame("id BIGINT", Row(1L)), out)
      val cached = load(out).cache()
      assertRows(cached, Row(1L))
      frame("id BIGINT", Row(2L)).write.format("tfrecordv2").mode("overwrite").save(out.getPath)
      assertRows(load(out), Row(2L))
      cached.unpersist()
    }
  }

  test("reads that differ in an option are not taken for one", LocalOnlyTest) {
    withTempDir { folder =>
      writeFile(
        new File(folder, "a.tfrecord"),
        framed(Seq(
          example("id" -> int64s(1)).toByteArray,
          Array[Byte](1, 2, 3)
        ))
      )
      def rows(mode: String) = spark.read.format("tfrecordv2").schema("id BIGINT")
        .option("mode", mode).load(folder.getPath).repartition(2)
      val both = rows("PERMISSIVE").union(rows("DROPMALFORMED"))
      assertSameRows(both, Row(1L), Row(null), Row(1L))
    }
  }
}

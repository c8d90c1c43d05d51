package io.sparktf.tfrecord

import java.io.File
import java.net.URI
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit.SECONDS

import org.apache.spark.scheduler._
import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.expressions.Window
import org.apache.spark.sql.functions._
import org.apache.spark.storage.StorageLevel

import Records._

/** The ways in which Spark may run a query over the files, by its settings and by the query. */
class ExecutionSuite extends TableSuite {

  private val schema = "id BIGINT, name STRING, l ARRAY<INT>, part INT"

  private val rows = (0 until 120).map { i =>
    Row(i.toLong, if (i % 7 == 0) null else s"n${i % 5}", Seq.fill(i % 3)(i), i % 2)
  }

  private def withFiles(body: File => Unit): Unit = withTempDir { folder =>
    val out = new File(folder, "out")
    frame(schema, rows: _*).repartition(2).write.format(source).partitionBy("part")
      .save(out.getPath)
    body(out)
  }

  private def query(out: File): DataFrame = {
    val all = read(out, schema)
    val counts = all.where("name IS NOT NULL").groupBy("name", "part")
      .agg(count(lit(1)).as("n"), sum(size(col("l"))).as("values"))
    all.join(counts, Seq("name", "part")).where("id % 10 = 3 AND part = 1")
      .select("id", "name", "l", "n", "values").orderBy("id")
  }

  private lazy val expected = {
    val named = rows.filter(row => row.get(1) != null && row.getInt(3) == 1).groupBy(_.get(1))
    rows.filter(row => row.getLong(0) % 10 == 3 && row.get(1) != null).map { row =>
      val group = named(row.get(1))
      val values = group.map(_.getAs[collection.Seq[Int]](2).size.toLong).sum
      Row(row.get(0), row.get(1), row.get(2), group.size.toLong, values)
    }
  }

  for (
    settings <- Seq(
      Seq("spark.sql.codegen.wholeStage" -> "false"),
      Seq(
        "spark.sql.codegen.wholeStage" -> "false",
        "spark.sql.codegen.factoryMode" -> "NO_CODEGEN"
      ),
      Seq("spark.sql.adaptive.enabled" -> "false"),
      Seq(
        "spark.sql.adaptive.enabled" -> "false",
        "spark.sql.autoBroadcastJoinThreshold" -> "-1",
        "spark.sql.join.preferSortMergeJoin" -> "false"
      ),
      Seq(
        "spark.sql.parquet.enableVectorizedReader" -> "false",
        "spark.sql.inMemoryColumnarStorage.enableVectorizedReader" -> "false"
      ),
      Seq("spark.sql.files.maxPartitionBytes" -> "300", "spark.sql.files.openCostInBytes" -> "1"),
      Seq("spark.sql.files.minPartitionNum" -> "9"),
      Seq("spark.sql.sources.useV1SourceList" -> ""),
      Seq("spark.sql.sources.parallelPartitionDiscovery.threshold" -> "0"),
      Seq("spark.sql.optimizer.dynamicPartitionPruning.enabled" -> "false")
    )
  ) {
    val all = settings.map { case (key, value) => s"$key=$value" }.mkString(", ")
    // The others change nothing about how files are found, split and opened.
    val tags = if (all.contains("spark.sql.files.") || all.contains("Discovery")) Nil
    else Seq(LocalOnlyTest)
    test(s"the same rows with $all", tags: _*) {
      withFiles { out =>
        assert(expected.size > 5)
        withConf(settings: _*)(assertRows(query(out), expected: _*))
      }
    }
  }

  test("kept in memory, on disk, serialized, and cut off from its files") {
    withFiles { out =>
      for (level <- Seq("MEMORY_ONLY", "DISK_ONLY", "MEMORY_AND_DISK_SER")) {
        val kept = read(out, schema).persist(StorageLevel.fromString(level))
        try {
          assert(kept.count() == 120)
          assertSameRows(kept.where("id < 3"), rows.take(3): _*)
          assertRows(kept.selectExpr("count(name)", "sum(id)"), Row(102L, 7140L))
        } finally kept.unpersist(true)
      }
      val cut = read(out, schema).localCheckpoint()
      dataFiles(out).foreach(file => writeFile(file, Array[Byte](1)))
      assertSameRows(cut, rows: _*)
    }
  }

  test("input_file_name, inputFiles and the blocks' offsets name the files") {
    withFiles { out =>
      val files = dataFiles(out).toSet
      val named = read(out, schema).select(input_file_name(), col("part")).distinct().collect()
        .map(row => new File(URI.create(row.getString(0)).getPath) -> row.getInt(1))
      assert(named.map(_._1).toSet == files)
      assert(named.forall { case (file, part) => file.getParentFile.getName == s"part=$part" })
      assert(read(out, schema).inputFiles.map(name => new File(URI.create(name).getPath)).toSet ==
        files)
      val blocks = read(out, schema).selectExpr(
        "input_file_block_start() AS start",
        "input_file_block_length() AS length",
        "_metadata.file_size AS size"
      )
      assert(blocks.where("start = 0 AND length = size").count() == 120)
    }
  }

  test("a limit, a sample, take and first leave files before their end") {
    withFiles { out =>
      val all = read(out, schema)
      assert(all.limit(5).count() == 5 && all.take(3).length == 3 && !all.isEmpty)
      assert(rows.map(_.getLong(0)).contains(all.first().getLong(0)))
      val some = all.sample(0.3, 7).collect()
      assert(some.nonEmpty && some.length < 120)
      assert(all.where("id > 5").limit(1000).count() == 114)
      assert(all.select("part").tail(2).length == 2)
    }
  }

  test(
    "unions, differences, windows, subqueries, functions of a user's own, and the RDD",
    LocalOnlyTest
  ) {
    withFiles { out =>
      val all = read(out, schema)
      assert(all.union(all).count() == 240 && all.union(all).distinct().count() == 120)
      assert(all.except(all.where("part = 1")).count() == 60)
      assert(all.intersect(all.where("id >= 100")).count() == 20)
      val before = lag(col("id"), 1).over(Window.partitionBy("part").orderBy("id"))
      assertRows(
        all.withColumn("before", before).where("id IN (0, 118)").select("before").orderBy("id"),
        Row(null: Any),
        Row(116L)
      )
      all.createOrReplaceTempView("files")
      assertRows(
        sql("SELECT id FROM files f WHERE id = (SELECT max(id) FROM files WHERE part = f.part) " +
          "AND EXISTS (SELECT 1 FROM files WHERE name = 'n3') ORDER BY id"),
        Row(118L),
        Row(119L)
      )
      val length = udf((l: scala.collection.Seq[Int]) => l.length)
      assertRows(all.agg(sum(length(col("l")))), Row(120L))
      assert(all.rdd.map(row => row.getLong(0)).sum() == 7140)
      assertRows(all.select(explode(col("l")).as("v")).selectExpr("count(v)"), Row(120L))
    }
  }

  test(
    "a plan shows the source, the columns that are read, and the partitions' filters",
    LocalOnlyTest
  ) {
    withFiles { out =>
      val found = read(out, schema).where("part = 1 AND id > 5").select("name")
      val plan = found.queryExecution.executedPlan.toString
      val byV2 = source == "tfrecordv2"
      assert(plan.contains(if (byV2) "BatchScan tfrecordv2" else "FileScan tfrecord"))
      assert(plan.contains("Format: TFRecord"))
      assert(plan.contains("ReadSchema: struct<id:bigint,name:string>"))
      assert(plan.matches("(?s).*PartitionFilters: \\[[^\\]]*part#\\d+ = 1.*"))
      val none = read(out, schema).groupBy().count().queryExecution.executedPlan.toString
      assert(none.contains(if (byV2) "PushedAggregation: [COUNT(*)]" else "ReadSchema: struct<>"))
    }
  }

  test("tasks report the rows that they read and write, and the bytes that they write") {
    withFiles { out =>
      val totals = new Totals("totals")
      spark.sparkContext.addSparkListener(totals)
      spark.sparkContext.setJobGroup("totals", "")
      try {
        read(out, schema).where("id < 10").coalesce(1).write.format(source)
          .save(out.getPath + "2")
        assert(totals.ended.await(60, SECONDS))
      } finally {
        spark.sparkContext.clearJobGroup()
        spark.sparkContext.removeSparkListener(totals)
      }
      assert(totals.read == 120 && totals.written == 10)
      assert(totals.writtenBytes == dataFiles(new File(out.getPath + "2")).map(_.length).sum)
    }
  }

  test("a task's error reaches the driver as classes that every driver has, with all it says") {
    withFiles { out =>
      // A driver of Spark Connect reads it without the session's jars, and would lose it.
      val wrong = read(out, "id STRING")
      writeFile(new File(out, "part=7/damaged.tfrecord"), Array[Byte](1))
      val damaged = read(out, "id BIGINT").where("part = 7")
      for (
        (failing, text) <- Seq(wrong -> "int64_list", damaged -> "damaged.tfrecord: at offset 0")
      ) {
        val error = intercept[Exception](failing.collect())
        val causes = Iterator.iterate[Throwable](error)(_.getCause).takeWhile(_ != null).toVector
        assert(causes.map(_.getClass.getName).forall(name => !name.startsWith("io.sparktf")))
        assert(causes.exists { cause =>
          cause.getMessage.contains(text) && !cause.getMessage.contains("stage failure") &&
          cause.getStackTrace.exists(_.getClassName.startsWith("io.sparktf"))
        })
      }
    }
  }

  test("spark.sql.sources.default and spark.sql.files.maxRecordsPerFile") {
    withTempDir { folder =>
      withConf(
        "spark.sql.sources.default" -> source,
        "spark.sql.files.maxRecordsPerFile" -> "4"
      ) {
        val out = new File(folder, "out").getPath
        spark.range(0, 10, 1, 1).write.save(out)
        assert(dataFiles(new File(out)).map(file => readRecords(file).size).sorted == Seq(2, 4, 4))
        assert(spark.read.load(out).count() == 10)
        withConf("spark.sql.legacy.createHiveTableByDefault" -> "false") {
          withTable("bare") {
            sql("CREATE TABLE bare (n INT)")
            sql("INSERT INTO bare VALUES (1)")
            assert(readExamples(locationOf("bare")) == Vector(example("n" -> int64s(1))))
          }
        }
      }
    }
  }
}

/** What the tasks of a group's first job have reported. */
final private class Totals(group: String) extends SparkListener {
  val ended = new CountDownLatch(1)
  @volatile var read = 0L
  @volatile var written = 0L
  @volatile var writtenBytes = 0L
  private var job = -1
  private var stages = Set.empty[Int]

  override def onJobStart(start: SparkListenerJobStart): Unit =
    if (job < 0 && start.properties.getProperty("spark.jobGroup.id") == group) {
      job = start.jobId
      stages = start.stageIds.toSet
    }

  override def onTaskEnd(task: SparkListenerTaskEnd): Unit = if (stages(task.stageId)) {
    read += task.taskMetrics.inputMetrics.recordsRead
    written += task.taskMetrics.outputMetrics.recordsWritten
    writtenBytes += task.taskMetrics.outputMetrics.bytesWritten
  }

  override def onJobEnd(end: SparkListenerJobEnd): Unit = if (end.jobId == job) ended.countDown()
}

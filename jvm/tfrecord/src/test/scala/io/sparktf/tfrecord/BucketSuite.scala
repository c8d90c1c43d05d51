package io.sparktf.tfrecord

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.{broadcast, col, expr}

import Records._

/** Tables in buckets: rows are where Spark expects them, and it shuffles and reads less for it. */
@LocalOnly
class BucketSuite extends TableSuite {

  private val rows = (0 until 200).map(i => Row(i.toLong, s"name $i", i % 3))

  /** Two tables of the same rows, each with several files for a bucket and a partition column. */
  private def withBuckets(body: => Unit): Unit = withTable("one", "two") {
    for (table <- Seq("one", "two")) {
      sql(s"CREATE TABLE $table (id BIGINT, name STRING, part INT) USING $source " +
        "PARTITIONED BY (part) CLUSTERED BY (id) SORTED BY (id) INTO 4 BUCKETS")
      rows.grouped(100).foreach { some =>
        frame("id BIGINT, name STRING, part INT", some: _*).write.insertInto(table)
      }
    }
    withConf(
      "spark.sql.autoBroadcastJoinThreshold" -> "-1",
      "spark.sql.sources.bucketing.autoBucketedScan.enabled" -> "false",
      "spark.sql.adaptive.enabled" -> "false" // its plan shows only what has run
    )(body)
  }

  private def plan(found: DataFrame): String = found.queryExecution.executedPlan.toString

  test("each row is read from the bucket that its key belongs to") {
    withBuckets {
      val bucket = expr("pmod(hash(id), 4)")
      val inName = expr("CAST(regexp_extract(_metadata.file_name, '_(\\\\d+)', 1) AS INT)")
      val found = spark.table("one").select(col("id"), bucket.as("b"), inName.as("f"))
      assert(found.where("b = f").count() == 200)
      assert(found.select("f").distinct().count() == 4)
      assertSameRows(spark.table("one"), rows: _*)
    }
  }

  test("a join or an aggregate on the bucket column shuffles nothing and gives the same rows") {
    withBuckets {
      val joined = sql("SELECT one.id, two.name, one.part FROM one JOIN two ON one.id = two.id")
      assert(plan(joined).contains("SortMergeJoin") && !plan(joined).contains("Exchange"))
      assertSameRows(joined, rows: _*)
      val grouped = sql("SELECT id, count(*) FROM one GROUP BY id")
      assert(!plan(grouped).contains("Exchange"))
      assertSameRows(grouped, rows.map(row => Row(row.get(0), 1L)): _*)
      withConf("spark.sql.sources.bucketing.enabled" -> "false") {
        val shuffled = sql("SELECT one.id, two.name, one.part FROM one JOIN two ON one.id = two.id")
        assert(plan(shuffled).contains("Exchange"))
        assertSameRows(shuffled, rows: _*)
      }
      withConf("spark.sql.adaptive.enabled" -> "true") {
        assert(joined.join(broadcast(spark.table("two")), "id").count() == 200)
      }
    }
  }

  test("a filter on the bucket column reads that bucket alone") {
    withBuckets {
      val bucket = sql("SELECT format_string('_%05d.', pmod(hash(42L), 4))").head().getString(0)
      for (file <- dataFiles(locationOf("one")) if !file.getName.contains(bucket)) {
        writeFile(file, Array[Byte](1, 2, 3))
      }
      sql("REFRESH TABLE one")
      assertRows(sql("SELECT name FROM one WHERE id IN (42)"), Row("name 42"))
      assertFails("part=")(sql("SELECT name FROM one").collect())
    }
  }

  test("many files in a bucket, and splits smaller than a file") {
    withBuckets {
      withConf("spark.sql.files.maxPartitionBytes" -> "200") {
        val joined = sql("SELECT one.id, two.name, two.part FROM one JOIN two USING (id)")
        assert(!plan(joined).contains("Exchange"))
        assertSameRows(joined, rows: _*)
      }
    }
  }

  test("an insert by another number of tasks keeps to the buckets; a save to a path has none") {
    withTable("clustered") {
      sql(s"CREATE TABLE clustered (id BIGINT, l ARRAY<BIGINT>) USING $source " +
        "CLUSTERED BY (id) INTO 3 BUCKETS")
      spark.range(0, 60, 1, 5).selectExpr("id", "array(id, id + 1)").write.insertInto("clustered")
      sql("INSERT INTO clustered SELECT id, array(id) FROM range(60, 70)")
      val wrong = spark.table("clustered")
        .where("pmod(hash(id), 3) != int(regexp_extract(_metadata.file_name, '_(\\\\d+)', 1))")
      assert(wrong.count() == 0 && spark.table("clustered").count() == 70)
    }
    withTempDir { folder =>
      assertFails("bucketBy") {
        spark.range(5).write.format(source).bucketBy(2, "id").save(folder.getPath + "/out")
      }
    }
  }
}

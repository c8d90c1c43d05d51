package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.streaming.Trigger

import Records._

/** Tables in SQL, and folders of files as the ends of a stream. */
class SqlSuite extends TableSuite {

  private def features(folder: File): Set[String] =
    readExamples(folder).map(_.getFeatures.getFeatureMap.keySet.toString).toSet

  test("a table with a schema: INSERT INTO, INSERT OVERWRITE, SELECT") {
    withTempDir { folder =>
      val out = new File(folder, "table")
      withTable("numbers") {
        sql(s"CREATE TABLE numbers (n INT, s STRING) USING $source LOCATION '$out'")
        sql("INSERT INTO numbers VALUES (1, 'one'), (2, NULL)")
        sql("INSERT INTO numbers SELECT 3, 'three'")
        assertSameRows(sql("SELECT * FROM numbers"), Row(1, "one"), Row(2, null), Row(3, "three"))
        assertRows(sql("SELECT s FROM numbers WHERE n > 2"), Row("three"))
        assertSameRows(infer(out), Row(1L, "one"), Row(2L, null), Row(3L, "three"))
        sql("INSERT OVERWRITE numbers SELECT 4, 'four'")
        assertRows(sql("SELECT * FROM numbers"), Row(4, "four"))
      }
    }
  }

  test("a table without a schema takes the files'") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("n" -> int64s(1), "l" -> floats(1, 2))
      )
      withTable("found") {
        sql(s"CREATE TABLE found USING $source LOCATION '$folder'")
        assertRows(sql("SELECT l, n FROM found"), Row(Seq(1f, 2f), 1L))
      }
    }
  }

  test("a partitioned table: static and dynamic inserts", NotOnS3) {
    withTempDir { folder =>
      val out = new File(folder, "table")
      withTable("parts") {
        sql(s"CREATE TABLE parts (n INT, day STRING) USING $source PARTITIONED BY (day) " +
          s"LOCATION '$out'")
        sql("INSERT INTO parts PARTITION (day = 'mon') VALUES (1)")
        sql("INSERT INTO parts VALUES (2, 'tue'), (3, 'mon'), (4, NULL)")
        assertSameRows(
          sql("SELECT day, n FROM parts"),
          Row("mon", 1),
          Row("tue", 2),
          Row("mon", 3),
          Row(null, 4)
        )
        assertRows(sql("SELECT n FROM parts WHERE day = 'tue'"), Row(2))
        assertRows(sql("SELECT count(*) FROM parts WHERE day = 'mon'"), Row(2L))
        assert(features(out) == Set("[n]"))
        withConf("spark.sql.sources.partitionOverwriteMode" -> "dynamic") {
          sql("INSERT OVERWRITE parts VALUES (9, 'tue')")
        }
        assertSameRows(sql("SELECT n FROM parts"), Row(1), Row(3), Row(4), Row(9))
      }
    }
  }

  test("CREATE TABLE AS SELECT with options, and saveAsTable") {
    withTable("made") {
      sql(s"CREATE TABLE made USING $source OPTIONS (compression 'gzip') AS " +
        "SELECT id, CAST(id AS FLOAT) / 2 AS half FROM range(5)")
      assertSameRows(
        sql("SELECT id, CAST(half AS FLOAT) FROM made"),
        (0 until 5).map(i => Row(i.toLong, i / 2f)): _*
      )
      val files = sql("SELECT DISTINCT _metadata.file_name FROM made").collect().map(_.getString(0))
      assert(files.nonEmpty && files.forall(_.endsWith(".tfrecord.gz")))
    }
    withTable("saved") {
      spark.range(5).write.format(source).saveAsTable("saved")
      spark.range(5, 7).write.format(source).mode("append").saveAsTable("saved")
      assertSameRows(spark.table("saved").toDF(), (0 until 7).map(i => Row(i.toLong)): _*)
    }
  }

  test(
    "CHAR and VARCHAR columns, and strings with a collation where Spark has them",
    LocalOnlyTest
  ) {
    withTable("texts") {
      sql(s"CREATE TABLE texts (c CHAR(4), v VARCHAR(4)) USING $source")
      sql("INSERT INTO texts VALUES ('ab', 'cd')")
      assertRows(sql("SELECT c, v FROM texts WHERE c = 'ab'"), Row("ab  ", "cd"))
    }
    if (!spark.version.startsWith("3.")) withTempDir { folder =>
      val out = new File(folder, "out")
      val ddl = "s STRING COLLATE UTF8_LCASE, l ARRAY<STRING COLLATE UTF8_LCASE>"
      write(frame(ddl, Row("Text", Seq("A", "b"))), out)
      assertRows(read(out, ddl).where("s = 'TEXT'"), Row("Text", Seq("A", "b")))
      assert(readExamples(out) == Vector(
        example("s" -> strings("Text"), "l" -> strings("A", "b"))
      ))
    }
  }

  test("a folder named in the query") {
    withTempDir { folder =>
      writeExamples(new File(folder, "day=1/data.tfrecord"), example("n" -> int64s(5)))
      assertRows(sql(s"SELECT n, day FROM $source.`$folder`"), Row(5L, 1))
      assertRows(sql(s"SELECT count(*) FROM $source.`$folder` WHERE day = 1"), Row(1L))
    }
  }

  test(
    "a type that cannot be is refused by CREATE TABLE or by INSERT, naming the column",
    LocalOnlyTest
  ) {
    withTable("wrong") {
      assertFails("extras", "map") {
        sql(s"CREATE TABLE wrong (n INT, extras MAP<STRING, INT>) USING $source")
        sql("INSERT INTO wrong VALUES (1, map('a', 1))")
      }
    }
  }

  test("a stream from one folder to another writes every record once") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      val out = new File(folder, "out")
      def run(): Unit = {
        val query = spark.readStream.format(source).schema("id BIGINT, name STRING, part INT")
          .load(in.getPath).where(col("id") >= 0)
          .writeStream.format(source).partitionBy("part").option("compression", "gzip")
          .option("checkpointLocation", new File(folder, "checkpoint").getPath)
          .option("path", out.getPath).trigger(Trigger.AvailableNow()).start()
        query.awaitTermination()
      }
      def record(id: Long) =
        example("id" -> int64s(id), "name" -> strings(s"name $id"), "part" -> int64s(id % 2))
      def expected(ids: Long*) = ids.map(id => Row(id, s"name $id", (id % 2).toInt))
      def found() = read(out, "id BIGINT, name STRING, part INT")
      writeExamples(new File(in, "first.tfrecord"), record(1), record(2), record(-3))
      run()
      assertSameRows(found(), expected(1, 2): _*)
      writeExamples(new File(in, "second.tfrecord"), record(4), record(5))
      run()
      run()
      assertSameRows(found(), expected(1, 2, 4, 5): _*)
      assert(dataFiles(out).forall(_.getName.endsWith(".tfrecord.gz")))
      assert(features(out) == Set("[id, name]"))
    }
  }

  test("a stream over a damaged file fails with its name") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      writeFile(new File(in, "damaged.tfrecord"), framed(Seq(Array[Byte](1))).dropRight(1))
      val query = spark.readStream.format(source).schema("id BIGINT").load(in.getPath)
        .writeStream.format(source)
        .option("checkpointLocation", new File(folder, "checkpoint").getPath)
        .option("path", new File(folder, "out").getPath).trigger(Trigger.AvailableNow()).start()
      assertFails("damaged.tfrecord", 0)(query.awaitTermination())
    }
  }
}

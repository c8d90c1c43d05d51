package io.sparktf.tfrecord

import java.io.File

import org.apache.logging.log4j.{Level, LogManager}
import org.apache.logging.log4j.core.{LogEvent, Logger}
import org.apache.logging.log4j.core.appender.AbstractAppender
import org.apache.logging.log4j.core.config.{Configurator, Property}
import org.apache.spark.sql.{AnalysisException, DataFrame, Row, SaveMode}
import org.apache.spark.sql.functions.col
import org.tensorflow.example.Example

import Records._

/** Where the files of a write go, how many there are and what a second write does to them. */
class WriteOptionsSuite extends TFRecordSuite {

  private def numbers(from: Long, until: Long): DataFrame =
    spark.range(from, until, 1, 1).selectExpr("id", "CAST(id % 3 AS INT) AS part")

  private def ids(folder: File): Seq[Long] =
    readExamples(folder)
      .map(_.getFeatures.getFeatureOrThrow("id").getInt64List.getValue(0)).sorted

  private def save(rows: DataFrame, mode: SaveMode, folder: File): Unit =
    rows.write.format(source).mode(mode).save(folder.getPath)

  test("a second write appends, overwrites, does nothing or is refused, as its mode says") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      save(numbers(0, 3), SaveMode.ErrorIfExists, out)
      assert(ids(out) == (0 until 3))
      save(numbers(3, 5), SaveMode.Append, out)
      assert(ids(out) == (0 until 5))
      save(numbers(10, 12), SaveMode.Ignore, out)
      assert(ids(out) == (0 until 5))
      intercept[AnalysisException](save(numbers(10, 12), SaveMode.ErrorIfExists, out))
      assert(ids(out) == (0 until 5))
      save(numbers(10, 12), SaveMode.Overwrite, out)
      assert(ids(out) == Seq(10, 11))
      assert(Store.exists(new File(out, "_SUCCESS")))
    }
  }

  test("partition columns are in the folders' names and not in the features") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      numbers(0, 9).write.format(source).partitionBy("part").save(out.getPath)
      val folders = Seq("part=0", "part=1", "part=2").map(name => new File(out, name))
      assert(folders.map(ids) == Seq(Seq(0, 3, 6), Seq(1, 4, 7), Seq(2, 5, 8)))
      assert(readExamples(out).forall(_.getFeatures.getFeatureMap.keySet.toString == "[id]"))
      assertSameRows(
        infer(out).select("part", "id"),
        (0 until 9).map(i => Row(i % 3, i.toLong)): _*
      )
    }
  }

  test("partition values with odd characters, and null") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val values = Seq("a/b", "100%", "x=y", "with space", "数学", null, "#:?*")
      val rows = values.zipWithIndex.map { case (value, i) => Row(i.toLong, value) }
      frame("id BIGINT, key STRING", rows: _*)
        .write.format(source).partitionBy("key").save(out.getPath)
      assert(ids(out) == values.indices)
      assertSameRows(read(out, "id BIGINT, key STRING"), rows: _*)
      assertRows(read(out, "id BIGINT, key STRING").where("key = 'a/b'"), rows.head)
      assertRows(read(out, "id BIGINT, key STRING").where("key IS NULL"), rows(5))
    }
  }

  test("a dynamic overwrite replaces the partitions that it writes, and no others", NotOnS3) {
    withTempDir { folder =>
      val out = new File(folder, "out")
      numbers(0, 9).write.format(source).partitionBy("part").save(out.getPath)
      numbers(100, 101).write.format(source).partitionBy("part").mode("overwrite")
        .option("partitionOverwriteMode", "dynamic").save(out.getPath)
      assert(ids(new File(out, "part=1")) == Seq(100))
      assert(ids(out) == Seq(0, 2, 3, 5, 6, 8, 100))
      numbers(100, 101).write.format(source).partitionBy("part").mode("overwrite")
        .save(out.getPath)
      assert(ids(out) == Seq(100))
    }
  }

  test("maxRecordsPerFile starts a new file after that many records") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      numbers(0, 25).write.format(source).option("maxRecordsPerFile", 10).save(out.getPath)
      assert(dataFiles(out).map(file => readRecords(file).size).sorted == Seq(5, 10, 10))
      assert(ids(out) == (0 until 25))
    }
  }

  test("every task writes its own file, and rows keep their order in it") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      spark.range(0, 1000, 1, 4).write.format(source).save(out.getPath)
      val files = dataFiles(out)
      assert(files.size == 4 && files.forall(_.getName.matches("part-0000\\d-.*\\.tfrecord")))
      assert(readExamples(out) == (0L until 1000L).map(i => example("id" -> int64s(i))))
    }
  }

  test("buckets and a sort within them") {
    withTempDir { folder =>
      try {
        numbers(0, 100).orderBy(col("id").desc)
          .write.format(source).option("path", new File(folder, "out").getPath)
          .bucketBy(4, "id").sortBy("id").saveAsTable("bucketed")
        val files = dataFiles(new File(folder, "out"))
        val found = files.map(file =>
          readRecords(file)
            .map(Example.parseFrom(_))
            .map(_.getFeatures.getFeatureOrThrow("id").getInt64List.getValue(0))
        )
        assert(found.size == 4 && found.forall(ids => ids == ids.sorted))
        assert(found.flatten.sorted == (0 until 100))
        assert(spark.table("bucketed").where("id = 42").count() == 1)
      } finally spark.sql("DROP TABLE IF EXISTS bucketed")
    }
  }

  test("an overwrite that is refused leaves the files that are there") {
    assume(
      !spark.version.startsWith("3.5"),
      "Spark 3.5 removes the old files before it asks a source, Parquet's not excepted"
    )
    withTempDir { folder =>
      val out = new File(folder, "out")
      save(numbers(0, 3), SaveMode.ErrorIfExists, out)
      val refused = frame("extras MAP<STRING, INT>", Row(null: Any)).write
      val level = numbers(5, 6).write.option("compression", "gzip").option("compressionLevel", 11)
      for (
        (writer, name) <- Seq(
          refused -> "extras",
          level -> "compressionLevel",
          numbers(5, 6).write.option("compression", "lzip") -> "compression"
        )
      ) {
        assertFails(name)(writer.format(source).mode("overwrite").save(out.getPath))
        assert(ids(out) == (0 until 3))
      }
    }
  }

  test("a write that fails leaves no data files") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val rows = frame(
        "weights ARRAY<BIGINT>",
        (0 until 50).map { i =>
          Row(Seq(i.toLong, if (i == 49) null else 1L))
        }: _*
      )
      assertFails("weights")(write(rows, out))
      assert(!Store.exists(out) || dataFiles(out).isEmpty)
    }
  }

  // ---------------------------------------------------------------------------- inexact numbers

  /** The warnings of the data source while `body` runs. */
  private def warnings(body: => Unit): Seq[String] = {
    val found = new java.util.concurrent.ConcurrentLinkedQueue[String]
    val appender = new AbstractAppender("warnings", null, null, false, Property.EMPTY_ARRAY) {
      override def append(event: LogEvent): Unit = found.add(event.getMessage.getFormattedMessage)
    }
    val name = classOf[TFRecordFileFormat].getName
    val logger = LogManager.getLogger(name).asInstanceOf[Logger]
    val level = logger.getLevel
    appender.start()
    logger.addAppender(appender)
    Configurator.setLevel(name, Level.WARN)
    try body
    finally {
      logger.removeAppender(appender)
      Configurator.setLevel(name, level)
    }
    found.toArray(Array.empty[String]).toSeq
  }

  private val inexact = "d DOUBLE, l ARRAY<DOUBLE>, n DECIMAL(20,0), p ARRAY<DECIMAL(7,2)>"
  private val exact = "f FLOAT, l ARRAY<FLOAT>, n DECIMAL(6,2), b BIGINT, s STRING, t TIMESTAMP"

  test("columns of more digits than the format's floats have: a warning, an error or no matter") {
    withTempDir { folder =>
      def out(name: String): File = new File(folder, name)
      for (options <- Seq(Nil, Seq("inexact" -> "WARN"))) {
        val Seq(warning) = warnings(write(frame(inexact), out(s"warn${options.size}"), options: _*))
        for (word <- Seq("`d` (double)", "`l`", "`n` (decimal(20,0))", "`p`", "32 bits", "inexact"))
          assert(warning.contains(word))
      }
      assert(warnings(write(frame(inexact), out("allow"), "inexact" -> "allow")).isEmpty)
      assert(warnings(write(frame(exact), out("exact"))).isEmpty)
      write(frame(exact), out("strict"), "inexact" -> "error")
      for (column <- inexact.split(", ")) {
        val name = s"`${column.head}`"
        assertFails(name, "inexact", "float", "string", "bigint") {
          write(frame(s"b BIGINT, $column"), out("refused"), "inexact" -> "error")
        }
      }
      assertFails("`x`", "inexact") {
        val options = Seq("inexact" -> "error", "recordType" -> "SequenceExample")
        write(frame("x ARRAY<ARRAY<DOUBLE>>"), out("refused"), options: _*)
      }
      assert(!Store.exists(out("refused")))
    }
  }
}

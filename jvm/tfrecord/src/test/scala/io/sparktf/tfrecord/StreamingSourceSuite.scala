package io.sparktf.tfrecord

import java.io.File
import java.nio.file.Files

import scala.collection.mutable

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.streaming.{DataStreamReader, StreamingQuery, Trigger}
import org.apache.spark.sql.types.StructType

import Records._

/** Folders that files arrive in, as streams. */
class StreamingSourceSuite extends TableSuite {

  private val schema = "id BIGINT, name STRING"

  private def add(folder: File, name: String, ids: Int*): File = {
    val file = writeExamples(
      new File(folder, name),
      ids.map(id => example("id" -> int64s(id.toLong), "name" -> strings(s"name $id"))): _*
    )
    // The source takes files by age, which the clock does not tell apart within a test.
    Store.setLastModified(file, 1600000000000L + 1000L * ids.head)
    file
  }

  private def reader(options: (String, String)*): DataStreamReader =
    spark.readStream.format(source).schema(schema).options(options.toMap)

  /** All that there is, from a checkpoint on: the ids of each batch that had any. */
  private def run(rows: DataFrame, checkpoint: File): Seq[Seq[Long]] = {
    val batches = mutable.Buffer.empty[Seq[Long]]
    val collect: (DataFrame, Long) => Unit = (batch, _) =>
      batches += batch.select("id").collect().map(_.getLong(0)).sorted.toSeq
    val query = rows.writeStream.foreachBatch(collect).trigger(Trigger.AvailableNow())
      .option("checkpointLocation", checkpoint.getPath).start()
    end(query)
    batches.filter(_.nonEmpty).toSeq
  }

  private def end(query: StreamingQuery): Unit =
    try query.awaitTermination()
    finally query.stop()

  test(
    "maxFilesPerTrigger files a batch, the oldest first, and nothing twice after a restart",
    NotOnS3
  ) {
    withTempDir { folder =>
      val in = new File(folder, "in")
      def stream(checkpoint: String) =
        run(reader("maxFilesPerTrigger" -> "2").load(in.getPath), new File(folder, checkpoint))
      add(in, "c.tfrecord", 1, 2)
      add(in, "b.tfrecord", 3)
      add(in, "a.tfrecord", 4, 5)
      assert(stream("one") == Seq(Seq(1, 2, 3), Seq(4, 5)))
      assert(stream("one") == Nil)
      add(in, "d.tfrecord", 6)
      assert(stream("one") == Seq(Seq(6)))
      assert(stream("other") == Seq(Seq(1, 2, 3), Seq(4, 5, 6)))
    }
  }

  test("a batch that failed is done again from the checkpoint, and those before it are not") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      val checkpoint = new File(folder, "checkpoint")
      add(in, "a.tfrecord", 1)
      val rows = reader("maxFilesPerTrigger" -> "1").load(in.getPath)
      val second = add(in, "b.tfrecord", 2, 3)
      val whole = Files.readAllBytes(second.toPath)
      val time = second.lastModified
      writeFile(second, whole.dropRight(1))
      Store.setLastModified(second, time)
      add(in, "c.tfrecord", 4)
      assertFails("b.tfrecord")(run(rows, checkpoint))
      writeFile(second, whole)
      assert(run(rows, checkpoint) == Seq(Seq(2, 3), Seq(4)))
    }
  }

  test("a schema is inferred where Spark allows it, and asked for where it does not") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      add(in, "day=3/a.tfrecord", 1)
      val unknown = spark.readStream.format(source)
      assertAsParquet((format, _) => spark.readStream.format(format).load(in.getPath))
      withConf("spark.sql.streaming.schemaInference" -> "true") {
        val rows = unknown.load(in.getPath)
        assert(rows.schema == StructType.fromDDL(schema + ", day INT"))
        assert(run(rows.where("day = 3"), new File(folder, "checkpoint")) == Seq(Seq(1)))
      }
    }
  }

  test("partition folders, those that come later too, and columns pruned to none") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      def stream(rows: DataFrame, checkpoint: String) = run(rows, new File(folder, checkpoint))
      add(in, "day=1/a.tfrecord", 1, 2)
      add(in, "day=2/a.tfrecord", 3)
      val rows = spark.readStream.format(source).schema(schema + ", day INT").load(in.getPath)
      assert(stream(rows.where("day = 1"), "first") == Seq(Seq(1, 2)))
      add(in, "day=1/b.tfrecord", 4)
      add(in, "day=7/a.tfrecord", 5)
      assert(stream(rows.where("day = 1"), "first") == Seq(Seq(4)))
      assert(stream(rows.selectExpr("CAST(day AS BIGINT) AS id"), "days") ==
        Seq(Seq(1, 1, 1, 2, 7)))
      assert(stream(rows.selectExpr("5L AS id"), "none") == Seq(Seq.fill(5)(5)))
    }
  }

  test("_metadata, globs, and files that are moved away when they are done with") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      add(in, "a.tfrecord", 1)
      add(in, "b.other", 2)
      val done = new File(folder, "done")
      val rows = reader(
        "pathGlobFilter" -> "*.tfrecord",
        "cleanSource" -> "archive",
        "sourceArchiveDir" -> done.getPath
      ).load(in.getPath).where("_metadata.file_name LIKE 'a.%' AND _metadata.file_size > 0")
      // No thread of its own, for whose end this would have to wait.
      withConf("spark.sql.streaming.fileSource.cleaner.numThreads" -> "0") {
        assert(run(rows, new File(folder, "checkpoint")) == Seq(Seq(1)))
        add(in, "a.2.tfrecord", 3)
        assert(run(rows, new File(folder, "checkpoint")) == Seq(Seq(3)))
      }
      // Spark moves a batch's files when the next one has been read.
      assert(dataFiles(done).map(_.getName) == Seq("a.tfrecord"))
    }
  }

  test("compressed files and others, aggregated over batches") {
    withTempDir { folder =>
      val in = new File(folder, "in")
      def records(ids: Int*) =
        framed(ids.map(id => example("id" -> int64s(id.toLong)).toByteArray))
      def stream(): Unit = end {
        reader().load(in.getPath).groupBy("id").count().writeStream.outputMode("complete")
          .format("memory").queryName("counts").trigger(Trigger.AvailableNow())
          .option("checkpointLocation", new File(folder, "checkpoint").getPath).start()
      }
      writeFile(new File(in, "a.tfrecord.gz"), gzip(records(1, 2)))
      writeFile(new File(in, "b.tfrecord"), records(1, 1))
      stream()
      assertSameRows(spark.table("counts"), Row(1L, 3L), Row(2L, 1L))
      writeFile(new File(in, "c.tfrecord.deflate"), zlib(records(2, 5)))
      stream()
      assertSameRows(spark.table("counts"), Row(1L, 3L), Row(2L, 2L), Row(5L, 1L))
    }
  }

  test("a table as the source of a stream") {
    withTempDir { folder =>
      withTable("arriving") {
        sql(s"CREATE TABLE arriving (id BIGINT, day INT) USING $source PARTITIONED BY (day) " +
          s"LOCATION '$folder/in'")
        sql("INSERT INTO arriving VALUES (1, 5), (2, 6)")
        val rows = spark.readStream.table("arriving")
        assert(run(rows, new File(folder, "checkpoint")).flatten.sorted == Seq(1, 2))
        sql("INSERT INTO arriving VALUES (3, 5)")
        assert(run(rows, new File(folder, "checkpoint")) == Seq(Seq(3)))
      }
    }
  }
}

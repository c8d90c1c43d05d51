package io.sparktf.tfrecord

import java.io.{File, IOException}
import java.nio.file.{Files, Paths}

import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, udf}
import org.scalatest.Outcome

import Records._

/** However a read or a write ends, it leaves no file open: counted in the kernel's own list. */
@LocalOnly
class OpenFilesSuite extends TFRecordSuite {
  import OpenFilesSuite._

  private val schema = "n BIGINT, s STRING"
  private val messages = (0 until 2000).map { i =>
    example("n" -> int64s(i.toLong), "s" -> strings("x" * 500))
  }
  private val plain = framed(messages.map(_.toByteArray))
  private val damaged = plain.take(700000) ++ plain.drop(700001)

  override protected def withFixture(test: NoArgTest): Outcome = {
    assume(new File(descriptors).isDirectory, s"there is no $descriptors")
    super.withFixture(test)
  }

  private def assertClosed(folder: File): Unit = assert(openBelow(folder.getPath) == 0)

  /** A column that fails at one row. */
  private def failingAt(rows: DataFrame, n: Long): DataFrame = {
    val fail = udf((found: Long) =>
      if (found == n) throw new IllegalStateException("on demand")
      else found
    )
    rows.withColumn("n", fail(col("n")))
  }

  test("the count sees a file that is open") {
    withTempDir { folder =>
      val file = writeFile(new File(folder, "data.tfrecord"), plain)
      val stream = Files.newInputStream(file.toPath)
      assert(openBelow(folder.getPath) == 1)
      stream.close()
      assertClosed(folder)
    }
  }

  for ((name, wrap) <- forms) {
    test(s"reads of $name: whole, ended early, failed") {
      withTempDir { folder =>
        writeFile(new File(folder, name), wrap(plain))
        def rows: DataFrame = read(folder, schema)
        for (mode <- Seq("FAILFAST", "PERMISSIVE", "DROPMALFORMED")) {
          assert(read(folder, schema, "mode" -> mode).collect().length == 2000)
          assertClosed(folder)
          assert(read(folder, schema, "mode" -> mode).take(3).length == 3)
          assertClosed(folder)
        }
        assert(rows.count() == 2000)
        assertClosed(folder)
        assert(rows.limit(5).select("n").collect().length == 5)
        assert(rows.selectExpr("1").limit(5).collect().length == 5)
        assertClosed(folder)
        assertFails("on demand")(failingAt(rows, 300).collect())
        assertFails("data", "n", "int64")(read(folder, "n STRING").collect())
        assertClosed(folder)
        assert(infer(folder).columns.length == 2)
        assert(infer(folder, "sampleRecords" -> "1").columns.length == 2)
        assert(infer(folder, "samplingRatio" -> "0.5").columns.length == 2)
        assertFails("compression", "lzip")(infer(folder, "compression" -> "lzip"))
        assertClosed(folder)
      }
    }

    test(s"reads of a damaged $name") {
      withTempDir { folder =>
        writeFile(new File(folder, name), wrap(damaged))
        for (mode <- Seq("FAILFAST", "PERMISSIVE", "DROPMALFORMED")) {
          def rows = read(folder, schema, "mode" -> mode)
          if (mode == "FAILFAST") assertFails("data")(rows.collect()) else rows.collect()
          assertClosed(folder)
        }
        assertFails("data")(read(folder, schema).count())
        assertFails("data")(infer(folder, "samplingRatio" -> "1.0"))
        assertClosed(folder)
        writeFile(new File(folder, name), wrap(plain).take(100))
        assertFails("data")(read(folder, schema).collect())
        assertFails("data")(infer(folder))
        assertClosed(folder)
      }
    }
  }

  test("a file that is not compressed as the read says") {
    withTempDir { folder =>
      writeFile(new File(folder, "data.tfrecord"), plain)
      for (compression <- Seq("gzip", "zlib")) {
        assertFails("data")(read(folder, schema, "compression" -> compression).collect())
        assertFails("data")(infer(folder, "compression" -> compression))
        assertClosed(folder)
      }
    }
  }

  test("a task that leaves many damaged files behind has only one of them open") {
    withTempDir { folder =>
      (0 until 30).foreach(i => writeFile(new File(folder, s"$i.tfrecord"), damaged))
      val path = folder.getPath
      val count = udf((n: Long) => if (n == 5) openBelow(path) else -1).asNondeterministic()
      val counts = read(folder, "n BIGINT", "ignoreCorruptFiles" -> "true").coalesce(1)
        .select(count(col("n"))).collect().map(_.getInt(0)).filter(_ >= 0)
      assert(counts.toSeq == Seq.fill(30)(1))
      assertClosed(folder)
    }
  }

  test("a task keeps nothing of the files that it has read") {
    withTempDir { folder =>
      val files = 600
      (0 until files).foreach { i =>
        writeExamples(new File(folder, s"$i.tfrecord"), example("n" -> int64s(i.toLong)))
      }
      val seen = spark.sparkContext.longAccumulator
      val heap = udf { (_: Long) =>
        seen.add(1)
        if (seen.value == 1 || seen.value == files.toLong) usedAfterCollection() else -1L
      }.asNondeterministic()
      val used = read(folder, "n BIGINT").coalesce(1).select(heap(col("n"))).collect()
        .map(_.getLong(0)).filter(_ >= 0)
      // Each file is read through a buffer of 256 KiB.
      assert(used.length == 2 && used(1) - used(0) < files * (128L << 10), used.toSeq)
    }
  }

  test("writes: whole, failed by a row, failed by the query") {
    withTempDir { folder =>
      val rows = spark.range(0, 2000, 1, 1).selectExpr("id AS n", "repeat('x', 500) AS s")
      val nulls = rows.selectExpr("IF(n = 1900, array(1L, NULL), array(n)) AS l", "s")
      for ((compression, i) <- Seq("none", "gzip", "zlib", "bzip2").zipWithIndex) {
        val option = "compression" -> compression
        write(rows, new File(folder, s"whole$i"), option)
        assertFails("l", "null")(write(nulls, new File(folder, s"row$i"), option))
        assertFails("on demand")(write(failingAt(rows, 1900), new File(folder, s"query$i"), option))
        rows.selectExpr("*", "n % 7 AS part").write.format(source).partitionBy("part")
          .option("maxRecordsPerFile", 20).option(option._1, option._2)
          .save(new File(folder, s"many$i").getPath)
        assertClosed(folder)
      }
    }
  }

  test("writes to a disk that is full, noticed early or not before the file is closed") {
    withTempDir { folder =>
      val disk = new File(folder, "disk")
      SmallDisk.withDisk(disk, kilobytes = 40) { _ =>
        for (compression <- Seq("none", "gzip", "zlib", "bzip2"); rows <- Seq(120, 2000)) {
          // Hadoop's checksummed local files stay open themselves where closing them fails.
          assertFails("No space left on device") {
            write(
              spark.range(0, rows, 1, 1).selectExpr(SmallDisk.Noise),
              new File(disk, s"$compression$rows"),
              "compression" -> compression,
              "fs.file.impl" -> "org.apache.hadoop.fs.RawLocalFileSystem",
              "fs.file.impl.disable.cache" -> "true"
            )
          }
          assert(dataFiles(disk).isEmpty)
          assertClosed(folder)
        }
      }
    }
  }
}

object OpenFilesSuite {
  private val descriptors = "/proc/self/fd"

  private val forms = Seq[(String, Array[Byte] => Array[Byte])](
    "data.tfrecord" -> identity,
    "data.tfrecord.gz" -> gzip,
    "data.tfrecord.deflate" -> zlib
  )

  /** How many descriptors of this process are of files below the folder. */
  private def openBelow(folder: String): Int =
    new File(descriptors).list().count { number =>
      try Files.readSymbolicLink(Paths.get(descriptors, number)).startsWith(folder)
      catch { case _: IOException => false } // closed meanwhile
    }

  private def usedAfterCollection(): Long = {
    System.gc()
    val runtime = Runtime.getRuntime
    runtime.totalMemory - runtime.freeMemory
  }
}

package io.sparktf.tfrecord

import java.io.File
import java.nio.file.Files

import scala.util.Random

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.{col, input_file_block_length, input_file_block_start}

import Records._

/** One file in many tasks of Spark. */
class SplitQuerySuite extends TFRecordSuite with Splits {

  private val schema = "id BIGINT, name STRING, blob BINARY"

  private val rows = {
    val random = new Random(20151109)
    (0 until 400).toVector.map { i =>
      // TFRecord bytes, as a row may hold: an Example of an Example in frames.
      val inner = framed(Vector.fill(i % 3)(content(random, random.nextInt(30))))
      Row(i.toLong, if (i % 9 == 0) null else "n" * (i % 40), framed(Seq(inner, inner)))
    }
  }

  private def partitions(frame: DataFrame): Int = frame.rdd.getNumPartitions

  private def withRows(options: (String, String)*)(check: File => Unit): Unit =
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame(schema, rows: _*), out, options: _*)
      check(dataFiles(out).head)
    }

  test("Spark reads one file in many tasks, and each row once") {
    withRows() { file =>
      for (parts <- Seq(2, 25)) inSplits(file.length / parts + 1) {
        val found = read(file, schema)
        assert(partitions(found) == parts)
        // In the file's order, for so are the splits.
        assertRows(found, rows: _*)
        assert(found.count() == rows.size)
        assertRows(found.select("id"), rows.map(row => Row(row.get(0))): _*)
        assertSameRows(infer(file).select("id", "name", "blob"), rows: _*)
        assertRows(found.limit(rows.size / 2), rows.take(rows.size / 2): _*)
      }
    }
  }

  test("partition columns, beside others and alone, of many files in many splits") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      frame(schema, rows: _*).withColumn("part", col("id") % 3).repartition(2)
        .write.format(source).partitionBy("part").save(out.getPath)
      inSplits(3000) {
        val found = read(out, schema + ", part BIGINT")
        assert(partitions(found) > dataFiles(out).size)
        assertSameRows(
          found,
          rows.map(row => Row.fromSeq(row.toSeq :+ (row.getLong(0) % 3))): _*
        )
        assertSameRows(found.select("part"), rows.map(row => Row(row.getLong(0) % 3)): _*)
      }
    }
  }

  test("the split that a row is from: _metadata and input_file_block_start") {
    withRows() { file =>
      val offsets = starts(readRecords(file))
      inSplits(5000) {
        val found = read(file, schema).select(
          col("id"),
          col("_metadata.file_name"),
          col("_metadata.file_size"),
          col("_metadata.file_block_start"),
          col("_metadata.file_block_length"),
          input_file_block_start(),
          input_file_block_length()
        ).collect()
        assert(found.length == rows.size)
        for (row <- found) {
          val offset = offsets(row.getLong(0).toInt)
          assert(row.getString(1) == file.getName && row.getLong(2) == file.length)
          assert(row.getLong(3) == offset / 5000 * 5000)
          assert(row.getLong(4) == math.min(5000, file.length - row.getLong(3)))
          assert(row.getLong(5) == row.getLong(3) && row.getLong(6) == row.getLong(4))
        }
      }
    }
  }

  test("compressed files are read in one piece, however it is known that they are") {
    withRows("compression" -> "gzip") { gz =>
      withRows("compression" -> "zlib") { deflate =>
        withTempDir { folder =>
          def plainName(file: File, name: String): File =
            writeFile(new File(folder, name), Files.readAllBytes(file.toPath))
          for (
            (file, options, parts) <- Seq(
              (gz, Nil, 1),
              (deflate, Nil, 1),
              (plainName(gz, "a"), Seq("compression" -> "gzip"), 1),
              (plainName(deflate, "b"), Seq("codec" -> "deflate"), 1),
              // Planned as if they were not, for only their first bytes tell.
              (plainName(gz, "c"), Nil, 4),
              (plainName(deflate, "d"), Seq("compression" -> "auto"), 4)
            )
          ) inSplits(file.length / 4 + 1) {
            val found = read(file, schema, options: _*)
            assert(partitions(found) == parts, file)
            assertSameRows(found, rows: _*)
            assert(found.count() == rows.size)
          }
        }
      }
    }
  }

  test("a plain file with the name of a compressed one, and compression none") {
    withRows() { file =>
      val named =
        writeFile(new File(file.getParentFile, "plain/data.gz"), Files.readAllBytes(file.toPath))
      inSplits(4000) {
        val found = read(named, schema, "compression" -> "none")
        assert(partitions(found) > 4)
        assertSameRows(found, rows: _*)
      }
    }
  }

  test("where the rest of a damaged file is to be dropped, no other split has it") {
    withRows() { whole =>
      val offsets = starts(readRecords(whole))
      val bytes = Files.readAllBytes(whole.toPath)
      val file = writeFile(
        new File(whole.getParentFile, "damaged/data.tfrecord"),
        bytes.updated(offsets(100).toInt + 2, 0x55.toByte)
      )
      inSplits(4000) {
        assertFails(file.getName, offsets(100))(read(file, schema).collect())
        assertFails(file.getName, offsets(100))(read(file, schema).count())
        val option = read(file, schema, "ignoreCorruptFiles" -> "true")
        assert(partitions(option) == 1)
        assertSameRows(option, rows.take(100): _*)
        val dropping = read(file, schema, "mode" -> "DROPMALFORMED")
        assert(partitions(dropping) == 1)
        assertSameRows(dropping, rows.take(100): _*)
        val permissive = read(file, schema, "mode" -> "PERMISSIVE")
        assert(permissive.count() == 101)
        // The same DataFrame is planned anew for each of its queries.
        val found = read(file, schema)
        withConf("spark.sql.files.ignoreCorruptFiles" -> "true") {
          assertSameRows(read(file, schema), rows.take(100): _*)
          assert(found.select("id").count() == 100)
        }
        assertFails(file.getName, offsets(100))(found.select("name").collect())
      }
    }
  }

  test("the advice for a file that cannot be told apart in splits helps") {
    val random = new Random(seed)
    def examples(count: Int) = Vector.fill(count) {
      example("n" -> int64s(random.nextInt(1000).toLong), "b" -> bytes(content(random, 200)))
    }
    val container = example("b" -> bytes(framed(examples(12000).map(_.toByteArray))))
    val all = (examples(1000) :+ container) ++ examples(1000)
    withTempDir { folder =>
      val file = writeExamples(new File(folder, "data.tfrecord"), all: _*)
      def sum(): Row = read(file, "n BIGINT").selectExpr("count(*)", "sum(n)").head()
      val expected = all.flatMap { one =>
        Option(one.getFeatures.getFeatureMap.get("n")).map(_.getInt64List.getValue(0))
      }
      inSplits(1000000) {
        // Of the splits that fail, any may be the first.
        assertFails(
          "data.tfrecord",
          "holds TFRecord bytes",
          "spark.sql.files.maxPartitionBytes",
          "spark.sql.files.openCostInBytes",
          file.length
        )(sum())
      }
      withConf(
        "spark.sql.files.maxPartitionBytes" -> file.length.toString,
        "spark.sql.files.openCostInBytes" -> file.length.toString
      ) {
        assert(sum() == Row(all.size.toLong, expected.sum))
      }
    }
  }
}

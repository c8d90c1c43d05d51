package io.sparktf.tfrecord

import java.io.File
import java.net.URI
import java.time.Instant

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.col

import Records._

/** The hidden column `_metadata`, which says of each row the file that it comes from. */
class MetadataSuite extends TableSuite {

  private val modified = Seq("2021-03-04T05:06:07.890Z", "2022-03-04T05:06:07Z").map(Instant.parse)

  /** Two files of 3 and 5 records, in partitions, with other times of modification. */
  private def withFiles(body: (File, Vector[File]) => Unit): Unit = withTempDir { folder =>
    val files = Vector(3, 5).zipWithIndex.map { case (count, i) =>
      val file = writeExamples(
        new File(folder, s"part=$i/file $i%.tfrecord"),
        (0 until count).map { n =>
          example("id" -> int64s(10L * i + n), "s" -> strings(s"s$n"))
        }: _*
      )
      Store.setLastModified(file, modified(i).toEpochMilli)
      file
    }
    body(folder, files)
  }

  private def table(folder: File): DataFrame = read(folder, "id BIGINT, s STRING, part INT")

  test("every field of it, for each row", NotOnS3) {
    withFiles { (folder, files) =>
      val paths = table(folder).select("part", "_metadata.file_path").distinct().collect()
      for (found <- paths) {
        assert(new File(URI.create(found.getString(1)).getPath) == files(found.getInt(0)))
      }
      val found = table(folder).selectExpr(
        "part",
        "_metadata.file_name",
        "_metadata.file_size",
        "_metadata.file_block_start",
        "_metadata.file_block_length",
        "_metadata.file_modification_time"
      ).distinct().orderBy("part")
      assertRows(
        found,
        files.indices.map { i =>
          val size = files(i).length
          // As in the path, which is a URI, blanks and percent signs are escaped.
          Row(i, s"file%20$i%25.tfrecord", size, 0L, size, modified(i))
        }: _*
      )
    }
  }

  test("a record's block is the one that the record begins in, and blocks do not overlap") {
    withTempDir { folder =>
      val messages = (0 until 200).map(i => example("id" -> int64s(1000L + i), "s" -> strings("s")))
      val file = writeExamples(new File(folder, "a.tfrecord"), messages: _*)
      val recordSize = file.length / 200
      inSplits(700) {
        val found = read(folder, "id BIGINT").selectExpr(
          "id - 1000",
          "_metadata.file_block_start",
          "_metadata.file_block_start + _metadata.file_block_length"
        ).collect().map(row => (row.getLong(0), row.getLong(1), row.getLong(2))).sorted
        assert(found.map(_._1).toSeq == (0L until 200L))
        assert(found.forall { case (i, start, end) =>
          start <= i * recordSize && i * recordSize < end && end <= file.length
        })
        val blocks = found.map { case (_, start, end) => start -> end }.distinct
        assert(blocks.zip(blocks.drop(1)).forall { case (one, next) => one._2 <= next._1 })
      }
    }
  }

  test("it is what Parquet's is, of the same fields and types") {
    assertAsParquet { (format, folder) =>
      val out = new File(folder, "a b")
      spark.range(0, 4, 1, 1).write.format(format).save(out.getPath)
      val found = spark.read.format(format).load(out.getPath)
      val fields = found.select("_metadata").schema.head.dataType.catalogString
        .replace(",row_index:bigint", "") // Parquet alone knows the numbers of its rows
      val end = found.selectExpr(
        "_metadata.file_path = input_file_name()",
        "_metadata.file_block_start = input_file_block_start()",
        "_metadata.file_block_length = input_file_block_length()",
        "regexp_count(_metadata.file_path, 'a%20b')",
        "_metadata.file_path LIKE concat('%', _metadata.file_name)"
      )
      Seq(fields, end)
    }
    intercept[Exception] {
      withFiles((folder, _) => table(folder).select("_metadata.row_index").collect())
    }
  }

  test("beside pruned columns, in filters, groups and counts", NotOnS3) {
    withFiles { (folder, files) =>
      val first = "_metadata.file_name LIKE '%20file%' OR _metadata.file_name LIKE 'file%200%'"
      assertSameRows(
        table(folder).where(first).select("s", "part", "_metadata.file_size"),
        (0 until 3).map(n => Row(s"s$n", 0, files(0).length)): _*
      )
      assert(table(folder).where(s"_metadata.file_size = ${files(1).length}").count() == 5)
      assert(table(folder).select("_metadata").count() == 8)
      assertSameRows(
        table(folder).groupBy("_metadata.file_modification_time").count(),
        Row(modified(0), 3L),
        Row(modified(1), 5L)
      )
      assertRows(
        table(folder).where(s"_metadata.file_modification_time > '2021-12-31'")
          .selectExpr("min(id)", "max(part)"),
        Row(10L, 1)
      )
      assertSameRows(
        table(folder).select("_metadata.file_size").distinct(),
        files.map(file => Row(file.length)): _*
      )
    }
  }

  test("files that a filter on it leaves out are not opened") {
    withFiles { (folder, files) =>
      writeFile(files(1), Array[Byte](1, 2, 3))
      val found = table(folder).where("_metadata.file_size > 3")
      assert(found.select("id").collect().map(_.getLong(0)).sorted.toSeq == Seq(0, 1, 2))
    }
  }

  test("joins, writes and schemas keep it as a column like others") {
    withFiles { (folder, files) =>
      val named = table(folder).select(col("id"), col("_metadata.file_name").as("file"))
      val sizes = infer(folder).selectExpr("id", "_metadata.file_size AS size")
      val joined = named.join(sizes, "id").where("size = " + files(0).length)
      assertSameRows(joined.select("id"), (0L until 3L).map(Row(_)): _*)
      val out = new File(folder, "out")
      write(named.where("id < 2"), out)
      assert(readExamples(out).map(_.getFeatures.getFeatureMap.keySet.toString).toSet ==
        Set("[id, file]"))
    }
  }

  test("a feature of that name hides it, as a column of Parquet does") {
    withTempDir { folder =>
      writeExamples(new File(folder, "a.tfrecord"), example("_metadata" -> int64s(5)))
      val found = infer(folder)
      assertRows(found.select("_metadata"), Row(5L))
      val hidden = found.metadataColumn("_metadata").getField("file_name")
      assertRows(found.select(col("_metadata"), hidden), Row(5L, "a.tfrecord"))
    }
  }
}

package io.sparktf.tfrecord

import java.io.File
import java.math.BigDecimal
import java.time.{Instant, LocalDate, LocalDateTime}

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types._

import Records._

/** Columns whose values are in the names of folders. */
class PartitionSuite extends TableSuite {

  private def save(rows: DataFrame, format: String, folder: File, columns: String*): Unit =
    rows.write.format(format).partitionBy(columns: _*).mode("append").save(folder.getPath)

  private def foldersIn(folder: File): Seq[String] =
    dataFiles(folder).map(file => folder.toPath.relativize(file.getParentFile.toPath).toString)
      .distinct.sorted

  test("every character of ASCII and some beyond, in values and in the column's name") {
    val characters = (1 to 127).map(_.toChar).filterNot(_.isLetterOrDigit)
    val odd = characters.grouped(16).map(_.mkString("a", "b", "c")).toSeq ++
      Seq("a%20b", "%", "..", "é", "e\u0301", "数/学😀", "a//b", "b ")
    val rows = odd.zipWithIndex.map { case (value, i) => Row(i.toLong, value) }
    assertAsParquet { (format, folder) =>
      // A single task, for one file in each folder.
      val written = frame("id BIGINT, `k=e/y%` STRING", rows: _*).coalesce(1)
      save(written, format, folder, "k=e/y%")
      val found = spark.read.format(format).schema(written.schema).load(folder.getPath)
      assertSameRows(found, rows: _*)
      assertRows(found.where(col("`k=e/y%`") === "a//b"), rows(odd.indexOf("a//b")))
      Seq(foldersIn(folder), spark.read.format(format).load(folder.getPath))
    }
  }

  test("null and the empty string are one folder, which is read as null, as Parquet's") {
    val end = assertAsParquet { (format, folder) =>
      val rows = Seq(Row(1L, null), Row(2L, ""), Row(3L, "x"))
      save(frame("id BIGINT, k STRING", rows: _*), format, folder, "k")
      val found = spark.read.format(format).load(folder.getPath)
      Seq(foldersIn(folder), found, found.where("k IS NULL"), found.where("k = ''"))
    }
    assert(end.contains("k=__HIVE_DEFAULT_PARTITION__") && end.contains("""{Long(2), null}"""))
  }

  private val typed = Seq[(String, Any, Any)](
    ("TINYINT", 5.toByte, -5.toByte),
    ("SMALLINT", 500.toShort, null),
    ("INT", -1, 70000),
    ("BIGINT", 1L << 40, Long.MinValue),
    ("FLOAT", 0.1f, Float.NegativeInfinity),
    ("DOUBLE", 1e-300, Double.NaN),
    ("DECIMAL(9, 2)", new BigDecimal("1.10"), new BigDecimal("-1234567.89")),
    ("DECIMAL(38, 3)", new BigDecimal("12345678901234567890123456789012345.678"), null),
    ("BOOLEAN", true, false),
    ("DATE", LocalDate.of(1969, 12, 31), LocalDate.of(2024, 2, 29)),
    ("TIMESTAMP", Instant.parse("2021-03-04T05:06:07.890123Z"), Instant.EPOCH),
    ("TIMESTAMP_NTZ", LocalDateTime.of(2021, 3, 4, 5, 6, 7, 890000), null),
    ("STRING", "x" * 50, "007")
  )

  test("values of every type, in one row, with the types given and with those that Spark infers") {
    val ddl = typed.indices.map(i => s"p$i ${typed(i)._1}").mkString(", ")
    val rows = Seq(
      Row.fromSeq(1L +: Seq("a", "b") +: typed.map(_._2)),
      Row.fromSeq(2L +: null +: typed.map(_._3))
    )
    val schema = s"id BIGINT, l ARRAY<STRING>, $ddl"
    assertAsParquet { (format, folder) =>
      save(frame(schema, rows: _*).coalesce(1), format, folder, typed.indices.map(i => s"p$i"): _*)
      val given = spark.read.format(format).schema(schema).load(folder.getPath)
      assertSameRows(given, rows: _*)
      assertSameRows(
        given.select("p6", "id", "p12"),
        rows.map(row => Row(row.get(8), row.get(0), row.get(14))): _*
      )
      assertSameRows(
        given.groupBy("p7", "p12").count(),
        rows.map(row => Row(row.get(9), row.get(14), 1L)): _*
      )
      val inferred = spark.read.format(format).load(folder.getPath)
      val texts = withConf("spark.sql.sources.partitionColumnTypeInference.enabled" -> "false") {
        spark.read.format(format).load(folder.getPath)
      }
      assert(texts.schema.drop(2).forall(_.dataType == StringType))
      Seq(foldersIn(folder), inferred, inferred.schema.simpleString, texts)
    }
  }

  test("more partition columns than one word of null bits has") {
    withTempDir { folder =>
      val names = (0 until 70).map(i => s"k$i")
      val schema = StructType(
        StructField("s", StringType) +: names.map(name => StructField(name, StringType))
      )
      val values = names.indices.map(i => if (i % 5 == 0) null else s"v$i")
      // Folders as Spark lays them out; a name of all seventy in one is more than Linux takes.
      val path = names.zip(values).map { case (name, value) =>
        s"$name=${Option(value).getOrElse("__HIVE_DEFAULT_PARTITION__")}"
      }
      writeExamples(new File(folder, path.mkString("", "/", "/a.tfrecord")), example())
      assertRows(read(folder, schema), Row.fromSeq(null +: values))
      assertRows(read(folder, schema).select("k69", "s", "k65", "k1"), Row("v69", null, null, "v1"))
      assertRows(infer(folder).selectExpr("count(*)", "count(k0)", "max(k69)"), Row(1L, 0L, "v69"))
    }
  }

  private def years(folder: File): File = {
    for (year <- 2020 to 2022; month <- 1 to 3) {
      writeExamples(
        new File(folder, s"year=$year/month=0$month/a.tfrecord"),
        example("n" -> int64s(year * 100L + month))
      )
    }
    folder
  }

  test("two levels: only the folders that a filter leaves are read") {
    withTempDir { folder =>
      val damaged = new File(years(folder), "year=2021/month=02/a.tfrecord")
      writeFile(damaged, Array[Byte](1, 2, 3))
      def found(where: String): DataFrame =
        read(folder, "n BIGINT, year INT, month INT").where(where).select("n")
      assertRows(found("year = 2022 AND month = 3"), Row(202203L))
      assertSameRows(found("year = 2021 AND month != 2"), Row(202101L), Row(202103L))
      assert(found("year + month = 2023 AND n > 0 AND month = 1").count() == 1)
      assertFails("year=2021/month=02")(found("year = 2021").collect())
    }
  }

  test("a join's other side leaves out folders while the query runs") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      writeFile(new File(years(out), "year=2021/month=02/a.tfrecord"), Array[Byte](1, 2, 3))
      val names = new File(folder, "names")
      write(frame("y INT, name STRING", Row(2020, "x"), Row(2021, "y"), Row(2022, "x")), names)
      val wanted = read(names, "y INT, name STRING").where("name = 'x'")
      val found = read(out, "n BIGINT, year INT, month INT").join(wanted, col("y") === col("year"))
      assert(found.count() == 6)
    }
  }

  test("a schema may put partition columns anywhere and give them other types") {
    withTempDir { folder =>
      years(folder)
      val one = "year = 2020 AND month = 1"
      assertAsParquet { (format, out) =>
        save(read(folder, "n BIGINT, year INT, month INT"), format, out, "year", "month")
        val schemas = Seq(
          "month STRING, n BIGINT, year DOUBLE",
          "year STRING, n BIGINT",
          "YEAR SMALLINT, N BIGINT"
        )
        schemas.map { schema =>
          spark.read.format(format).schema(schema).load(out.getPath).where(one)
        }
      }
      assertRows(
        read(folder, "month STRING, n BIGINT, year DOUBLE").where(one).select("month", "n", "year"),
        Row("01", 202001L, 2020d)
      )
    }
  }

  test("one folder of them: with basePath it has the columns, without it has none") {
    withTempDir { folder =>
      val one = new File(years(folder), "year=2020/month=01")
      assertRows(infer(one), Row(202001L))
      assertRows(infer(one, "basePath" -> folder.getPath), Row(202001L, 2020, 1))
      val some = infer(new File(folder, "year=2020")).where("month < 3")
      assertSameRows(some, Row(202001L, 1), Row(202002L, 2))
      val found = infer(folder, "recursiveFileLookup" -> "true")
      assert(found.columns.toSeq == Seq("n") && found.count() == 9)
    }
  }

  test("folders that disagree on their columns are refused, as by Parquet") {
    assertAsParquet { (format, folder) =>
      for (name <- Seq("a=1", "b=2")) {
        spark.range(1).write.format(format).save(new File(folder, name).getPath)
      }
      spark.read.format(format).load(folder.getPath).collect().toSeq
    }
  }

  test("all columns as partition columns are refused, as by Parquet") {
    assertAsParquet { (format, folder) =>
      save(frame("a BIGINT", Row(1L)), format, new File(folder, "out"), "a")
    }
  }

  test("INSERT INTO and OVERWRITE with static, dynamic and mixed partitions, as Parquet") {
    for (mode <- Seq("static", "dynamic")) {
      assertAsParquet { (format, _) =>
        withConf("spark.sql.sources.partitionOverwriteMode" -> mode) {
          withTable("parts") {
            var ends = Seq.empty[Any]
            sql(s"CREATE TABLE parts (n INT, a STRING, b INT) USING $format PARTITIONED BY (a, b)")
            def run(statement: String): Unit = {
              sql(statement)
              ends :+= shown(sql("SELECT n, a, b FROM parts")).sorted
            }
            run("INSERT INTO parts VALUES (1, 'x/y', 1), (2, 'x/y', 2), (3, 'z', 1), (4, NULL, 1)")
            run("INSERT INTO parts PARTITION (a = 'x/y', b = 1) VALUES (5), (6)")
            run("INSERT INTO parts (b, n, a) VALUES (9, 7, 'named')")
            run("INSERT OVERWRITE parts PARTITION (a = 'x/y', b = 1) VALUES (8)")
            run("INSERT OVERWRITE parts PARTITION (a = 'x/y', b) VALUES (10, 2)")
            run("INSERT OVERWRITE parts VALUES (11, NULL, 1), (12, 'z', 3)")
            run("INSERT OVERWRITE parts PARTITION (a = 'none', b = 0) SELECT 1 WHERE false")
            ends :+= shown(sql("SHOW PARTITIONS parts")).sorted
            val left = if (mode == "static") 0 else 4
            assert(spark.table("parts").where("a IN ('x/y', 'named') OR n = 3").count() == left)
            ends
          }
        }
      }
    }
  }

  test("a dynamic overwrite of folders with odd values leaves the others as they are", NotOnS3) {
    val rows = Seq("a/b", "100%", "x=y", "a b", "数学", null).zipWithIndex
      .map { case (value, i) => Row(i.toLong, value) }
    withTempDir { folder =>
      save(frame("id BIGINT, k STRING", rows: _*), source, folder, "k")
      val replaced = Seq(0, 3, 5).map(i => Row(100L + i, rows(i).get(1)))
      for (_ <- 1 to 2) {
        frame("id BIGINT, k STRING", replaced: _*).write.format(source).partitionBy("k")
          .option("partitionOverwriteMode", "dynamic").mode("overwrite").save(folder.getPath)
      }
      val kept = Seq(1, 2, 4).map(rows)
      assertSameRows(read(folder, "id BIGINT, k STRING"), replaced ++ kept: _*)
    }
  }
}

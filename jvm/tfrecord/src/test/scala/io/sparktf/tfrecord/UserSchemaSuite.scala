package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row
import org.apache.spark.sql.types._

import Records._

/** Schemas that users give, against files that know nothing of them. */
@LocalOnly
class UserSchemaSuite extends TableSuite {

  private def withGenerations(body: File => Unit): Unit = withTempDir { folder =>
    writeExamples(new File(folder, "v=1/a.tfrecord"), example("a" -> int64s(1)))
    writeExamples(
      new File(folder, "v=2/a.tfrecord"),
      example("b" -> strings("x"), "a" -> int64s(2)),
      example("a" -> int64s(3), "b" -> strings("y"))
    )
    writeExamples(
      new File(folder, "v=3/a.tfrecord"),
      example("c" -> floats(1, 2), "d" -> int64s(7), "b" -> strings("z"))
    )
    body(folder)
  }

  test("files of several generations under one schema, whole, pruned and filtered") {
    withGenerations { folder =>
      val all = read(folder, "c ARRAY<DOUBLE>, a INT, none BINARY, b STRING, v INT")
      assertSameRows(
        all,
        Row(null, 1, null, null, 1),
        Row(null, 2, null, "x", 2),
        Row(null, 3, null, "y", 2),
        Row(Seq(1d, 2d), null, null, "z", 3)
      )
      assertSameRows(all.where("b IS NULL").select("a"), Row(1))
      assertSameRows(all.where("a IS NULL OR b = 'x'").select("v", "b"), Row(2, "x"), Row(3, "z"))
      assertRows(all.selectExpr("count(none)", "count(a)", "count(c)"), Row(0L, 3L, 1L))
      assert(infer(folder).columns.toSet == Set("a", "b", "c", "d", "v"))
    }
  }

  test("union by name, with columns that one side lacks") {
    withGenerations { folder =>
      val first = infer(new File(folder, "v=1"))
      val third = read(new File(folder, "v=3"), "b STRING, d BIGINT")
      assertSameRows(
        first.unionByName(third, allowMissingColumns = true),
        Row(1L, null, null),
        Row(null, "z", 7L)
      )
      assertSameRows(
        read(folder, "d BIGINT, a BIGINT").select("d", "a")
          .unionByName(read(folder, "a BIGINT, d BIGINT").select("a", "d")).where("a + 0 = 3"),
        Row(null, 3L),
        Row(null, 3L)
      )
    }
  }

  test("comments and metadata of a schema stay, and NOT NULL goes, as Parquet's do") {
    assertAsParquet { (format, folder) =>
      val metadata = new MetadataBuilder().putString("unit", "cm").build()
      val schema = StructType(Seq(
        StructField("a", LongType, nullable = false, metadata).withComment("the first"),
        StructField("l", ArrayType(IntegerType, containsNull = false), nullable = false)
      ))
      write(frame("a BIGINT, l ARRAY<INT>", Row(1L, Seq(2))), new File(folder, source))
      frame("a BIGINT, l ARRAY<INT>", Row(1L, Seq(2))).write.parquet(folder.getPath + "/parquet")
      val found = spark.read.format(format).schema(schema).load(s"$folder/$format")
      Seq(found.schema.json, found, found.selectExpr("a IS NULL", "l[0] IS NULL"))
    }
  }

  test("NOT NULL in a table is no constraint, as in one of Parquet") {
    val end = assertAsParquet { (format, _) =>
      withTable("strict") {
        sql(s"CREATE TABLE strict (n INT NOT NULL, s STRING) USING $format")
        sql("INSERT INTO strict SELECT CAST(NULL AS INT), 'x'")
        sql("INSERT INTO strict VALUES (1, NULL)")
        shown(sql("SELECT * FROM strict WHERE n IS NULL OR s IS NULL")).sorted
      }
    }
    assert(end == "[{Integer(1), null}, {null, \"x\"}]")
  }

  test("CHAR and VARCHAR: padded, checked, as partitions and in a reader's schema, as Parquet's") {
    assertAsParquet { (format, _) =>
      withTable("texts") {
        sql(s"CREATE TABLE texts (v VARCHAR(3), n INT, c CHAR(4)) USING $format PARTITIONED BY (c)")
        sql("INSERT INTO texts VALUES ('ab ', 1, 'x'), (NULL, 2, 'abcd'), ('abc   ', 3, NULL)")
        Seq(
          sql("SELECT * FROM texts"),
          sql("SELECT n FROM texts WHERE c = 'x'"),
          sql("SELECT length(v), length(c) FROM texts")
        ).map(rows => shown(rows).sorted)
      }
    }
    val tooLong = assertAsParquet { (format, _) =>
      withTable("texts") {
        sql(s"CREATE TABLE texts (v VARCHAR(3)) USING $format")
        sql("INSERT INTO texts VALUES ('abcd')")
      }
    }
    assert(tooLong.contains("EXCEED_LIMIT_LENGTH"))
    withTempDir { folder =>
      // Written by others than Spark: without the padding.
      writeExamples(new File(folder, "a.tfrecord"), example("c" -> strings("ab")))
      withTable("padded") {
        sql(s"CREATE TABLE padded (c CHAR(4)) USING $source LOCATION '$folder'")
        assertRows(sql("SELECT c FROM padded WHERE c = 'ab'"), Row("ab  "))
      }
    }
    assertAsParquet { (format, folder) =>
      frame("c STRING, v STRING", Row("ab", "cd")).write.format(format).save(folder.getPath + "/o")
      spark.read.format(format).schema("c CHAR(4), v VARCHAR(4)").load(folder.getPath + "/o")
    }
  }

  test("a schema of no column, and of columns that no file has") {
    withGenerations { folder =>
      assert(read(new File(folder, "v=2"), new StructType).count() == 2)
      assertRows(read(new File(folder, "v=2"), new StructType), Row(), Row())
      assertSameRows(read(folder, new StructType), Row(1), Row(2), Row(2), Row(3))
      val other = read(folder, "x STRING, y ARRAY<BIGINT>").drop("v")
      assertRows(other.distinct(), Row(null, null))
      assert(other.where("x IS NOT NULL").count() == 0)
    }
  }
}

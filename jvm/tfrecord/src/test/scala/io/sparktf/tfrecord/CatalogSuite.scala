package io.sparktf.tfrecord

import java.io.File
import java.util.Collections

import org.apache.spark.sql.Row
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types.StructType

import Records._

/** Tables of a catalogue: how they come to be, change and go, and what becomes of their files. */
class CatalogSuite extends TableSuite {

  test("a managed table's files go with it, an external table's stay") {
    withTempDir { folder =>
      withTable("managed", "external") {
        sql(s"CREATE TABLE managed (n INT) USING $source")
        sql(s"CREATE TABLE external (n INT) USING $source LOCATION '$folder'")
        for (table <- Seq("managed", "external")) {
          sql(s"INSERT INTO $table VALUES (1)")
          val files = locationOf(table)
          assert(readExamples(files) == Vector(example("n" -> int64s(1))))
          sql(s"DROP TABLE $table")
          assert(Store.exists(files) == (table == "external"))
        }
        assert(dataFiles(folder).size == 1)
      }
    }
  }

  test("a table without a schema over partition folders, which MSCK REPAIR finds") {
    withTempDir { folder =>
      writeExamples(new File(folder, "day=1/a.tfrecord"), example("n" -> int64s(10)))
      writeExamples(new File(folder, "day=2/b.tfrecord"), example("s" -> strings("x")))
      withTable("days") {
        sql(s"CREATE TABLE days USING $source LOCATION '$folder'")
        assert(spark.table("days").schema == StructType.fromDDL("n BIGINT, s STRING, day INT"))
        sql("MSCK REPAIR TABLE days")
        assertSameRows(sql("SELECT * FROM days"), Row(10L, null, 1), Row(null, "x", 2))
        writeExamples(new File(folder, "day=3/c.tfrecord"), example("n" -> int64s(30)))
        sql("MSCK REPAIR TABLE days")
        assertRows(sql("SELECT n FROM days WHERE day = 3"), Row(30L))
        assertRows(
          sql("SHOW PARTITIONS days").orderBy("partition"),
          Row("day=1"),
          Row("day=2"),
          Row("day=3")
        )
      }
    }
  }

  test("a table without a schema over no files is refused, as Parquet's is") {
    val condition = assertAsParquet { (format, folder) =>
      withTable("none") {
        sql(s"CREATE TABLE none USING $format LOCATION '$folder'")
        sql("SELECT * FROM none").collect()
      }
    }
    assert(condition.contains("UNABLE_TO_INFER_SCHEMA"))
  }

  test("CREATE TABLE AS SELECT, partitioned, bucketed and with a comment") {
    withTempDir { folder =>
      withTable("made") {
        sql(s"CREATE TABLE made USING $source PARTITIONED BY (part) " +
          s"CLUSTERED BY (id) SORTED BY (id) INTO 2 BUCKETS LOCATION '$folder' " +
          "COMMENT 'numbers' AS SELECT id, id / 2 AS half, id % 2 AS part FROM range(20)")
        assertSameRows(
          sql("SELECT id, half, part FROM made"),
          (0 until 20).map(i => Row(i.toLong, i / 2d, i % 2L)): _*
        )
        assert(pathsIn(folder).forall(_.matches("part=[01]/part-.*_0000[01].*\\.tfrecord")))
        assert(readExamples(folder).forall(_.getFeatures.getFeatureCount == 2))
        assert(spark.catalog.getTable("made").description == "numbers")
      }
    }
  }

  test(
    "CREATE TABLE LIKE, IF NOT EXISTS, and what SHOW CREATE TABLE says makes the same table",
    LocalOnlyTest
  ) {
    withTable("first", "second", "third") {
      sql(s"CREATE TABLE first (n INT, `the key` STRING, l ARRAY<FLOAT>) USING $source " +
        "OPTIONS (compression 'gzip') PARTITIONED BY (`the key`)")
      sql(s"CREATE TABLE IF NOT EXISTS first (other INT) USING $source")
      sql("CREATE TABLE second LIKE first")
      val ddl = sql("SHOW CREATE TABLE first").head().getString(0)
      sql(ddl.replaceFirst("first", "third"))
      for (table <- Seq("first", "second", "third")) {
        sql(s"INSERT INTO $table (n, l, `the key`) VALUES (1, array(2.5), 'k')")
        assertRows(sql(s"SELECT * FROM $table"), Row(1, Seq(2.5f), "k"))
        assert(pathsIn(locationOf(table)).forall(_.matches("the key=k/part-.*\\.tfrecord\\.gz")))
      }
    }
  }

  test(
    "ALTER TABLE ADD COLUMNS is for Spark's own sources, and a wider table reads old files",
    LocalOnlyTest
  ) {
    withTempDir { folder =>
      def create(columns: String): Unit = {
        sql("DROP TABLE IF EXISTS grown")
        sql(s"CREATE TABLE grown ($columns, day INT) USING $source PARTITIONED BY (day) " +
          s"LOCATION '$folder'")
        sql("MSCK REPAIR TABLE grown")
      }
      withTable("grown") {
        create("n INT")
        sql("INSERT INTO grown VALUES (1, 1)")
        // Spark lists the sources that may: its CSV, JSON, ORC and Parquet.
        assertFails("ALTER", "ADD COLUMN", "TFRecord") {
          sql("ALTER TABLE grown ADD COLUMNS (s STRING)")
        }
        assertRows(sql("SELECT * FROM grown"), Row(1, 1))
        create("n INT, s STRING")
        sql("INSERT INTO grown VALUES (2, 'two', 1), (3, 'three', 2)")
        assertSameRows(
          sql("SELECT s, n, day FROM grown"),
          Row(null, 1, 1),
          Row("two", 2, 1),
          Row("three", 3, 2)
        )
        assertRows(sql("SELECT n FROM grown WHERE s IS NULL"), Row(1))
      }
    }
  }

  // On HDFS, Spark's in-memory catalog moves a renamed partition's folder into the new one, where
  // no table finds it.
  test(
    "ALTER TABLE: another name, another location, partitions that come and go, TRUNCATE",
    LocalOnlyTest
  ) {
    withTempDir { folder =>
      val elsewhere = new File(folder, "elsewhere")
      writeExamples(new File(elsewhere, "x.tfrecord"), example("n" -> int64s(70)))
      withTable("named", "renamed") {
        sql(s"CREATE TABLE named (n INT, day INT) USING $source PARTITIONED BY (day)")
        sql("INSERT INTO named VALUES (10, 1), (20, 2), (30, 3)")
        sql("ALTER TABLE named RENAME TO renamed")
        sql(s"ALTER TABLE renamed ADD PARTITION (day = 7) LOCATION '$elsewhere'")
        sql("ALTER TABLE renamed DROP PARTITION (day = 1)")
        sql("ALTER TABLE renamed PARTITION (day = 2) RENAME TO PARTITION (day = 5)")
        assertSameRows(sql("SELECT * FROM renamed"), Row(30, 3), Row(20, 5), Row(70, 7))
        assertRows(sql("SELECT n FROM renamed WHERE day = 7"), Row(70))
        sql("TRUNCATE TABLE renamed PARTITION (day = 3)")
        assertSameRows(sql("SELECT n FROM renamed"), Row(20), Row(70))
        sql("TRUNCATE TABLE renamed")
        assert(spark.table("renamed").count() == 0)
      }
      writeExamples(new File(elsewhere, "y.tfrecord"), example("n" -> int64s(80)))
      withTable("moved") {
        sql(s"CREATE TABLE moved (n INT) USING $source")
        sql("INSERT INTO moved VALUES (1)")
        sql(s"ALTER TABLE moved SET LOCATION '$elsewhere'")
        assertRows(sql("SELECT * FROM moved"), Row(80))
      }
    }
  }

  test("REFRESH shows what another program has added, replaced or removed") {
    withTempDir { folder =>
      val file = new File(folder, "a.tfrecord")
      writeExamples(file, example("n" -> int64s(1)))
      withTable("seen") {
        sql(s"CREATE TABLE seen (n INT) USING $source LOCATION '$folder'")
        assertRows(sql("SELECT * FROM seen"), Row(1))
        writeExamples(new File(folder, "b.tfrecord"), example("n" -> int64s(2)))
        sql("REFRESH TABLE seen")
        assertSameRows(sql("SELECT * FROM seen"), Row(1), Row(2))
        writeExamples(file, example("n" -> int64s(3)), example("n" -> int64s(4)))
        sql("REFRESH TABLE seen")
        assertSameRows(sql("SELECT * FROM seen"), Row(2), Row(3), Row(4))
        spark.table("seen").cache()
        assert(spark.table("seen").count() == 3)
        Store.delete(file)
        sql(s"REFRESH '$folder'")
        assertRows(sql("SELECT * FROM seen"), Row(2))
      }
    }
  }

  test(
    "OPTIONS are those of the source in reads and writes; TBLPROPERTIES are not",
    LocalOnlyTest
  ) {
    withTempDir { folder =>
      withTable("options", "properties") {
        sql(s"CREATE TABLE options (n INT) USING $source OPTIONS (Compression 'zlib', " +
          s"pathGlobFilter '*.deflate') LOCATION '$folder'")
        sql("INSERT INTO options VALUES (1)")
        writeExamples(new File(folder, "other.tfrecord"), example("n" -> int64s(2)))
        sql("REFRESH TABLE options")
        assert(dataFiles(folder).count(_.getName.endsWith(".tfrecord.deflate")) == 1)
        assertRows(sql("SELECT * FROM options"), Row(1))
        sql(s"CREATE TABLE properties (n INT) USING $source TBLPROPERTIES (compression = 'gzip')")
        sql("INSERT INTO properties VALUES (1)")
        assert(pathsIn(locationOf("properties")).forall(_.endsWith(".tfrecord")))
      }
      withTable("wrong") {
        sql(s"CREATE TABLE wrong (n INT) USING $source OPTIONS (compression 'lzip')")
        assertFails("compression", "lzip")(sql("INSERT INTO wrong VALUES (1)"))
      }
    }
  }

  test("spark.catalog.createTable, by path and by schema", LocalOnlyTest) {
    withTempDir { folder =>
      writeExamples(new File(folder, "day=1/a.tfrecord"), example("n" -> int64s(10)))
      withTable("found", "given") {
        spark.catalog.createTable("found", folder.getPath, source)
        spark.catalog.recoverPartitions("found")
        assertRows(spark.read.table("found"), Row(10L, 1))
        val schema = StructType.fromDDL("s STRING, l ARRAY<BIGINT>")
        spark.catalog.createTable(
          "given",
          source,
          schema,
          Collections.singletonMap("compression", "gzip")
        )
        frame(schema, Row("a", Seq(1L))).write.insertInto("given")
        assertRows(spark.read.table("given"), Row("a", Seq(1L)))
        assert(pathsIn(locationOf("given")).forall(_.endsWith(".tfrecord.gz")))
        assert(spark.catalog.getTable("found").tableType == "EXTERNAL")
      }
    }
  }

  test("a temporary view over files, and a folder that a query overwrites") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      for (n <- 1 to 2) {
        sql(s"INSERT OVERWRITE DIRECTORY '$out' USING $source " +
          s"OPTIONS (compression 'gzip') SELECT $n AS n, array('a', 'b') AS l")
      }
      assert(readExamples(out) == Vector(example("n" -> int64s(2), "l" -> strings("a", "b"))))
      sql(s"CREATE TEMPORARY VIEW view USING $source OPTIONS (path '$out')")
      try assertRows(sql("SELECT l, n FROM view"), Row(Seq("a", "b"), 2L))
      finally sql("DROP VIEW view")
    }
  }

  test("saveAsTable replaces a table and its columns; the table itself is no source for that") {
    withTable("saved") {
      def save(rows: String, mode: String): Unit =
        sql(s"SELECT $rows").write.format(source).mode(mode).saveAsTable("saved")
      save("1 AS n", "overwrite")
      save("'x' AS s, 2 AS n", "overwrite")
      save("'y' AS s, 3 AS n", "append")
      assertSameRows(sql("SELECT s, n FROM saved"), Row("x", 2), Row("y", 3))
      intercept[Exception] {
        spark.table("saved").write.format(source).mode("overwrite").saveAsTable("saved")
      }
      intercept[Exception](sql("INSERT OVERWRITE saved SELECT * FROM saved WHERE n = 2"))
      assertSameRows(sql("SELECT s, n FROM saved"), Row("x", 2), Row("y", 3))
      sql("INSERT INTO saved SELECT concat(s, s), n + 2 FROM saved")
      assert(spark.table("saved").count() == 4)
    }
  }

  test("writeTo: create, and append, which file sources do not know, as Parquet's", LocalOnlyTest) {
    val created = assertAsParquet { (format, _) =>
      withTable("written") {
        sql("SELECT 1 AS n, 2 AS part").writeTo("written").using(format)
          .partitionedBy(col("part")).create()
        shown(spark.table("written")) ++ pathsIn(locationOf("written")).map(_.take(6))
      }
    }
    assert(created == "[{Integer(1), Integer(2)}, part=2]")
    assertAsParquet { (format, _) =>
      withTable("written") {
        sql("SELECT 1 AS n").writeTo("written").using(format).create()
        sql("SELECT 2 AS n").writeTo("written").append()
      }
    }
  }

  test("ANALYZE TABLE counts the rows and values") {
    withTable("counted") {
      sql(s"CREATE TABLE counted USING $source AS " +
        "SELECT id, IF(id % 3 = 0, NULL, CAST(id % 5 AS STRING)) AS s FROM range(30)")
      sql("ANALYZE TABLE counted COMPUTE STATISTICS FOR ALL COLUMNS")
      val statistics = sql("DESCRIBE EXTENDED counted").where("col_name = 'Statistics'").head()
      val bytes = pathsIn(locationOf("counted")).map(new File(locationOf("counted"), _).length).sum
      assert(statistics.getString(1) == s"$bytes bytes, 30 rows")
      val found = sql("DESCRIBE EXTENDED counted s").collect()
        .map(row => row.getString(0) -> row.getString(1)).toMap
      assert(found("num_nulls") == "10" && found("distinct_count") == "5")
    }
  }

  test(
    "column defaults are for Spark's own sources, UPDATE and DELETE for table formats",
    LocalOnlyTest
  ) {
    withTable("refused") {
      assertFails("default", "tfrecord") {
        sql(s"CREATE TABLE refused (n INT, m INT DEFAULT 5) USING $source")
      }
      assert(!spark.catalog.tableExists("refused"))
      for (statement <- Seq("DELETE FROM refused WHERE n = 1", "UPDATE refused SET n = 2")) {
        assertAsParquet { (format, _) =>
          withTable("refused") {
            sql(s"CREATE TABLE refused (n INT) USING $format")
            intercept[Exception](sql(statement)).getClass
          }
        }
      }
    }
  }
}

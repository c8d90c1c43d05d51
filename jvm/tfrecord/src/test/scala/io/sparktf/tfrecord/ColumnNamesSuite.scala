package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types._

import Records._

/** Columns by names that a parser, a path or a comparison of cases could stumble over. */
@LocalOnly
class ColumnNamesSuite extends TableSuite {

  private val odd = Vector(
    "with.dot",
    "a.b.c",
    " blank ",
    "`back``tick`",
    "'single' \"double\"",
    "tab\tnew\nline\r",
    "nul\u0000",
    "数学",
    "😀 and 🏳️‍🌈",
    "é", // one letter
    "e\u0301", // the same to the eye, an e and an accent
    "ß",
    "comma, semi; (paren) {brace} [0]",
    "k=v/w\\x%20*?",
    "features.feature[0].key",
    "SELECT",
    "1",
    "x" * 20000
  )

  private val schema = StructType(odd.map(name => StructField(name, LongType)))
  private val row = Row.fromSeq(odd.indices.map(_.toLong))

  private def quoted(name: String): String = "`" + name.replace("`", "``") + "`"

  test("names of any characters are the features' names, and select, filter and infer by them") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame(schema, row), out)
      val features = readExamples(out).head.getFeatures.getFeatureMap
      assert(features.keySet.toArray.toSet == odd.toSet)
      assert(infer(out).schema == schema)
      assertRows(read(out, schema), row)
      for (name <- odd.take(17)) {
        val i = odd.indexOf(name).toLong
        assertRows(read(out, schema).where(col(quoted(name)) === i).select(quoted(name)), Row(i))
      }
      val some = odd.reverse.grouped(3).map(_.head).toSeq
      assertRows(
        read(out, schema).select(some.map(name => col(quoted(name))): _*),
        Row.fromSeq(some.map(name => odd.indexOf(name).toLong))
      )
    }
  }

  test("the same names in a table of SQL") {
    val names = odd.filterNot(name => name.contains("\u0000") || name.length > 1000)
    withTable("odd") {
      val columns = names.map(name => s"${quoted(name)} BIGINT").mkString(", ")
      sql(s"CREATE TABLE odd ($columns) USING $source")
      sql(s"INSERT INTO odd VALUES (${names.indices.mkString(", ")})")
      sql(s"INSERT INTO odd (${names.reverse.map(quoted).mkString(", ")}) " +
        s"VALUES (${names.indices.reverse.mkString(", ")})")
      val expected = Row.fromSeq(names.indices.map(_.toLong))
      assertRows(sql("SELECT * FROM odd"), expected, expected)
      val where = names.map(name => s"${quoted(name)} = ${names.indexOf(name)}").mkString(" AND ")
      assert(sql(s"SELECT ${quoted("with.dot")} FROM odd WHERE $where").count() == 2)
    }
  }

  test("names that differ in case alone: refused, or with spark.sql.caseSensitive columns apart") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val both = StructType.fromDDL("label BIGINT, Label STRING, LABEL FLOAT")
      val values = Row(1L, "two", 3f)
      assertFails("label")(write(frame(both, values), out))
      withConf("spark.sql.caseSensitive" -> "true") {
        write(frame(both, values), out)
        assertRows(infer(out), values)
        assertRows(infer(out).select("LABEL", "label"), Row(3f, 1L))
        assertRows(read(out, "Label STRING"), Row("two"))
        assertRows(read(out, "lABEL STRING"), Row(null: Any))
      }
      assertFails("label")(infer(out).collect())
      assertFails("label")(read(out, both).collect())
    }
  }

  test("a query, a table and a user's schema name columns in any case, unless it matters") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(frame("`Größe` BIGINT, `ΣΑΣ` STRING, `İd` FLOAT", Row(1L, "s", 2f)), out)
      assertRows(infer(out).select("GRÖßE", "σΑς"), Row(1L, "s"))
      assertRows(read(out, "`größe` BIGINT, `σας` STRING"), Row(1L, "s"))
      withTable("cased") {
        sql(s"CREATE TABLE cased (`GRÖßE` BIGINT, `İd` FLOAT) USING $source " +
          s"LOCATION '$out'")
        assertRows(sql("SELECT `größe`, `İd` FROM cased"), Row(1L, 2f))
        sql("INSERT INTO cased (`größe`) VALUES (5)")
        assert(sql("SELECT * FROM cased WHERE `GrößE` = 5").count() == 1)
      }
      withConf("spark.sql.caseSensitive" -> "true") {
        assertFails("größe")(infer(out).select("größe"))
        assertRows(read(out, "`größe` BIGINT, `ΣΑΣ` STRING"), Row(null, "s"), Row(null, null))
      }
    }
  }

  test("a partition column in another case is the same column, unless it matters") {
    withTempDir { folder =>
      val rows = frame("Id BIGINT, Day INT", Row(1L, 5), Row(2L, 6)).coalesce(1)
      val out = new File(folder, "out")
      rows.write.format(source).partitionBy("Day").save(out.getPath)
      assertSameRows(read(out, "ID INT, DAY STRING"), Row(1, "5"), Row(2, "6"))
      assertRows(infer(out).where("DAY = 6").select("id"), Row(2L))
      assert(read(out, "ID INT, DAY STRING").columns.toSeq == Seq("ID", "DAY"))
      withConf("spark.sql.caseSensitive" -> "true") {
        assertFails("day") {
          rows.write.format(source).partitionBy("day").save(folder.getPath + "/other")
        }
        assertSameRows(read(out, "Id BIGINT, day INT"), Row(1L, null, 5), Row(2L, null, 6))
      }
    }
    assertAsParquet { (format, folder) =>
      frame("Id BIGINT, Day INT", Row(1L, 5)).write.format(format).partitionBy("dAY")
        .mode("append").save(folder.getPath)
      dataFiles(folder).map(_.getParentFile.getName) :+
        spark.read.format(format).load(folder.getPath)
    }
  }

  test("a feature and a partition column that differ in case alone") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "day=1/a.tfrecord"),
        example("n" -> int64s(1), "Day" -> int64s(77))
      )
      assertRows(read(folder, "n BIGINT"), Row(1L, 1))
      assertRows(infer(folder).select("n", "day"), Row(1L, 1))
      withConf("spark.sql.caseSensitive" -> "true") {
        assertRows(infer(folder).select("Day", "day", "n"), Row(77L, 1, 1L))
      }
    }
  }
}

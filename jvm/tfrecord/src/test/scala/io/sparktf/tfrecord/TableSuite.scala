package io.sparktf.tfrecord

import java.io.File
import java.net.URI

import org.apache.spark.SparkThrowable
import org.apache.spark.sql.{DataFrame, Dataset, Row}
import org.scalatest.exceptions.TestFailedException

/**
 * For what Spark does alike for all of its file sources: SQL, tables, and Parquet's source as the
 * yardstick where Spark's versions differ.
 */
trait TableSuite extends TFRecordSuite {

  protected def sql(text: String): DataFrame = spark.sql(text)

  protected def withTable[T](names: String*)(body: => T): T =
    try body
    finally names.foreach(name => sql(s"DROP TABLE IF EXISTS $name"))

  /** The folder that holds a table's files. */
  protected def locationOf(table: String): File = {
    val found = sql(s"DESCRIBE EXTENDED $table").where("col_name = 'Location'").head()
    new File(URI.create(found.getString(1)).getPath)
  }

  /** The files below a folder by their paths in it, for example `day=1/part-0.tfrecord`. */
  protected def pathsIn(folder: File): Seq[String] =
    Records.dataFiles(folder).map(file => folder.toPath.relativize(file.toPath).toString)

  /**
   * `body`, given the name of a source and a folder of its own, comes to the same end with tfrecord
   * as with Parquet: to the same value, or to an error of the same condition and causes.
   *
   * @return that end: what `body` returned as text, or the conditions of the error and its causes
   */
  protected def assertAsParquet(body: (String, File) => Any): String = {
    val Seq(found, expected) = Seq(source, "parquet").map { format =>
      withTempDir(folder => outcome(body(format, folder)))
    }
    assert(found == expected)
    found
  }

  private def outcome(body: => Any): String =
    try text(body)
    catch {
      case e: TestFailedException => throw e
      // Spark 3.5 still asserts where later versions have errors with conditions.
      case e @ (_: Exception | _: AssertionError) =>
        val causes = Iterator.iterate[Throwable](e)(_.getCause).takeWhile(_ != null)
        val named = causes.map {
          case s: SparkThrowable if s.getErrorClass != null => s.getErrorClass
          case other => other.getClass.getName
        }
        named.mkString(" < ")
    }

  private def text(value: Any): String = value match {
    case rows: Dataset[_] =>
      rows.schema.simpleString + shown(rows.toDF()).sorted.mkString(" ", " ", "")
    case values: scala.collection.Seq[_] => values.map(text).mkString("[", ", ", "]")
    case row: Row => Shown.show(row)
    case other => String.valueOf(other)
  }
}

package io.sparktf.savedmodel

import java.nio.file.{Files, Path}

import org.apache.spark.sql.{DataFrame, SparkSession}
import org.scalatest.funsuite.AnyFunSuite

/** What the suites share: a session, and results that are compared to 1e-5. */
abstract class ScoringSuite extends AnyFunSuite {
  protected def spark: SparkSession = ScoringSuite.spark

  protected lazy val linear: SavedModel = SavedModel.load(Models.path("linear"))

  protected def temporaryFolder(): Path = Files.createTempDirectory("sparktf-scoring")

  protected def assertClose(found: Iterable[Float], expected: Iterable[Float]): Unit = {
    assert(found.size == expected.size)
    found.zip(expected).zipWithIndex.foreach { case ((f, e), i) =>
      assert(math.abs(f - e) <= 1e-5 * math.max(1, math.abs(e)), s"at $i: $f, expected $e")
    }
  }

  /** The message of the error, and of all its causes. */
  protected def failure(code: => Any): String = {
    val error = intercept[Throwable](code)
    Iterator.iterate(error)(_.getCause).takeWhile(_ != null).map(_.getMessage).mkString("\n")
  }

  /** One row, one partition: `features` with what the SQL expression gives. */
  protected def column(expression: String, name: String = "x"): DataFrame =
    spark.range(0, 1, 1, 1).selectExpr(s"$expression AS $name")
}

object ScoringSuite {
  lazy val spark: SparkSession = {
    val session = SparkSession.builder()
      .master("local[2]")
      .appName("sparktf scoring tests")
      .config("spark.ui.enabled", "false")
      .config("spark.driver.bindAddress", "127.0.0.1")
      .config("spark.driver.host", "127.0.0.1")
      .config("spark.sql.shuffle.partitions", "2")
      .config("spark.sql.warehouse.dir", Files.createTempDirectory("warehouse").toString)
      .getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    sys.addShutdownHook(session.stop())
    session
  }
}

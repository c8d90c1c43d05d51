package io.sparktf.tfrecord

import java.io.{File, IOException}
import java.nio.file.Files
import java.util.Arrays.asList
import java.util.regex.Pattern

import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.apache.spark.sql.types._
import org.scalacheck.Gen
import org.scalacheck.rng.Seed
import org.scalatest.funsuite.AnyFunSuite

/**
 * What the suites share: one Spark session, folders that go away, and ways to say what an error
 * must name. The suites see the data source as its users do, through Spark and through files.
 */
trait TFRecordSuite extends AnyFunSuite {

  protected def spark: SparkSession = TestSession.spark

  /** The name of the data source: that of the entrance to it that is tested. */
  protected def source: String = TestSession.source

  protected def withTempDir[T](body: File => T): T = {
    val folder = Files.createTempDirectory(TestSession.scratch, "t").toFile
    Store.createFolder(folder)
    val result =
      try body(folder)
      catch {
        case failure: Throwable =>
          // What is still written there must not hide why the test has failed.
          try Store.delete(folder)
          catch { case e: IOException => failure.addSuppressed(e) }
          throw failure
      }
    Store.delete(folder)
    result
  }

  /** Reads with a schema in Spark's DDL, for example `x BIGINT, tags ARRAY<STRING>`. */
  protected def read(path: File, schema: String, options: (String, String)*): DataFrame =
    read(path, StructType.fromDDL(schema), options: _*)

  protected def read(path: File, schema: StructType, options: (String, String)*): DataFrame =
    spark.read.format(source).schema(schema).options(options.toMap).load(path.getPath)

  protected def infer(path: File, options: (String, String)*): DataFrame =
    spark.read.format(source).options(options.toMap).load(path.getPath)

  protected def frame(schema: String, rows: Row*): DataFrame =
    frame(StructType.fromDDL(schema), rows: _*)

  protected def frame(schema: StructType, rows: Row*): DataFrame =
    spark.createDataFrame(asList(rows: _*), schema)

  /** One file with the rows in their order. */
  protected def write(rows: DataFrame, path: File, options: (String, String)*): Unit =
    rows.coalesce(1).write.format(source).options(options.toMap).save(path.getPath)

  protected def shown(rows: DataFrame): Vector[String] = Shown.show(rows.collect().toVector)

  protected def assertRows(found: DataFrame, expected: Row*): Unit =
    assert(shown(found) == Shown.show(expected))

  /** The same rows in any order. */
  protected def assertSameRows(found: DataFrame, expected: Row*): Unit =
    assert(shown(found).sorted == Shown.show(expected).sorted)

  /**
   * `body` must fail, and one error of the chain of causes must by itself name all of `words`:
   * a word in any case, a number as a number of its own. The error must not be one of the JVM's
   * (memory, stack).
   */
  protected def assertFails(words: Any*)(body: => Any): Unit = {
    val error = intercept[Exception](body)
    val causes = Iterator.iterate[Throwable](error)(_.getCause).takeWhile(_ != null).toVector
    assert(!causes.exists(_.isInstanceOf[VirtualMachineError]), causes)
    // This one repeats the whole chain as text, so it would make the chain as good as one error.
    val messages = causes.map(cause => String.valueOf(cause.getMessage))
      .filterNot(_.startsWith("Job aborted due to stage failure"))
    val all = words.map(_.toString)
    assert(
      messages.exists(message => all.forall(word => names(message, word))),
      s"\nexpected one error to name ${all.mkString("<", "> <", ">")}, found:\n" +
        causes.map(cause => cause.toString.take(1000)).mkString("\n")
    )
  }

  private def names(message: String, word: String): Boolean =
    if (word.matches("-?\\d+")) {
      Pattern.compile("(?<![\\d.])" + Pattern.quote(word) + "(?![\\d])").matcher(message).find()
    } else {
      message.toLowerCase.contains(word.toLowerCase)
    }

  /** Runs `body` with SQL settings that are put back afterwards. */
  protected def withConf[T](settings: (String, String)*)(body: => T): T = {
    // Not one by one: that would give defaults as if they were set.
    val all = spark.conf.getAll
    val before = settings.map { case (key, _) => key -> all.get(key) }
    settings.foreach { case (key, value) => spark.conf.set(key, value) }
    try body
    finally before.foreach {
        case (key, Some(value)) => spark.conf.set(key, value)
        case (key, None) => spark.conf.unset(key)
      }
  }

  /** Lets Spark read files in splits of `length` bytes. */
  protected def inSplits[T](length: Long)(body: => T): T =
    withConf(
      "spark.sql.files.maxPartitionBytes" -> s"${length}b",
      "spark.sql.files.openCostInBytes" -> "0",
      "spark.sql.files.minPartitionNum" -> "1"
    )(body)

  /** `count` draws, always the same unless `-Dsparktf.test.seed` says otherwise. */
  protected def draw[T](count: Int, gen: Gen[T]): Vector[T] =
    Gen.containerOfN[Vector, T](count, gen)
      .pureApply(Gen.Parameters.default.withSize(12), Seed(seed))

  protected lazy val seed: Long = {
    val value = sys.props.get("sparktf.test.seed").map(_.toLong).getOrElse(20151109L)
    info(s"random cases drawn with -Dsparktf.test.seed=$value")
    value
  }
}

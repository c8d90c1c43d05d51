package io.sparktf.tfrecord

import java.io.IOException
import java.nio.file.{Files, FileVisitResult, Path, SimpleFileVisitor}
import java.nio.file.attribute.BasicFileAttributes

import org.apache.spark.sql.SparkSession

/** The session of all suites: starting one takes longer than most of them. */
object TestSession {

  lazy val scratch: Path = {
    val folder = Files.createTempDirectory("sparktf-tests")
    sys.addShutdownHook {
      SparkSession.getDefaultSession.foreach(_.stop())
      surroundings.close()
      delete(folder)
    }
    folder
  }

  val source: String = sys.props.getOrElse("sparktf.test.source", "tfrecord")

  lazy val surroundings: Surroundings = Surroundings.named(
    sys.props.getOrElse("sparktf.test.on", "local"),
    scratch.resolve("surroundings")
  )

  lazy val spark: SparkSession = start(surroundings.settings)

  /** A session as the suites expect it, with further settings. There can be one at a time. */
  def start(settings: Map[String, String]): SparkSession = {
    // The builder would give that one, wherever its tasks and files are.
    require(SparkSession.getDefaultSession.forall(_.sparkContext.isStopped), "one is running")
    val session = SparkSession.builder()
      .master("local[2]")
      .config(settings)
      .appName("sparktf tests")
      .config("spark.ui.enabled", "false")
      .config("spark.hadoop.fs.file.impl", classOf[LocalFiles].getName)
      .config("spark.driver.bindAddress", "127.0.0.1")
      .config("spark.driver.host", "127.0.0.1")
      .config("spark.sql.shuffle.partitions", "2")
      .config("spark.sql.warehouse.dir", scratch.resolve("warehouse").toString)
      .config("spark.sql.datetime.java8API.enabled", "true")
      // Half an hour off every zone where a machine stands by chance: a conversion would show.
      .config("spark.sql.session.timeZone", "Asia/Kolkata")
      .getOrCreate()
    // Most of what these tests provoke is an error that Spark would log with its whole stack.
    session.sparkContext.setLogLevel("OFF")
    session
  }

  def delete(root: Path): Unit = {
    val visitor = new SimpleFileVisitor[Path] {
      override def visitFile(file: Path, attributes: BasicFileAttributes): FileVisitResult = {
        Files.deleteIfExists(file)
        FileVisitResult.CONTINUE
      }
      override def postVisitDirectory(folder: Path, error: IOException): FileVisitResult = {
        Files.deleteIfExists(folder)
        FileVisitResult.CONTINUE
      }
    }
    if (Files.exists(root)) Files.walkFileTree(root, visitor)
  }
}

package io.sparktf.tfrecord.faults

import java.io.File
import java.util.concurrent.TimeUnit

import scala.concurrent.{Await, Future}
import scala.concurrent.ExecutionContext.Implicits.global
import scala.concurrent.duration._

import org.apache.spark.sql.{DataFrame, SparkSession}

import io.sparktf.tfrecord._

/**
 * What the suites about faults share: a standalone cluster with two workers, a session on it, and
 * a look at what is visible of a write.
 */
trait FaultSuite extends TFRecordSuite {

  override protected def spark: SparkSession = FaultSuite.session

  /** Runs `body` in a session of its own, with these settings. */
  protected def withSession(settings: (String, String)*)(body: => Unit): Unit = {
    FaultSuite.restart(settings.toMap)
    try body
    finally FaultSuite.restart(Map.empty)
  }

  /** Runs `action` and, at the same time, `meanwhile`; fails with what either of them fails with. */
  protected def during[T](action: => T)(meanwhile: => Unit): T = {
    val running = Future(action)
    meanwhile
    Await.result(running, 3.minutes)
  }

  protected def kill(pid: String): Unit = {
    val process = ProcessHandle.of(pid.toLong).get()
    process.destroyForcibly()
    process.onExit().get(1, TimeUnit.MINUTES)
  }

  /** Waits for the end of all tasks: a query fails with its first task, while others still write. */
  protected def awaitTasks(): Unit = {
    def call(target: AnyRef, method: String): AnyRef =
      target.getClass.getMethod(method).invoke(target)
    // Spark's status tracker knows no more than the web UI, which is told a moment later.
    val scheduler = call(spark.sparkContext, "taskScheduler")
    Signals.await("the end of all tasks") {
      call(scheduler, "runningTasksByExecutors").asInstanceOf[Map[String, Int]].values.sum == 0
    }
  }

  /** All files at any depth. Not by Hadoop, which fails where a task moves one meanwhile. */
  protected def files(folder: File): Vector[File] =
    Option(folder.listFiles()).toVector.flatten
      .flatMap(file => if (file.isDirectory) files(file) else Vector(file))

  /** The files that tasks have begun and not committed, and that have bytes in them. */
  protected def unfinished(folder: File): Vector[File] =
    files(folder).filter { file =>
      file.getPath.contains("/_temporary/attempt_") && !file.isHidden && file.length > 0
    }

  /** The files that a reader takes for data, and the mark that a job has ended well. */
  protected def visible(folder: File): Set[String] =
    files(folder).filterNot(file => file.getPath.contains("/_temporary/") || file.isHidden)
      .map(_.getName).toSet

  /** The folder has these ids, each once, for protobuf and for Spark, and nothing unfinished. */
  protected def assertExactly(folder: File, ids: Range): Unit = {
    val found = Records.readExamples(folder)
      .map(_.getFeatures.getFeatureOrThrow("id").getInt64List.getValue(0)).sorted
    assert(found == ids.map(_.toLong))
    assert(idsOf(read(folder, "id BIGINT, text STRING")) == ids.map(_.toLong))
    assert(visible(folder).contains("_SUCCESS"))
    assert(!files(folder).exists(_.getPath.contains("_temporary")))
  }

  protected def idsOf(rows: DataFrame): Seq[Long] =
    rows.select("id").collect().map(_.getLong(0)).sorted.toSeq
}

object FaultSuite {

  /** Room for a second driver, which a test may start and kill. */
  lazy val cluster: StandaloneCluster = {
    val folder = TestSession.scratch.resolve("cluster")
    val started = new StandaloneCluster(folder, workers = 2, sessions = 2)
    sys.addShutdownHook(started.close())
    started
  }

  private var running: Option[SparkSession] = None

  private def session: SparkSession = {
    if (running.isEmpty) restart(Map.empty)
    running.get
  }

  private def restart(settings: Map[String, String]): Unit = {
    running.foreach(_.stop())
    running = Some(TestSession.start(cluster.settings ++ Hdfs.clientSettings ++ settings))
  }
}

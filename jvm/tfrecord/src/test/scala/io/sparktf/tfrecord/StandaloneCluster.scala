package io.sparktf.tfrecord

import java.io.File
import java.nio.file.Path

import org.apache.spark.SparkContext

/**
 * Spark's own cluster manager. Master, workers and executors are processes; executors get the data
 * source as a user's would, by `spark.jars`.
 *
 * @param sessions how many there is room for at a time, each with an executor on every worker
 */
final class StandaloneCluster(folder: Path, workers: Int, sessions: Int = 1) extends Surroundings {
  import StandaloneCluster._

  private def start(name: String, host: String, main: String, arguments: String*): ChildProcess =
    ChildProcess.java(
      name,
      folder.resolve(name).toFile,
      javaOptions,
      Map(
        "SPARK_HOME" -> sparkHome.getPath,
        "SPARK_SCALA_VERSION" -> scala.util.Properties.versionNumberString.split("\\.", 3).take(2)
          .mkString("."),
        "SPARK_LOCAL_IP" -> host
      )
    )((Seq(
      "-cp",
      s"$sparkHome/jars/*${File.pathSeparator}$testClasses",
      MainWithParent.getClass.getName.stripSuffix("$"),
      main,
      "--host",
      host,
      "--webui-port",
      "0"
    ) ++ arguments): _*)

  private val master =
    start("master", "127.0.0.1", "org.apache.spark.deploy.master.Master", "--port", "0")

  val url: String = master.await("Starting Spark master at (spark://\\S+)".r).group(1)

  private val workerProcesses = (1 to workers).map { i =>
    // Hosts of their own: Spark speculates a task on another host only.
    start(
      s"worker$i",
      s"127.0.0.${i + 1}",
      "org.apache.spark.deploy.worker.Worker",
      "--cores",
      sessions.toString,
      "--memory",
      s"${MemoryMb * sessions}m",
      "--work-dir",
      folder.resolve(s"work$i").toString,
      url
    )
  }
  workerProcesses.foreach(_.await("Successfully registered with master".r))

  /** What a session on this cluster is built with. */
  override val settings: Map[String, String] = Map(
    "spark.master" -> url,
    "spark.executor.cores" -> "1",
    "spark.cores.max" -> workers.toString,
    "spark.executor.memory" -> s"${MemoryMb}m",
    "spark.executor.extraJavaOptions" -> "-XX:TieredStopAtLevel=1",
    "spark.jars" -> jarUnderTest,
    "spark.executor.extraClassPath" -> testClassPath,
    // Jobs begin when both executors are there.
    "spark.scheduler.minRegisteredResourcesRatio" -> "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime" -> "120s"
  )

  override def close(): Unit = (workerProcesses :+ master).foreach(_.close())
}

object StandaloneCluster {
  private val MemoryMb = 700

  private def locationOf(c: Class[_]): String =
    new File(c.getProtectionDomain.getCodeSource.getLocation.toURI).getPath

  private val jarUnderTest = locationOf(classOf[TFRecordFileFormat])
  private val testClasses = locationOf(getClass)
  private val sparkHome = new File(locationOf(classOf[SparkContext])).getParentFile.getParentFile

  /** The tests and their libraries: this JVM's class path without Spark and the data source. */
  private val testClassPath = sys.props("java.class.path").split(File.pathSeparator)
    .filterNot(entry => entry == jarUnderTest || entry.startsWith(sparkHome.getPath + "/"))
    .mkString(File.pathSeparator)

  private val javaOptions = Seq(
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-Dlog4j2.configurationFile=log4j2-process.properties"
  )
}

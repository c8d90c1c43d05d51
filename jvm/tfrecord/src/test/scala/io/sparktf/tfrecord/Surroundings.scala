package io.sparktf.tfrecord

import java.nio.file.Path

/** The processes that Spark's tasks or files are in, if not in this JVM and on its disk. */
trait Surroundings extends AutoCloseable {

  /** What a session is built with to use them. */
  def settings: Map[String, String]
}

object Surroundings {

  /** @param folder for what they write, which is removed at the end */
  def named(name: String, folder: Path): Surroundings = name match {
    case "local" => Local
    case "hdfs" => new Hdfs(folder, datanodes = 1)
    case "s3" => new S3(folder)
    case "cluster" => new StandaloneCluster(folder, workers = 2)
  }

  private object Local extends Surroundings {
    override val settings: Map[String, String] = Map.empty
    override def close(): Unit = ()
  }
}

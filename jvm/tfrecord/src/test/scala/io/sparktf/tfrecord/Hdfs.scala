package io.sparktf.tfrecord

import java.io.File

import org.apache.hadoop.fs.Path

/**
 * Hadoop's own HDFS, name node and data nodes in one JVM. Where its class path and its source are
 * is said by the build.
 */
final class Hdfs(folder: java.nio.file.Path, datanodes: Int) extends Surroundings {
  private val server = ChildProcess.java(
    "HDFS",
    folder.toFile,
    Seq("-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", sys.props("sparktf.test.hdfs.classpath"))
  )(
    sys.props("sparktf.test.hdfs.server"),
    new File(folder.toFile, "data").getPath,
    datanodes.toString
  )

  val uri: String = server.await("HDFS is at (hdfs://\\S+)".r).group(1)

  /** Paths are in this HDFS unless they say otherwise. */
  override val settings: Map[String, String] =
    Hdfs.clientSettings + ("spark.hadoop.fs.defaultFS" -> uri)

  /** Stops a data node that the last block of `file` is on. */
  def stopDatanodeOf(file: Path): Unit = {
    server.tell(s"stop ${file.toUri.getPath}")
    server.await("^stopped ".r)
  }

  def stopDatanodes(): Unit = {
    server.tell("stop")
    server.await("^stopped ".r)
  }

  override def close(): Unit = server.close()
}

object Hdfs {

  /** For sessions that write to it. */
  val clientSettings: Map[String, String] = Map(
    // Files of a few MiB have several blocks, each on up to three nodes.
    "spark.hadoop.dfs.blocksize" -> (1 << 20).toString,
    "spark.hadoop.dfs.replication" -> "3",
    // A block that no node has is looked for again after so many milliseconds.
    "spark.hadoop.dfs.client.retry.window.base" -> "10",
    // The name node is asked again whether it has heard of a file's last block: by default after
    // 400 ms, which most files wait for. The time doubles, and ends after ten seconds as before.
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms" -> "5",
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.retries" -> "11"
  )
}

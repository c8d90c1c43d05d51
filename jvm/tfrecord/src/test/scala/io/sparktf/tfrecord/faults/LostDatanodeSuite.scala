package io.sparktf.tfrecord.faults

import java.io.File

import org.apache.hadoop.fs.Path
import org.apache.spark.sql.{DataFrame, Row}

import io.sparktf.tfrecord._

/** An HDFS that loses data nodes while it is read from and written to. */
class LostDatanodeSuite extends FaultSuite {

  private val rows = 0 until 4000

  private def save(frame: DataFrame, out: Path): Unit =
    frame.coalesce(1).write.format("tfrecord").mode("append").save(out.toString)

  private def load(out: Path): DataFrame =
    spark.read.format("tfrecord").schema("id BIGINT, text STRING").load(out.toString)

  private def assertExactly(found: Seq[Row]): Unit =
    assert(
      Shown.show(found.sortBy(_.getLong(0))) ==
        Shown.show(Gate.rows(spark, rows.head, rows.last + 1, 1).collect().toSeq)
    )

  test(
    "data nodes are stopped: one during a write, one during a read, and the last during another"
  ) {
    withTempDir { folder =>
      val hdfs = new Hdfs(new File(folder, "hdfs").toPath, datanodes = 3)
      try {
        val out = new Path(hdfs.uri + "/out")
        losesDatanodeWhileWritten(hdfs, out, Signals.in(new File(folder, "writing")))
        losesDatanodeWhileRead(hdfs, out, Signals.in(new File(folder, "reading")))
        losesLastDatanodeWhileWritten(hdfs, out, Signals.in(new File(folder, "last")))
      } finally hdfs.close()
    }
  }

  private def losesDatanodeWhileWritten(hdfs: Hdfs, out: Path, signals: Signals): Unit = {
    during(save(Gate.holding(Gate.rows(spark, 0, 4000, 1), 2000, signals), out)) {
      signals.await("reached")
      hdfs.stopDatanodeOf(partInSecondBlock(out))
      signals.raise("go")
    }
    assert(!signals.isRaised("attempt 1"))
    assertExactly(load(out).collect().toSeq)
  }

  private def losesDatanodeWhileRead(hdfs: Hdfs, out: Path, signals: Signals): Unit = {
    val found = during(Gate.holding(load(out), 2000, signals).collect()) {
      signals.await("reached")
      hdfs.stopDatanodeOf(part(out))
      signals.raise("go")
    }
    assert(!signals.isRaised("attempt 1"))
    assertExactly(found.toSeq)
  }

  private def losesLastDatanodeWhileWritten(hdfs: Hdfs, out: Path, signals: Signals): Unit = {
    val before = files(out)
    assertFails("part-") {
      during(save(Gate.holding(Gate.rows(spark, 0, 4000, 1), 2000, signals), out)) {
        signals.await("reached")
        partInSecondBlock(out)
        hdfs.stopDatanodes()
        signals.raise("go")
      }
    }
    assert(files(out) == before)
    assertFails(part(out).getName)(load(out).collect())
  }

  private def files(folder: Path): Vector[Path] = {
    val all = folder.getFileSystem(spark.sparkContext.hadoopConfiguration).listFiles(folder, true)
    Iterator.continually(all).takeWhile(_.hasNext).map(_.next().getPath).toVector
  }

  private def part(out: Path): Path = files(out).find(_.getName.startsWith("part-")).get

  /** The file that a task is writing, once HDFS has begun the second of its blocks. */
  private def partInSecondBlock(out: Path): Path = {
    val fs = out.getFileSystem(spark.sparkContext.hadoopConfiguration)
    // HDFS gives no length to a file that is open.
    val file = files(out).find(_.toString.contains("/_temporary/attempt_")).get
    Signals.await(s"two blocks of $file") {
      fs.getFileBlockLocations(file, 0, Long.MaxValue).length >= 2
    }
    file
  }
}

package io.sparktf.tfrecord.faults

import java.io.File
import java.util.concurrent.TimeUnit

import io.sparktf.tfrecord._

/** A driver that is killed while its tasks write. */
class LostDriverSuite extends FaultSuite {

  test("the driver is killed while it appends: what was there before stays, and nothing is added") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val signals = new File(folder, "signals")
      append(0, 1000, out)
      val before = visible(out)

      val driver = startAppend(folder, out, signals)
      val executor =
        try {
          val pid = Signals.in(signals).await("reached")
          assert(unfinished(out).nonEmpty, files(out).map(file => file -> file.length))
          Signals.await("the end of the other tasks") {
            Option(new File(out, "_temporary/0").listFiles()).toSeq.flatten
              .count(_.getName.startsWith("task_")) == 3
          }
          ProcessHandle.of(pid.toLong)
        } finally driver.kill()
      // An executor without its driver ends itself, with what it was doing.
      executor.ifPresent(process => process.onExit().get(2, TimeUnit.MINUTES))

      assert(visible(out) == before)
      assert(idsOf(read(out, "id BIGINT")) == (0L until 1000L))
      assert(idsOf(infer(out)) == (0L until 1000L))
      // Hadoop's committer would take the three tasks' files for those of the next append, of
      // whatever format; an overwrite takes them away.
      Store.delete(new File(out, "_temporary"))
      append(1000, 3000, out)
      assertExactly(out, 0 until 3000)
    }
  }

  private def append(from: Long, until: Long, out: File): Unit =
    Gate.rows(spark, from, until, 2).write.format("tfrecord").mode("append").save(out.getPath)

  private def startAppend(folder: File, out: File, signals: File): ChildProcess = {
    signals.mkdirs()
    val settings = FaultSuite.cluster.settings.map { case (key, value) => s"-D$key=$value" }.toSeq
    val opens = sys.props("sparktf.test.opens").split(" ").toSeq
    ChildProcess.java("driver", folder, opens ++ settings)(
      "-cp",
      sys.props("java.class.path"),
      MainWithParent.getClass.getName.stripSuffix("$"),
      AppendingDriver.getClass.getName.stripSuffix("$"),
      out.getPath,
      signals.getPath
    )
  }
}

/** Appends rows to a folder, and holds in the middle of a file. */
object AppendingDriver {
  def main(arguments: Array[String]): Unit = {
    val Array(out, signals) = arguments
    val spark = TestSession.start(Map("spark.master" -> sys.props("spark.master")))
    Gate.holding(Gate.rows(spark, 1000, 3000, 4), 1400, new Signals(signals))
      .write.format("tfrecord").mode("append").save(out)
  }
}

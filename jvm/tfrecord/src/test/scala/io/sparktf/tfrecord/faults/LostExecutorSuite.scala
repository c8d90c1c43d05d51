package io.sparktf.tfrecord.faults

import java.io.File

import org.apache.spark.sql.{DataFrame, DataFrameWriter, Row}

import io.sparktf.tfrecord._

/** Executors that are killed, and tasks that are run more than once. */
class LostExecutorSuite extends FaultSuite {

  private val ids = 0 until 3000

  private def save(rows: DataFrame, out: File)(
      options: DataFrameWriter[Row] => DataFrameWriter[Row] = identity
  ): Unit = options(rows.write.format("tfrecord")).save(out.getPath)

  for (
    (how, options) <- Seq[(String, DataFrameWriter[Row] => DataFrameWriter[Row])](
      "plain" -> identity,
      "gzip, in partitions" -> (_.option("compression", "gzip").partitionBy("part"))
    )
  ) {
    test(s"an executor is killed while it writes: $how") {
      withTempDir { folder =>
        val out = new File(folder, "out")
        val signals = Signals.in(new File(folder, "signals"))
        // In the order of the partitions, or Spark would have all rows before it writes the first.
        val rows = Gate.rows(spark, 0, 3000, 4).selectExpr("id", "text", "id DIV 1200 AS part")
          .sortWithinPartitions("part")
        during(save(Gate.holding(rows, 1400, signals), out)(options)) {
          val executor = signals.await("reached")
          assert(unfinished(out).nonEmpty, files(out).map(file => file -> file.length))
          assert(visible(out).isEmpty)
          kill(executor)
        }
        assert(signals.isRaised("attempt 1"))
        assertExactly(out, ids)
      }
    }
  }

  test("an executor is killed while it reads") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val signals = Signals.in(new File(folder, "signals"))
      save(Gate.rows(spark, 0, 3000, 4), out)()
      val held = Gate.holding(read(out, "id BIGINT, text STRING"), 1400, signals)
      val found = during(held.collect()) {
        kill(signals.await("reached"))
      }
      assert(signals.isRaised("attempt 1"))
      val expected = Gate.rows(spark, 0, 3000, 1).collect().toVector
      assert(Shown.show(found.sortBy(_.getLong(0)).toVector) == Shown.show(expected))
    }
  }

  test("a task fails in the middle of its file and is run again") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      save(Gate.failing(Gate.rows(spark, 0, 3000, 4), 1400, times = 2), out)()
      assertExactly(out, ids)
      save(Gate.failing(read(out, "id BIGINT, text STRING"), 700, times = 1), out) {
        _.mode("append").option("compression", "zlib")
      }
      assert(idsOf(read(out, "id BIGINT")) == ids.flatMap(id => Seq(id.toLong, id.toLong)))
    }
  }

  test("a task that fails each time leaves nothing, and what was there before as it was") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val never = Gate.failing(Gate.rows(spark, 0, 3000, 4), 1400, times = Int.MaxValue)
      assertFails("attempt 3 fails")(save(never, out)())
      awaitTasks()
      assert(files(out).isEmpty)
      save(Gate.rows(spark, 0, 3000, 4), out)(_.mode("overwrite"))
      val before = files(out).toSet
      assertFails("attempt 3 fails")(save(never, out)(_.mode("append")))
      awaitTasks()
      assert(files(out).toSet == before)
      assertExactly(out, ids)
    }
  }

  test("a speculated task: the slow one ends after the fast one was committed") {
    withSession(
      "spark.speculation" -> "true",
      "spark.speculation.interval" -> "100ms",
      "spark.speculation.minTaskRuntime" -> "0ms",
      "spark.speculation.quantile" -> "0.5"
    ) {
      withTempDir { folder =>
        val out = new File(folder, "out")
        val signals = Signals.in(new File(folder, "signals"))
        save(Gate.holding(Gate.rows(spark, 0, 3000, 4), 1400, signals), out)()
        assert(signals.isRaised("attempt 1") && !signals.isRaised("ended"))
        assertExactly(out, ids)
        signals.raise("go")
        signals.await("ended")
        assertExactly(out, ids)
      }
    }
  }
}

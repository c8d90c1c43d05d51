package io.sparktf.tfrecord.faults

import io.sparktf.tfrecord.SmallDisk
import org.apache.spark.TaskContext
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.apache.spark.sql.functions.{col, udf}

/**
 * A column that is what it was, but for the task that comes to a certain row: there it says who it
 * is, and does what the test wants of it.
 */
object Gate {

  /** Rows of `id` and a kilobyte that no compression makes much smaller, in `tasks` tasks. */
  def rows(spark: SparkSession, from: Long, until: Long, tasks: Int): DataFrame =
    spark.range(from, until, 1, tasks).selectExpr("id", s"${SmallDisk.Noise} AS text")

  /**
   * At the row `id`, on its first attempt, a task raises `reached` and waits for `go`. On a later one,
   * which may be speculated and come there before the first, it waits for `reached` and says which.
   */
  def holding(rows: DataFrame, id: Long, signals: Signals): DataFrame =
    through(rows) { found =>
      if (found == id) {
        val attempt = TaskContext.get().attemptNumber()
        if (attempt == 0) {
          TaskContext.get().addTaskCompletionListener[Unit](_ => signals.raise("ended"))
          signals.raise("reached", ProcessHandle.current().pid().toString)
          signals.await("go")
        } else {
          signals.await("reached")
          signals.raise(s"attempt $attempt")
        }
      }
    }

  /** At the row `id` a task fails, on the first `times` attempts. */
  def failing(rows: DataFrame, id: Long, times: Int): DataFrame =
    through(rows) { found =>
      val attempt = TaskContext.get().attemptNumber()
      if (found == id && attempt < times) throw new IllegalStateException(s"attempt $attempt fails")
    }

  private def through(rows: DataFrame)(act: Long => Unit): DataFrame = {
    val gate = udf { (id: Long) => act(id); id }.asNondeterministic()
    rows.withColumn("id", gate(col("id")))
  }
}

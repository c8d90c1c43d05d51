package io.sparktf.savedmodel

import java.util.concurrent.TimeUnit.MINUTES

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanHelper

class MemorySuite extends ScoringSuite {
  import MemorySuite._

  private def ranks(signature: String) = SavedModel.load(Models.path("ranks"), signature)

  private def batches(df: DataFrame): Long =
    new AdaptiveSparkPlanHelper {}.collect(df.queryExecution.executedPlan) {
      case s: ScoreBatchesExec => s.metrics("batches").value
    }.sum

  /** Tasks that are killed end a little after their job. */
  private def assertNoneOpen(): Unit = {
    val deadline = System.nanoTime + MINUTES.toNanos(1)
    while (Batch.open.get != 0 && System.nanoTime < deadline) Thread.`yield`()
    assert(Batch.open.get == 0)
  }

  test("a batch's size is that of its rows, and not of its first one") {
    val long = "repeat('x', 100000)"
    for (
      (signature, value) <- Seq(
        "string_0" -> s"if(id = 0, 'x', $long)",
        "string_1" -> s"array('x', if(id = 0, 'x', $long))"
      )
    ) {
      val df = spark.range(0, 161, 1, 1).selectExpr(s"$value AS x")
      val scored = ranks(signature).transform(df)
      assert(scored.collect().length == 161)
      assert(batches(scored) == 161 / 16 + 1, signature)
      val small = ranks(signature).transform(df, batchSize = 1000)
      assert(small.collect().length == 161)
      assert(batches(small) == 1, "as many as were asked for")
    }
  }

  test("of rows of many megabytes, few make a batch") {
    val rows = spark.range(0, 4, 1, 1).selectExpr("array_repeat(float(id), 5000000) AS x")
    val scored = ranks("float32_1").transform(rows).selectExpr("y[0]", "size(y)")
    assert(scored.collect().map(_.getFloat(0)).toSeq == (0 until 4).map(_.toFloat))
    assert(batches(scored) == 2)
  }

  test("a batchSize beyond all memory is as many rows as a batch may have") {
    val rows = spark.range(0, 8, 1, 1).selectExpr("array_repeat(float(id), 20000) AS x")
    val scored = ranks("float32_1").transform(rows, batchSize = Int.MaxValue).selectExpr("y[0]")
    assert(scored.collect().map(_.getFloat(0)).toSeq == (0 until 8).map(_.toFloat))
    assert(batches(scored) == 1)
  }

  test("a partition's batch goes with its last row") {
    val rows = spark.range(0, 40, 1, 20).selectExpr("array(float(id), 1f) AS features")
    val inTable = linear.transform(rows).coalesce(1).queryExecution.toRdd
    val inRdd = rows.rdd.map(_.getSeq[Float](0).toArray)
      .mapPartitions(linear.scorer[Array[Float], Array[Float]]()).coalesce(1)
    for (rdd <- Seq(inTable, inRdd)) {
      assertNoneOpen()
      val most = rdd.mapPartitions(all => Iterator(all.map(_ => Batch.open.get).max)).collect().max
      assert(most == 1)
      assertNoneOpen()
    }
  }

  test("batches of rows that fail, and of rows that nobody takes, are freed") {
    assertNoneOpen()
    val wrong = Array(Array(1f, 2f), Array(1f, 2f, 3f))
    failure(linear.predict(wrong))
    val score = linear.scorer[Array[Float], Array[Float]]()
    failure(score(wrong.iterator).toArray)
    failure(linear.predictAs[Array[Float]](Array[Any](Seq(1f, 2f), Seq("a"))))
    assert(Batch.open.get == 0)
    val rows = spark.range(0, 100000, 1, 2).selectExpr("array(float(id), 1f) AS features")
    assert(linear.transform(rows).take(3).length == 3)
    failure(
      linear.transform(rows.selectExpr("if(features[0] = 70, array(1f), features)")).collect()
    )
    assertNoneOpen()
  }

  test("who goes on behind an error gets no score of another row") {
    val rows = spark.range(0, 40, 1, 1)
      .selectExpr("id", "if(id = 25, array(1f), array(float(id), 1f)) AS features")
    val scored = linear.transform(rows, batchSize = 10).select("id", "output_0")
    val found =
      scored.queryExecution.toRdd.mapPartitions(Stubborn.take(_, Stubborn.score)).collect()
    val expected = linear.predict(Array.tabulate(20)(i => Array(i.toFloat, 1f))).map(_.head)
    assert(found.take(20).toSeq == expected.toSeq.zipWithIndex.map { case (y, i) => s"$i $y" })
    assert(found.drop(20).head.contains("a row has 1 values"))
    assert(found.drop(21).forall(_.contains("has failed at a row before")))
    val values = linear.scorer[Any, Any]().apply(Iterator(null, new Object, Array(1f, 2f)))
    assert(failure(values.next()).contains("cannot be a model's input"))
    assert(failure(values.next()).contains("a row has failed before"))
    // A result that no row can hold.
    val texts =
      spark.range(0, 10, 1, 1).selectExpr("id", "if(id = 3, unhex('FF'), binary('' || id)) x")
    val echoed = ranks("string_0").transform(texts).select("id", "y")
    val said = echoed.queryExecution.toRdd.mapPartitions(Stubborn.take(_, Stubborn.text)).collect()
    assert(said.filterNot(_.contains("UTF-8")).toSeq == (0 until 10).filter(_ != 3).map(i =>
      s"$i $i"
    ))
    assertNoneOpen()
  }

  // Spark 3.5 has a thread that asks for rows and writes them to Python's worker, and ends it when the
  // task does, with a listener that it adds before there are rows.
  for (way <- Seq("transform", "scorer"))
    test(s"a thread that a task's listener ends has its memory until then: $way") {
      assertNoneOpen()
      val rows = spark.range(0, 1000, 1, 1).selectExpr("array(float(id), 1f) AS features")
      val scored: RDD[_] =
        if (way == "transform") linear.transform(rows).queryExecution.toRdd
        else rows.rdd.map(_.getSeq[Float](0).toArray)
          .mapPartitions(linear.scorer[Array[Float], Array[Float]]())
      scored.mapPartitions(Writes.take(_)).collect()
      assert(Writes.openAtEnd == 1)
      assertNoneOpen()
    }

  test("a thread that goes on when its task has ended is stopped, and frees its memory itself") {
    assertNoneOpen()
    val rows = spark.sparkContext.parallelize(0 until 10, 1).mapPartitions(GoesOn.rows)
    rows.mapPartitions(linear.scorer[Array[Float], Array[Float]]())
      .mapPartitions(GoesOn.take(_)).collect()
    assert(Batch.open.get == 1, "the thread is in the middle of a batch")
    GoesOn.ended.countDown()
    val end = GoesOn.failed.get(1, MINUTES)
    assert(end.contains("the task that scores these rows has ended"))
    assertNoneOpen()
  }
}

object MemorySuite {
  import java.util.concurrent.{CompletableFuture, CountDownLatch}

  import org.apache.spark.TaskContext

  /** Takes rows whatever happens. */
  object Stubborn {
    val score: InternalRow => String = row => s"${row.getLong(0)} ${row.getArray(1).getFloat(0)}"
    val text: InternalRow => String = row => s"${row.getLong(0)} ${row.getUTF8String(1)}"

    def take(rows: Iterator[InternalRow], shown: InternalRow => String): Iterator[String] = {
      val taken = Iterator.continually {
        try if (rows.hasNext) shown(rows.next()) else null
        catch { case e: Exception => e.getMessage }
      }
      taken.takeWhile(_ != null).take(60).toList.iterator
    }
  }

  /** Takes a row in a thread of its own, which the end of the task ends. */
  object Writes {
    @volatile var openAtEnd = 0

    def take(rows: Iterator[_]): Iterator[Int] = {
      val (taken, ended) = (new CountDownLatch(1), new CountDownLatch(1))
      var thread: Thread = null
      TaskContext.get().addTaskCompletionListener[Unit] { _ =>
        openAtEnd = Batch.open.get
        ended.countDown()
        thread.join()
      }
      thread = TaskThreads.start(
        TaskContext.get(),
        () => {
          rows.next()
          taken.countDown()
          ended.await()
        }
      )
      taken.await()
      Iterator.empty
    }
  }

  /** Takes rows in a thread of its own, which nobody ends. */
  object GoesOn {
    val ended = new CountDownLatch(1)
    val failed = new CompletableFuture[String]
    private val began = new CountDownLatch(1)

    def rows(numbers: Iterator[Int]): Iterator[Array[Float]] = numbers.map { i =>
      if (i == 5) {
        began.countDown()
        ended.await()
      }
      Array(i.toFloat, 1f)
    }

    def take(scored: Iterator[Array[Float]]): Iterator[Int] = {
      TaskThreads.start(
        TaskContext.get(),
        () =>
          try failed.complete(s"${scored.length} rows")
          catch { case e: Throwable => failed.complete(e.getMessage) }
      )
      began.await() // the task ends while a batch is half full
      Iterator.empty
    }
  }
}

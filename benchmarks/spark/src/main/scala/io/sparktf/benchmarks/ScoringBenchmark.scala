package io.sparktf.benchmarks

import scala.util.Random

import org.apache.spark.sql.{DataFrame, SparkSession}
import org.bytedeco.javacpp.{BytePointer, FloatPointer, PointerPointer}
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

import io.sparktf.savedmodel.SavedModel

/**
 * Times `SavedModel.transform`, and prints seconds and rows as JSON in one line:
 *
 *   spark-submit --master local[2] --class io.sparktf.benchmarks.ScoringBenchmark \
 *     --jars benchmarks/target/jars/… sparktf-benchmarks.jar MODEL WIDTH ROWS ROUNDS [BATCH …]
 *
 * The model takes `float32[?, WIDTH]`. "bare" is TensorFlow's C API in two threads, each with half of
 * the same rows in memory and the same batches, without Spark: what Spark adds can only be more. The
 * ways run in alternating rounds after one that does not count, and the best of each counts. Rows lie
 * in Spark's memory and go into the noop sink.
 */
object ScoringBenchmark {
  private val Threads = 2

  def main(args: Array[String]): Unit = {
    val Array(path, width, rows, rounds) = args.take(4)
    val batches = args.drop(4).map(_.toInt)
    val spark = SparkSession.builder().getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    val model = SavedModel.load(path)
    val df = table(spark, rows.toInt, width.toInt, model.inputs.head.name)
    spark.udf.register("tfpredict", model.udf)
    df.createOrReplaceTempView("rows")
    val column = model.inputs.head.name
    val chosen = math.min(16384, Integer.highestOneBit(math.max(16, 65536 / width.toInt)))
    val bare = new Bare(path, model, width.toInt, rows.toInt / Threads)

    val ways = Seq[(String, () => Unit)](
      "bare" -> (() => bare.run(chosen, Threads)),
      "transform" -> (() => noop(model.transform(df).select(model.outputs.head.name))),
      "sql" -> (() => noop(spark.sql(s"SELECT tfpredict($column) AS y FROM rows"))),
      "rows" -> (() => noop(df))
    ) ++ batches.flatMap { n =>
      Seq[(String, () => Unit)](
        s"bare, batches of $n" -> (() => bare.run(n, Threads)),
        s"transform, batches of $n" ->
          (() =>
            noop(model.transform(df, batchSize = n).select(model.outputs.head.name))
          )
      )
    }
    val best = (0 to rounds.toInt).map(_ => ways.map { case (_, way) => seconds(way) })
      .drop(1).transpose.map(_.min)
    val results = ways.map(_._1).zip(best).map { case (name, s) => s""""$name": $s""" }
    println(
      s"""{"spark": "${spark.version}", "rows": $rows, "batch": $chosen, """ +
        s""""seconds": {${results.mkString(", ")}}, "resident_mib": ${residentMib()}}"""
    )
    spark.stop()
  }

  private def table(spark: SparkSession, rows: Int, width: Int, name: String): DataFrame = {
    import spark.implicits._
    val df = spark.range(0, rows, 1, Threads).mapPartitions { ids =>
      val random = new Random(7)
      ids.map(_ => Array.fill(width)(random.nextFloat()))
    }.toDF(name).cache()
    df.count()
    df
  }

  private def noop(df: DataFrame): Unit = df.write.format("noop").mode("overwrite").save()

  private def seconds(way: () => Unit): Double = {
    val began = System.nanoTime()
    way()
    (System.nanoTime() - began) / 1e9
  }

  private def residentMib(): Long = {
    val source = scala.io.Source.fromFile("/proc/self/status")
    try source.getLines().collectFirst {
        case line if line.startsWith("VmRSS") => line.filter(_.isDigit).toLong / 1024
      }.getOrElse(0L)
    finally source.close()
  }
}

/** The model by itself: no Spark, no rows, one array of floats. */
final private class Bare(path: String, model: SavedModel, width: Int, rows: Int) {
  private val graph = TF_NewGraph()
  private val session = load()
  private val data: Array[Float] = {
    val random = new Random(7)
    Array.fill(rows * width)(random.nextFloat())
  }

  private def load(): TF_Session = {
    val options = TF_NewSessionOptions()
    val status = TF_NewStatus()
    val config = Array[Byte](0x10, 1, 0x28) ++ Array.fill[Byte](9)(-1) ++ Array[Byte](1)
    TF_SetConfig(options, new BytePointer(config: _*), config.length.toLong, status)
    val tags = new PointerPointer[BytePointer](Seq(new BytePointer("serve")): _*)
    val session =
      TF_LoadSessionFromSavedModel(
        options,
        null,
        new BytePointer(path),
        tags,
        1,
        graph,
        null,
        status
      )
    require(TF_GetCode(status) == TF_OK, TF_Message(status).getString)
    session
  }

  def run(batch: Int, threads: Int): Unit = {
    val running = (1 to threads).map { _ =>
      val thread = new Thread(() => score(batch))
      thread.start()
      thread
    }
    running.foreach(_.join())
  }

  private def score(batch: Int): Unit = {
    val status = TF_NewStatus()
    val from = new TF_Output(1L)
    val to = new TF_Output(1L)
    place(model.inputs.head.tensor, from)
    place(model.outputs.head.tensor, to)
    val fed = new PointerPointer[TF_Tensor](1L)
    val made = new PointerPointer[TF_Tensor](1L)
    var row = 0
    while (row < rows) {
      val n = math.min(batch, rows - row)
      val tensor = TF_AllocateTensor(TF_FLOAT, Array(n.toLong, width.toLong), 2, n * width * 4L)
      new FloatPointer(TF_TensorData(tensor)).put(data, row * width, n * width)
      fed.put(0L, tensor)
      val none: PointerPointer[TF_Operation] = null
      TF_SessionRun(session, null, from, fed, 1, to, made, 1, none, 0, null, status)
      require(TF_GetCode(status) == TF_OK, TF_Message(status).getString)
      val result = made.get(classOf[TF_Tensor], 0L)
      val floats = new Array[Float]((TF_TensorByteSize(result) / 4).toInt)
      new FloatPointer(TF_TensorData(result)).get(floats)
      TF_DeleteTensor(tensor)
      TF_DeleteTensor(result)
      row += n
    }
  }

  private def place(tensor: String, in: TF_Output): Unit = {
    val Array(operation, index) = tensor.split(':')
    in.oper(TF_GraphOperationByName(graph, operation)).index(index.toInt)
  }
}

package io.sparktf.benchmarks

import org.apache.spark.sql.{DataFrame, SparkSession}
import org.bytedeco.javacpp.{BytePointer, FloatPointer, PointerPointer}
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

import io.sparktf.savedmodel.SavedModel

/** What benchmarks/scoring.py runs in the JVM, on models that take `float32[?, width]`. */
object ScoringBenchmark {

  /** Scores the rows of `df` with the columns x and y: `SavedModel.transform`. */
  def transform(df: DataFrame, model: String, batchSize: Int): Unit =
    noop(SavedModel.load(model).transform(df, batchSize = batchSize).drop("x"))

  /** The same by a function of SQL, on the view of that name. */
  def sql(spark: SparkSession, view: String, model: String): Unit = {
    spark.udf.register("tfpredict", SavedModel.load(model).udf)
    noop(spark.sql(s"SELECT tfpredict(x) AS y FROM $view"))
  }

  /** The same by an ordinary function, which scores row by row as those that people write do. */
  def rowByRow(df: DataFrame, model: String): Unit = {
    val loaded = SavedModel.load(model)
    val score =
      org.apache.spark.sql.functions.udf((x: Seq[Float]) => loaded.predict(Array(x.toArray)).head)
    noop(df.select(score(df.col("x")).as("y")))
  }

  private def noop(df: DataFrame): Unit = df.write.format("noop").mode("overwrite").save()

  /** TensorFlow's C API in so many threads, each with `rows` rows in memory, without Spark. */
  def bare(model: String, width: Int, rows: Int, batch: Int, threads: Int): Bare =
    new Bare(model, width, rows, batch, threads)
}

/** A model by itself: one array of floats for each thread. */
final class Bare(path: String, width: Int, rows: Int, batch: Int, threads: Int) {
  private val model = SavedModel.load(path) // for the names of its tensors
  private val graph = TF_NewGraph()
  private val session = load()
  private val data = Array.tabulate(rows * width)(i => (i * 17 % 256) / 255f)

  private def load(): TF_Session = {
    val options = TF_NewSessionOptions()
    val status = TF_NewStatus()
    // One intra-op thread, no pool for operations: see ModelSession.
    val config = Array[Byte](0x10, 1, 0x28) ++ Array.fill[Byte](9)(-1) ++ Array[Byte](1)
    TF_SetConfig(options, new BytePointer(config: _*), config.length.toLong, status)
    val tags = new PointerPointer[BytePointer](Seq(new BytePointer("serve")): _*)
    val folder = new BytePointer(path)
    val session =
      TF_LoadSessionFromSavedModel(options, null, folder, tags, 1, graph, null, status)
    require(TF_GetCode(status) == TF_OK, TF_Message(status).getString)
    session
  }

  def run(): Unit = {
    val running = Seq.fill(threads)(new Thread(() => score()))
    running.foreach(_.start())
    running.foreach(_.join())
  }

  private def score(): Unit = {
    val status = TF_NewStatus()
    val from = place(model.inputs.head.tensor)
    val to = place(model.outputs.head.tensor)
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

  private def place(tensor: String): TF_Output = {
    val Array(operation, index) = tensor.split(':')
    new TF_Output(1L).oper(TF_GraphOperationByName(graph, operation)).index(index.toInt)
  }
}

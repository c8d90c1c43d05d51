package io.sparktf.savedmodel

import org.apache.spark.sql.catalyst.expressions.SpecializedGetters
import org.apache.spark.sql.types.DataType
import org.bytedeco.javacpp.PointerPointer
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

/**
 * Rows that go through a model together, again and again. For one thread.
 *
 * @param columns name and type of the column for each of the signature's inputs
 */
final private[savedmodel] class Batch(
    model: ModelSession,
    signature: Signature,
    outputs: Seq[TensorSpec],
    columns: Seq[(String, DataType)],
    maxRows: Int
) extends AutoCloseable {

  private val inputs: Array[InputColumn] =
    signature.inputs.zip(columns).map { case (spec, (name, dataType)) =>
      new InputColumn(spec, name, dataType)
    }.toArray
  private val results: Array[OutputColumn] = outputs.map(new OutputColumn(_)).toArray

  private val feeds = new TF_Output(inputs.length.toLong)
  private val fetches = new TF_Output(results.length.toLong)
  private val fed = new PointerPointer[TF_Tensor](inputs.length.toLong)
  private val made = new PointerPointer[TF_Tensor](results.length.toLong)
  private val status = TF_NewStatus()
  private val tensors = new Array[TF_Tensor](results.length)
  private var closed = false

  signature.inputs.zipWithIndex.foreach { case (spec, i) => model.tensor(spec, feeds, i) }
  outputs.zipWithIndex.foreach { case (spec, i) => model.tensor(spec, fetches, i) }

  private var rows = 0
  private var limit = 0

  def size: Int = rows
  def isFull: Boolean = rows > 0 && rows >= limit

  /**
   * Adds a row, unless its shape is not that of the batch: then that one has to run first, and the
   * row be given again.
   */
  def add(from: SpecializedGetters, ordinals: Array[Int]): Boolean = {
    var same = true
    var i = 0
    while (i < inputs.length) {
      same &= inputs(i).measure(from, ordinals(i))
      i += 1
    }
    if (rows > 0 && !same) return false
    if (rows == 0) begin(from, ordinals)
    i = 0
    while (i < inputs.length) {
      inputs(i).add(from, ordinals(i))
      i += 1
    }
    rows += 1
    true
  }

  private def begin(from: SpecializedGetters, ordinals: Array[Int]): Unit = {
    limit =
      if (maxRows > 0) maxRows
      else Batch.defaultRows(inputs.indices.map(i => inputs(i).bytesOfRow(from, ordinals(i))).sum)
    inputs.foreach(_.begin(limit))
  }

  /** Runs the model on the rows, whose results [[catalyst]] and [[jvm]] then give; empties it. */
  def run(): Unit = {
    release()
    for (i <- inputs.indices) fed.put(i.toLong, inputs(i).finish(rows))
    TF_SessionRun(
      model.session,
      null,
      feeds,
      fed,
      inputs.length,
      fetches,
      made,
      results.length,
      null: PointerPointer[_],
      0,
      null,
      status
    )
    model.keepAlive()
    // The inputs stay until the next batch: an output may be one of them.
    val ran = rows
    rows = 0
    ModelSession.require(status, s"TensorFlow failed on a batch of $ran rows")
    for (i <- results.indices) tensors(i) = made.get(classOf[TF_Tensor], i.toLong)
    for (i <- results.indices) results(i).read(tensors(i), ran)
  }

  /** The value of a row's output as Spark holds it. */
  def catalyst(output: Int, row: Int): Any = results(output).catalyst(row)

  /** The value of a row's output as the JVM does. */
  def jvm(output: Int, row: Int): Any = results(output).jvm(row)

  /** A row of the output alone, null if there is no such row: see [[DirectRow]]. */
  def directRow(output: Int): DirectRow = results(output).directRow

  private def release(): Unit =
    for (i <- tensors.indices if tensors(i) != null) {
      TF_DeleteTensor(tensors(i))
      tensors(i) = null
    }

  override def close(): Unit =
    if (!closed) {
      closed = true
      release()
      inputs.foreach(_.close())
      Seq(feeds, fetches, fed, made).foreach(_.close())
      TF_DeleteStatus(status)
    }
}

private[savedmodel] object Batch {

  /** A batch's size in bytes: it and what a small model makes of it stay in a core's cache. */
  private val Bytes = 256L << 10

  /**
   * How many rows of that size make a good batch: 64 images of 28×28 floats, 16,384 rows of a few
   * numbers. `benchmarks/NOTES.md` has the figures.
   */
  def defaultRows(bytesOfRow: Long): Int = {
    val rows = math.max(1L, Bytes / math.max(1L, bytesOfRow))
    math.min(16384L, math.max(16L, java.lang.Long.highestOneBit(rows))).toInt
  }
}

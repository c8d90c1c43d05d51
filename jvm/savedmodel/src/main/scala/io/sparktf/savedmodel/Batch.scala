package io.sparktf.savedmodel

import java.lang.ref.Cleaner
import java.util.concurrent.atomic.AtomicInteger

import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters
import org.apache.spark.sql.types.DataType
import org.bytedeco.javacpp.{Pointer, PointerPointer}
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

/**
 * Rows that go through a model together, again and again. For one thread.
 *
 * TensorFlow's memory is freed by [[close]], or else when nothing refers to this object any more.
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
  private val texts = inputs.filter(_.isText)

  private val memory =
    new Batch.Memory(inputs, tensors, status, Seq(feeds, fetches, fed, made))
  private val freed = Batch.cleaner.register(this, memory)

  // See close().
  @volatile private var user = Thread.currentThread
  @volatile private var ended = false

  signature.inputs.zipWithIndex.foreach { case (spec, i) => model.tensor(spec, feeds, i) }
  outputs.zipWithIndex.foreach { case (spec, i) => model.tensor(spec, fetches, i) }

  private var rows = 0
  private var limit = 0

  def size: Int = rows

  /** Whether it has the number of rows that was asked for or, without one, as many as suit. */
  def isFull: Boolean =
    rows > 0 && (rows >= limit || texts.length > 0 && maxRows <= 0 && holdsEnough)

  private def holdsEnough: Boolean = {
    var bytes = 0L
    var i = 0
    while (i < texts.length) {
      bytes += texts(i).textBytes
      i += 1
    }
    rows >= Batch.FewRows && bytes >= Batch.Bytes || bytes >= Batch.MostBytes
  }

  /**
   * Adds a row, unless its shape is not that of the batch: then that one has to run first, and the
   * row be given again.
   */
  def add(from: SpecializedGetters, ordinals: Array[Int]): Boolean = {
    requireOpen()
    var same = true
    var i = 0
    while (i < inputs.length) {
      same &= inputs(i).measure(from, ordinals(i))
      i += 1
    }
    if (rows > 0 && !same) return false
    if (rows == 0) begin()
    i = 0
    while (i < inputs.length) {
      inputs(i).add(from, ordinals(i))
      i += 1
    }
    rows += 1
    true
  }

  private def begin(): Unit = {
    user = Thread.currentThread
    limit = if (maxRows > 0) math.min(maxRows, Batch.MostRows)
    else Batch.defaultRows(inputs.map(_.bytesOfRow).sum)
    inputs.foreach(_.begin(limit))
  }

  private def requireOpen(): Unit = if (ended) {
    freed.clean()
    throw new IllegalStateException(
      "the task that scores these rows has ended, or has failed at a row before"
    )
  }

  /** Runs the model on the rows, whose results [[catalyst]] and [[jvm]] then give; empties it. */
  def run(): Unit = {
    requireOpen()
    memory.release()
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

  /**
   * Frees TensorFlow's memory. A task may end while another thread of it scores (those that write
   * to Python's workers before Spark 4, and to the programs of `RDD.pipe`): that one then frees it
   * when it adds the next row.
   */
  override def close(): Unit = {
    ended = true
    if ((user eq Thread.currentThread) || !user.isAlive) freed.clean()
  }
}

/**
 * The batch of an iterator, without what else that holds and need not stay until its task ends.
 *
 * @param task with which it is closed at the latest; null without one
 */
final private[savedmodel] class OpenBatch(task: TaskContext) extends AutoCloseable {
  @volatile private var batch: Batch = _
  if (task != null) task.addTaskCompletionListener[Unit](_ => close())

  def begin(next: Batch): Batch = {
    close()
    batch = next
    next
  }

  override def close(): Unit = {
    val ended = batch
    batch = null
    if (ended != null) ended.close()
  }
}

private[savedmodel] object Batch {

  private val cleaner = Cleaner.create()

  /** How many in this JVM have memory of TensorFlow's. */
  val open = new AtomicInteger()

  /** What a batch has to free. */
  final private class Memory(
      inputs: Array[InputColumn],
      outputs: Array[TF_Tensor],
      status: TF_Status,
      pointers: Seq[Pointer]
  ) extends Runnable {
    open.incrementAndGet()

    /** Frees the outputs. */
    def release(): Unit =
      for (i <- outputs.indices if outputs(i) != null) {
        TF_DeleteTensor(outputs(i))
        outputs(i) = null
      }

    override def run(): Unit = {
      release()
      inputs.foreach(_.close())
      pointers.foreach(_.close())
      TF_DeleteStatus(status)
      open.decrementAndGet()
    }
  }

  /** No batch has more: rows, also those with nulls, must not be held without end. */
  val MostRows: Int = 1 << 16

  /** A batch's size in bytes: it and what a small model makes of it stay in a core's cache. */
  private val Bytes = 256L << 10

  /** Larger rows are so many at a time, unless they are too large for that. */
  private val FewRows = 16
  private val MostBytes = 64L << 20

  /**
   * How many rows of that size make a good batch: 64 images of 28×28 floats, 16,384 rows of a few
   * numbers. `benchmarks/NOTES.md` has the figures.
   */
  def defaultRows(bytesOfRow: Long): Int = {
    val size = math.max(1L, bytesOfRow)
    val rows = math.max(FewRows.toLong, java.lang.Long.highestOneBit(math.max(1L, Bytes / size)))
    math.max(1L, math.min(math.min(16384L, rows), MostBytes / size)).toInt
  }
}

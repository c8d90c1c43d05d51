package io.sparktf.savedmodel

import scala.collection.mutable

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.unsafe.Platform

/** Evaluates a model's call for the rows of its child, a batch at a time. */
final private[savedmodel] case class ScoreBatchesExec(
    scoring: Scoring,
    arguments: Seq[Expression],
    result: Attribute,
    kept: Seq[Attribute],
    child: SparkPlan
) extends UnaryExecNode {
  override def output: Seq[Attribute] = kept :+ result
  override def producedAttributes: AttributeSet = AttributeSet(result)
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "batches" -> SQLMetrics.createMetric(sparkContext, "number of batches"),
    "scoring" -> SQLMetrics.createNanoTimingMetric(sparkContext, "time in TensorFlow")
  )

  override protected def doExecute(): RDD[InternalRow] = {
    val numOutputRows = longMetric("numOutputRows")
    val batches = longMetric("batches")
    val time = longMetric("scoring")
    // Not this operator, with the whole plan below it.
    val (asked, taken, scores, passed, read) = (scoring, arguments, result, kept, child.output)
    child.execute().mapPartitionsWithIndex { (partition, rows) =>
      new ScoredRows(rows, partition, asked, taken, scores, passed, read) {
        override protected def ran(rows: Int, nanoseconds: Long): Unit = {
          numOutputRows += rows.toLong
          batches += 1L
          time += nanoseconds
        }
      }
    }
  }

  override protected def withNewChildInternal(newChild: SparkPlan): ScoreBatchesExec =
    copy(child = newChild)
}

/**
 * A partition's rows with their scores.
 *
 * @param arguments of the model's call, over the columns `read`
 * @param kept those of `read` that are given on, in front of the result
 */
private[savedmodel] class ScoredRows(
    rows: Iterator[InternalRow],
    partition: Int,
    scoring: Scoring,
    arguments: Seq[Expression],
    result: Attribute,
    kept: Seq[Attribute],
    read: Seq[Attribute]
) extends Iterator[InternalRow] {

  private val bound = arguments.map(BindReferences.bindReference(_, AttributeSeq(read)))

  // Columns are taken from the row itself, other expressions are computed into one of their own.
  private val ordinals: Array[Int] = bound.zipWithIndex.map {
    case (column: BoundReference, _) if isDirect => column.ordinal
    case (_, i) => i
  }.toArray
  private val computed: UnsafeProjection = if (isDirect) null else UnsafeProjection.create(bound)
  if (computed != null) computed.initialize(partition) // rand() asks for it

  private def isDirect: Boolean = bound.forall(_.isInstanceOf[BoundReference])

  private val mayBeNull = arguments.exists(_.nullable)

  // From the beginning on, not from the first row on: what asks for rows in a thread of its own (see
  // Batch.close) then ends that thread before, as the last listener comes first.
  private val open = new OpenBatch(TaskContext.get())
  private lazy val batch: Batch =
    open.begin(scoring.batch(arguments.map(a => (shown(a), a.dataType))))

  private val results = new ResultRows(scoring, batch, kept, result)

  // The rows of the batch, one after the other, and for each its place in the model's batch.
  private val waiting = new KeptRows(kept, read)
  private val files = new InputFiles
  private var places = new Array[Int](1024)
  private var count = 0
  private var next_ = 0
  // A row that did not fit that batch, and its arguments: they are not computed again, as another
  // call of rand() would give another number. Both stay as they are until the next row is asked for.
  private var pending: InternalRow = _
  private var pendingTaken: InternalRow = _

  /** Called after each batch. */
  protected def ran(rows: Int, nanoseconds: Long): Unit = ()

  override def hasNext: Boolean = next_ < count || {
    var more = false
    try more = fill()
    finally if (!more) {
        // Rows that wait for a batch that has failed have no scores.
        count = 0
        open.close() // not at the end of the task, which may have many partitions
      }
    more
  }

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException
    val place = places(next_)
    files.take(next_)
    next_ += 1 // with the row that waits, also where its result is an error
    results.row(waiting.next(), place)
  }

  private def fill(): Boolean = {
    count = 0
    next_ = 0
    waiting.clear()
    files.clear()
    if (pending == null && !rows.hasNext) return false
    var full = false
    while (!full && (pending != null || rows.hasNext)) {
      val isNew = pending == null
      val row = if (isNew) rows.next() else pending
      val taken = if (!isNew) pendingTaken else if (computed == null) row else computed(row)
      pending = null
      if (mayBeNull && hasNull(taken)) remember(row, -1)
      else {
        val place = batch.size
        if (batch.add(taken, ordinals)) {
          remember(row, place)
          full = batch.isFull
        } else {
          pending = row
          pendingTaken = taken
          full = true
        }
      }
      full |= count >= Batch.MostRows || waiting.size >= ScoredRows.MaxBytes
    }
    files.leave()
    val began = System.nanoTime()
    if (count > 0 && batch.size > 0) {
      batch.run()
      results.begin()
    }
    ran(count, System.nanoTime() - began)
    true
  }

  private def hasNull(row: InternalRow): Boolean = {
    var i = 0
    while (i < ordinals.length) {
      if (row.isNullAt(ordinals(i))) return true
      i += 1
    }
    false
  }

  private def remember(row: InternalRow, place: Int): Unit = {
    if (count == places.length) places = java.util.Arrays.copyOf(places, count * 2)
    waiting.add(row)
    files.add(count)
    places(count) = place
    count += 1
  }

  private def shown(argument: Expression): String = argument match {
    case column: Attribute => column.name
    case other => other.sql
  }
}

private object ScoredRows {

  /** Wide columns beside narrow inputs must not be held without end. */
  val MaxBytes: Int = 64 << 20
}

/**
 * The files that rows are of, for `input_file_name()` above: it asks what is read at the time, and rows
 * that wait are read before they are taken.
 */
final private class InputFiles {
  private val files = mutable.ArrayBuffer.empty[InputFile]
  private val firstRows = mutable.ArrayBuffer.empty[Int]
  private var next = 0
  private var read = new InputFile

  /** To be called before rows are read. */
  def clear(): Unit = {
    read.makeCurrent()
    files.clear()
    firstRows.clear()
    next = 0
  }

  /** To be called when a row has been read. */
  def add(row: Int): Unit =
    if (files.isEmpty || !files.last.isCurrent) {
      files += new InputFile
      firstRows += row
    }

  /** To be called when no more rows are read. */
  def leave(): Unit = read = new InputFile

  /** To be called before a row is taken, for one after the other. */
  def take(row: Int): Unit =
    if (next < files.length && firstRows(next) == row) {
      files(next).makeCurrent()
      next += 1
    }
}

/** Some columns of rows, which wait in one array of bytes until they are taken, first come first. */
final private class KeptRows(kept: Seq[Attribute], read: Seq[Attribute]) {
  private val keep = if (kept.isEmpty) null else UnsafeProjection.create(kept, read)
  private val row = new UnsafeRow(kept.length)
  private var bytes = new Array[Byte](if (kept.isEmpty) 0 else 1 << 16)
  private var end = 0
  private var position = 0

  /** In bytes. */
  def size: Int = end

  def clear(): Unit = {
    end = 0
    position = 0
  }

  def add(from: InternalRow): Unit =
    if (keep != null) {
      val row = keep(from)
      val size = row.getSizeInBytes
      if (bytes.length - end - 8 < size) {
        val needed = end.toLong + size + 8
        if (needed > KeptRows.MostBytes) {
          throw new IllegalStateException(
            s"the columns beside a model's call have $size bytes in one row: select fewer of them"
          )
        }
        val more = math.min(math.max(bytes.length * 2L, needed), KeptRows.MostBytes)
        bytes = java.util.Arrays.copyOf(bytes, more.toInt)
      }
      Platform.putInt(bytes, Platform.BYTE_ARRAY_OFFSET + end, size)
      row.writeToMemory(bytes, Platform.BYTE_ARRAY_OFFSET + end + 8L)
      end += 8 + size
    }

  /** The next one, to be used before the one after it; null if no column is kept. */
  def next(): UnsafeRow =
    if (keep == null) null
    else {
      val size = Platform.getInt(bytes, Platform.BYTE_ARRAY_OFFSET + position)
      row.pointTo(bytes, Platform.BYTE_ARRAY_OFFSET + position + 8L, size)
      position += 8 + size
      row
    }
}

private object KeptRows {

  /** The longest array of every JVM. */
  val MostBytes: Long = Int.MaxValue - 16L
}

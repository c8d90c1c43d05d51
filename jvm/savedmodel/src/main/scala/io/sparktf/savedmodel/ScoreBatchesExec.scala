package io.sparktf.savedmodel

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}

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

  private val keep = UnsafeProjection.create(kept, read)
  private val join = UnsafeProjection.create(kept :+ result, kept :+ result)
  private val joined = new JoinedRow
  private val resultRow = new GenericInternalRow(1)

  private lazy val batch: Batch = scoring.batch(arguments.map(a => (shown(a), a.dataType)))

  // The rows of the batch, and for each its place in the model's batch, -1 for a null.
  private var keptRows = new Array[UnsafeRow](1024)
  private var places = new Array[Int](1024)
  private var count = 0
  private var next_ = 0
  private var pending: InternalRow = _

  /** Called after each batch. */
  protected def ran(rows: Int, nanoseconds: Long): Unit = ()

  override def hasNext: Boolean = next_ < count || fill()

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException
    val place = places(next_)
    resultRow.update(0, if (place < 0) null else scoring.catalyst(batch, place))
    val row = join(joined(keptRows(next_), resultRow))
    keptRows(next_) = null
    next_ += 1
    row
  }

  private def fill(): Boolean = {
    count = 0
    next_ = 0
    if (pending == null && !rows.hasNext) return false
    var full = false
    while (!full && (pending != null || rows.hasNext)) {
      val row = if (pending != null) pending else rows.next()
      pending = null
      val taken = if (computed == null) row else computed(row)
      if (hasNull(taken)) remember(row, -1)
      else {
        val place = batch.size
        if (batch.add(taken, ordinals)) {
          remember(row, place)
          full = batch.isFull
        } else {
          pending = row // the child's row stays what it is until its next one is asked for
          full = true
        }
      }
      full |= count >= ScoredRows.MaxRows
    }
    val began = System.nanoTime()
    if (count > 0 && batch.size > 0) batch.run()
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
    if (count == places.length) {
      keptRows = java.util.Arrays.copyOf(keptRows, count * 2)
      places = java.util.Arrays.copyOf(places, count * 2)
    }
    keptRows(count) = keep(row).copy()
    places(count) = place
    count += 1
  }

  private def shown(argument: Expression): String = argument match {
    case column: Attribute => column.name
    case other => other.sql
  }
}

private object ScoredRows {

  /** Null rows fill no batch of the model, and must not be held without end. */
  val MaxRows: Int = 1 << 16
}

package io.sparktf.savedmodel

import java.util

import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow
import org.apache.spark.sql.types.DataType

/**
 * Scores rows of the JVM's values, a batch at a time and in their order; a null row gives null. What it
 * takes of TensorFlow's memory it frees behind the last row and where one fails.
 *
 * @param result makes what is given for a row
 * @param task that asks for them, null without one
 */
final private[savedmodel] class ScoredValues(
    rows: Iterator[Any],
    scoring: Scoring,
    result: (Batch, Int) => Any,
    task: TaskContext
) extends Iterator[Any] {
  private val inputs = scoring.inputs
  private val ordinals = inputs.indices.toArray

  // Of the rows so far, and of those that the batch takes.
  private var types: Seq[DataType] = _
  private var batchTypes: Seq[DataType] = _
  private var batch: Batch = _
  private val open = new OpenBatch(task)
  private var pending: GenericInternalRow = _
  private var failed = false

  private val done = new util.ArrayDeque[Option[Any]]()

  override def hasNext: Boolean = {
    if (failed) throw new IllegalStateException("a row has failed before: see the error there")
    if (done.isEmpty) {
      try fill()
      catch {
        case e: Throwable =>
          failed = true // rows that wait have no results
          open.close()
          throw e
      }
    }
    val more = !done.isEmpty
    if (!more) open.close()
    more
  }

  override def next(): Any = {
    if (!hasNext) throw new NoSuchElementException
    done.poll().orNull
  }

  private def fill(): Unit = {
    val scored = Array.newBuilder[Boolean]
    var full = false
    var count = 0
    while (!full && (pending != null || rows.hasNext)) {
      val row = if (pending != null) pending else convert(rows.next())
      pending = null
      if (row == null) {
        scored += false
        count += 1
      } else if (add(row)) {
        scored += true
        count += 1
        full = batch.isFull
      } else {
        pending = row
        full = true
      }
      full |= count >= Batch.MostRows
    }
    if (batch != null && batch.size > 0) batch.run()
    var i = 0
    scored.result().foreach { is =>
      if (is) {
        done.add(Some(result(batch, i)))
        i += 1
      } else done.add(None)
    }
  }

  /** Adds a row to the batch, unless that one has to run first. */
  private def add(row: GenericInternalRow): Boolean = {
    if (batchTypes ne types) {
      if (batch != null && batch.size > 0) return false
      batch = open.begin(scoring.batch(inputs.map(_.name).zip(types)))
      batchTypes = types
    }
    batch.add(row, ordinals)
  }

  private def convert(row: Any): GenericInternalRow = {
    val values = JvmValues.ofInputs(row, inputs)
    if (values.contains(null)) null
    else {
      val found = values.toSeq.map(JvmValues.typeOf)
      if (found != types) types = if (types == null) found else common(found)
      new GenericInternalRow(values.map(JvmValues.catalyst))
    }
  }

  /** The first row says of what type all are; empty sequences in it leave that open. */
  private def common(found: Seq[DataType]): Seq[DataType] = {
    val all = inputs.indices.map { i =>
      JvmValues.common(types(i), found(i)).getOrElse(throw new IllegalArgumentException(
        s"the values for the model's input ${inputs(i)} are of type ${types(i).catalogString} at " +
          s"first and ${found(i).catalogString} later: give all in one type"
      ))
    }
    if (all == types) types else all
  }
}

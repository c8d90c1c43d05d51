package io.sparktf.tfrecord.source

import java.io.IOException

import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}

/**
 * The rows of a file without columns, as what they are: numbers of rows. Spark goes through a batch
 * at once, where it would ask for each row.
 */
final private[tfrecord] class RowCounts(rows: RecordIterator) extends Iterator[ColumnarBatch] {
  private[this] val batch = new ColumnarBatch(Array.empty[ColumnVector])
  private[this] var failure: IOException = _

  override def hasNext: Boolean = {
    if (failure ne null) throw failure
    rows.hasNext
  }

  override def next(): ColumnarBatch = {
    var count = 0
    try
      while (count < RowCounts.Largest && rows.hasNext) {
        rows.next()
        count += 1
      }
    catch {
      // Spark may be told to go on with what came before the damage.
      case e: IOException if count > 0 => failure = e
    }
    batch.setNumRows(count)
    batch
  }
}

private[tfrecord] object RowCounts {
  // As many as Spark puts into a batch of its own sources.
  private val Largest = 4096
}

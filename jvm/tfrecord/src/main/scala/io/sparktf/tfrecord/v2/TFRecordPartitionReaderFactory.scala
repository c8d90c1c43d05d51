package io.sparktf.tfrecord.v2

import java.io.IOException

import io.sparktf.tfrecord.source.{RecordIterator, RowReaderFactory}
import org.apache.spark.sql.catalyst.{FileSourceOptions, InternalRow}
import org.apache.spark.sql.catalyst.expressions.JoinedRow
import org.apache.spark.sql.connector.read.{InputPartition, PartitionReader}
import org.apache.spark.sql.execution.datasources.PartitionedFile
import org.apache.spark.sql.execution.datasources.v2.FilePartitionReaderFactory
import org.apache.spark.sql.types.StructType

/**
 * Sent to the tasks, where it opens the files of a partition one after the other.
 *
 * @param rows whose partition columns are those of the scan and then `metadata`
 * @param metadata `_metadata`, or no column
 * @param limit how many rows of a partition are enough
 */
final private[tfrecord] class TFRecordPartitionReaderFactory(
    rows: RowReaderFactory,
    metadata: StructType,
    limit: Option[Int],
    override val options: FileSourceOptions
) extends FilePartitionReaderFactory {

  override def createReader(partition: InputPartition): PartitionReader[InternalRow] = {
    val reader = super.createReader(partition)
    limit.fold(reader)(new LimitedReader(reader, _))
  }

  override def buildReader(file: PartitionedFile): PartitionReader[InternalRow] =
    new RowReader(rows.open(file, behindData(file)))

  private def behindData(file: PartitionedFile): InternalRow =
    if (metadata.isEmpty) file.partitionValues
    else {
      val fields = metadata.head.dataType.asInstanceOf[StructType]
      new JoinedRow(file.partitionValues, InternalRow(FileMetadata.of(file, fields)))
    }
}

/**
 * The same for counts.
 *
 * @param rows without columns of the data or the partitions
 * @param counts how many a row has, behind the partition columns that it is counted by
 * @param grouped whether there are such columns
 */
final private[tfrecord] class CountReaderFactory(
    rows: RowReaderFactory,
    counts: Int,
    grouped: Boolean,
    override val options: FileSourceOptions
) extends FilePartitionReaderFactory {

  override def createReader(partition: InputPartition): PartitionReader[InternalRow] = {
    val reader = super.createReader(partition)
    if (grouped) reader
    else new NotNothingReader(reader, CountReader.row(InternalRow.empty, counts, 0L))
  }

  override def buildReader(file: PartitionedFile): PartitionReader[InternalRow] =
    new CountReader(rows.open(file, InternalRow.empty), file.partitionValues, counts)
}

final private class RowReader(rows: RecordIterator) extends PartitionReader[InternalRow] {
  private[this] var row: InternalRow = _

  override def next(): Boolean = {
    val hasNext = rows.hasNext
    row = if (hasNext) rows.next() else null
    hasNext
  }

  override def get(): InternalRow = row
  override def close(): Unit = rows.close()
}

/** Rows that add up to the number of the file's; none where there is nothing to count. */
final private class CountReader(rows: RecordIterator, groups: InternalRow, counts: Int)
  extends PartitionReader[InternalRow] {
  private[this] var failure: IOException = _
  private[this] var summands: Iterator[Long] = _
  private[this] var row: InternalRow = _

  override def next(): Boolean = {
    if (summands eq null) summands = CountReader.summands(count())
    val hasNext = summands.hasNext
    if (hasNext) row = CountReader.row(groups, counts, summands.next())
    else if (failure ne null) throw failure
    hasNext
  }

  private def count(): Long = {
    var count = 0L
    try
      while (rows.hasNext) {
        rows.next()
        count += 1
      }
    catch {
      // Spark may be told to go on with what came before the damage.
      case e: IOException if count > 0 => failure = e
    }
    count
  }

  override def get(): InternalRow = row
  override def close(): Unit = rows.close()
}

private[tfrecord] object CountReader {

  def row(groups: InternalRow, counts: Int, value: Long): InternalRow =
    new JoinedRow(groups, InternalRow.fromSeq(Seq.fill(counts)(value)))

  /**
   * Numbers whose sum is `count`, while those of them that differ have the sum 1, with whatever
   * other counts they come together. Spark adds up either: it pushes `count(DISTINCT 1)`, which is 1
   * where there is a row, down as if it were `count(*)`, and then sums up the distinct.
   */
  def summands(count: Long): Iterator[Long] =
    if (count == 0) Iterator.empty
    else {
      // Each power of two comes with its negative; only 1 is alone.
      val powers = (0 until 63).iterator.map(1L << _).filter(bit => (count - 1 & bit) != 0)
      Iterator(1L) ++ powers.flatMap(n => if (n == 1) Iterator(n) else Iterator(n, n, -n))
    }
}

/** Gives `row` where the reader gives none: a sum over no row is null, and a count is none. */
final private class NotNothingReader(reader: PartitionReader[InternalRow], row: InternalRow)
  extends PartitionReader[InternalRow] {
  private[this] var isEmpty = true
  private[this] var isAtRow = false

  override def next(): Boolean = {
    isAtRow = false
    if (reader.next()) isEmpty = false
    else if (isEmpty) {
      isEmpty = false
      isAtRow = true
    } else return false
    true
  }

  override def get(): InternalRow = if (isAtRow) row else reader.get()
  override def close(): Unit = reader.close()
}

/** Ends after `limit` rows, and opens no file behind the one that has the last of them. */
final private class LimitedReader(rows: PartitionReader[InternalRow], limit: Int)
  extends PartitionReader[InternalRow] {
  private[this] var left = limit

  override def next(): Boolean = left > 0 && rows.next() && {
    left -= 1
    true
  }

  override def get(): InternalRow = rows.get()
  override def close(): Unit = rows.close()
}

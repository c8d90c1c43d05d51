package io.sparktf.tfrecord.v2

import java.io.IOException

import io.sparktf.tfrecord.{RecordIterator, RowReaderFactory}
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
 */
final private[tfrecord] class CountReaderFactory(
    rows: RowReaderFactory,
    counts: Int,
    override val options: FileSourceOptions
) extends FilePartitionReaderFactory {

  override def buildReader(file: PartitionedFile): PartitionReader[InternalRow] =
    new CountReader(rows.open(file, InternalRow.empty), file.partitionValues, counts)
}

final private class RowReader(rows: RecordIterator) extends PartitionReader[InternalRow] {
  override def next(): Boolean = rows.hasNext
  override def get(): InternalRow = rows.next()
  override def close(): Unit = rows.close()
}

/** One row, with the number of rows of the file; none where there is nothing to count. */
final private class CountReader(rows: RecordIterator, groups: InternalRow, counts: Int)
  extends PartitionReader[InternalRow] {
  private[this] var failure: IOException = _
  private[this] var count = 0L

  override def next(): Boolean = {
    if (failure ne null) throw failure
    count = 0
    try
      while (rows.hasNext) {
        rows.next()
        count += 1
      }
    catch {
      // Spark may be told to go on with what came before the damage.
      case e: IOException if count > 0 => failure = e
    }
    count > 0
  }

  override def get(): InternalRow =
    new JoinedRow(groups, InternalRow.fromSeq(Seq.fill(counts)(count)))

  override def close(): Unit = rows.close()
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

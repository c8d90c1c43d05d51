package io.sparktf.tfrecord.source

import io.sparktf.tfrecord.{
  MalformedMessageException, MalformedRecordException, NoMemoryException, OversizedRecordException
}
import io.sparktf.tfrecord.encode.RecordEncoder
import io.sparktf.tfrecord.frame.FrameWriter
import io.sparktf.tfrecord.options.RecordType
import io.sparktf.tfrecord.stream.OutputCompression
import org.apache.hadoop.fs.Path
import org.apache.hadoop.mapreduce.TaskAttemptContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.datasources.{OutputWriter, OutputWriterFactory}
import org.apache.spark.sql.types.StructType

/** Sent to the tasks of a write, where it opens their files. */
final private[tfrecord] class TFRecordOutputWriterFactory(
    recordType: RecordType,
    featureLists: Set[String],
    compression: OutputCompression
) extends OutputWriterFactory {

  override def getFileExtension(context: TaskAttemptContext): String =
    ".tfrecord" + compression.extension

  override def newInstance(
      path: String,
      dataSchema: StructType,
      context: TaskAttemptContext
  ): OutputWriter = {
    val out = compression.create(new Path(path), context.getConfiguration)
    val records = new FrameWriter(out)
    val rows = RecordEncoder(recordType, dataSchema, featureLists, records)
    new TFRecordOutputWriter(path, rows, records)
  }
}

/** Writes one file. */
final private[tfrecord] class TFRecordOutputWriter(
    file: String,
    rows: RecordEncoder,
    records: FrameWriter
) extends OutputWriter {

  override def path(): String = file

  override def write(row: InternalRow): Unit =
    try rows.write(row)
    catch {
      case e: MalformedMessageException =>
        throw new MalformedRecordException(s"A row cannot be written to $file: ${e.getMessage}", e)
      case e: NoMemoryException =>
        throw new OversizedRecordException(s"A row cannot be written to $file: ${e.getMessage}", e)
    }

  override def close(): Unit = records.close()
}

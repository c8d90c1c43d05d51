package io.sparktf.benchmarks

import java.util.concurrent.ConcurrentHashMap

import io.sparktf.tfrecord.TFRecordFileFormat
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.apache.hadoop.mapreduce.{Job, TaskAttemptContext}
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.datasources.{
  OutputWriter, OutputWriterFactory, PartitionedFile
}
import org.apache.spark.sql.sources.Filter
import org.apache.spark.sql.types.StructType

/**
 * This source with constants in the place of its decoder and encoder, so that what is left is
 * Spark's own part of the time. Reading gives the first row of a file for each of its records: the
 * file is read the first time only. Writing makes empty files.
 */
class ConstantFormat extends TFRecordFileFormat {
  import ConstantFormat._

  override def shortName(): String = "tfrecord-constant"

  /** The row that a file's records have in common is a row. */
  override def supportBatch(sparkSession: SparkSession, schema: StructType): Boolean = false

  override def prepareWrite(
      sparkSession: SparkSession,
      job: Job,
      options: Map[String, String],
      dataSchema: StructType
  ): OutputWriterFactory = new EmptyFiles

  override def buildReaderWithPartitionValues(
      sparkSession: SparkSession,
      dataSchema: StructType,
      partitionSchema: StructType,
      requiredSchema: StructType,
      filters: Seq[Filter],
      options: Map[String, String],
      hadoopConf: Configuration
  ): PartitionedFile => Iterator[InternalRow] = {
    val read = super.buildReaderWithPartitionValues(
      sparkSession,
      dataSchema,
      partitionSchema,
      requiredSchema,
      filters,
      options,
      hadoopConf
    )
    val columns = requiredSchema.fieldNames.mkString(",")
    file =>
      known.computeIfAbsent(
        s"$file $columns",
        _ => {
          val rows = read(file)
          if (rows.hasNext) new Constant(rows.next().copy(), 1 + rows.size)
          else new Constant(null, 0)
        }
      ).rows
  }
}

object ConstantFormat {
  private val known = new ConcurrentHashMap[String, Constant]()

  final private class Constant(row: InternalRow, times: Int) {
    def rows: Iterator[InternalRow] = new Iterator[InternalRow] {
      private[this] var rest = times
      override def hasNext: Boolean = rest > 0
      override def next(): InternalRow = {
        rest -= 1
        row
      }
    }
  }

  private class EmptyFiles extends OutputWriterFactory {
    override def getFileExtension(context: TaskAttemptContext): String = ".tfrecord"

    override def newInstance(
        file: String,
        dataSchema: StructType,
        context: TaskAttemptContext
    ): OutputWriter = new OutputWriter {
      override def write(row: InternalRow): Unit = ()
      override def path(): String = file
      override def close(): Unit = {
        val target = new Path(file)
        target.getFileSystem(context.getConfiguration).create(target).close()
      }
    }
  }
}

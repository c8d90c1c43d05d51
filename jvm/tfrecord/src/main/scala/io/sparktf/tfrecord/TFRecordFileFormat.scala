package io.sparktf.tfrecord

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, Path}
import org.apache.hadoop.mapreduce.Job
import org.apache.spark.TaskContext
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.datasources.{FileFormat, OutputWriterFactory, PartitionedFile}
import org.apache.spark.sql.sources.{DataSourceRegister, Filter}
import org.apache.spark.sql.types.{DataType, StructType}
import org.apache.spark.util.SerializableConfiguration
import org.slf4j.LoggerFactory

/**
 * TFRecord files of tf.Example messages as a Spark file source, short name `tfrecord`.
 *
 * On its way from a file to a row a record passes [[RecordReader]] (frames and checksums) and
 * [[ExampleReader]] (messages); back again [[ExampleWriter]] and [[RecordWriter]].
 */
class TFRecordFileFormat extends FileFormat with DataSourceRegister with Serializable {

  override def shortName(): String = "tfrecord"

  override def toString: String = "TFRecord"

  override def hashCode(): Int = getClass.hashCode()

  override def equals(other: Any): Boolean = other.isInstanceOf[TFRecordFileFormat]

  /** Arrays of arrays pass here: which record types hold them is known only with the options. */
  override def supportDataType(dataType: DataType): Boolean =
    FeatureType.of(dataType).isDefined || FeatureType.isNested(dataType)

  override def isSplitable(
      sparkSession: SparkSession,
      options: Map[String, String],
      path: Path
  ): Boolean = false

  override def inferSchema(
      sparkSession: SparkSession,
      options: Map[String, String],
      files: Seq[FileStatus]
  ): Option[StructType] = {
    val conf = sparkSession.sessionState.newHadoopConfWithOptions(options)
    SchemaInference.infer(sparkSession, new TFRecordOptions(options, conf), files, conf)
  }

  override def prepareWrite(
      sparkSession: SparkSession,
      job: Job,
      options: Map[String, String],
      dataSchema: StructType
  ): OutputWriterFactory = {
    val parsed = new TFRecordOptions(options, job.getConfiguration)
    refuseNestedArrays(dataSchema)
    val codec = parsed.writeCodec
    codec.filterNot(Compression.isReadByTensorFlow).foreach { c =>
      TFRecordFileFormat.log.warn(s"TensorFlow cannot read TFRecord files compressed by " +
        s"${c.getName}; it reads the compressions none, gzip and zlib (deflate)")
    }
    new TFRecordOutputWriterFactory(new OutputCompression(codec, parsed.compressionLevel))
  }

  override def buildReaderWithPartitionValues(
      sparkSession: SparkSession,
      dataSchema: StructType,
      partitionSchema: StructType,
      requiredSchema: StructType,
      filters: Seq[Filter],
      options: Map[String, String],
      hadoopConf: Configuration
  ): PartitionedFile => Iterator[InternalRow] = {
    refuseNestedArrays(requiredSchema)
    val parsed = new TFRecordOptions(options, hadoopConf)
    val caseSensitive = sparkSession.sessionState.conf.caseSensitiveAnalysis
    val conf = sparkSession.sparkContext.broadcast(
      new SerializableConfiguration(Compression.readConf(hadoopConf))
    )
    file => {
      val records = Compression.open(file.toPath, file.fileSize, conf.value.value, parsed)
      val rows =
        if (requiredSchema.isEmpty) {
          val row = new RowBuilder(0, partitionSchema)
          row.setPartitionValues(file.partitionValues)
          row.reset()
          new RecordCounter(records, row.result())
        } else {
          val reader = new ExampleReader(requiredSchema, partitionSchema, caseSensitive)
          reader.setPartitionValues(file.partitionValues)
          new ExampleIterator(records, reader)
        }
      // A query that stops early, or fails, leaves the iterator before its end.
      Option(TaskContext.get()).foreach(_.addTaskCompletionListener[Unit](_ => rows.close()))
      rows
    }
  }

  private def refuseNestedArrays(schema: StructType): Unit =
    schema.find(f => FeatureType.isNested(f.dataType)).foreach { f =>
      throw new IllegalArgumentException(
        s"The column `${f.name}` of type ${f.dataType.simpleString} has no place in a tf.Example, " +
          "whose features are flat lists: flatten the column"
      )
    }
}

private[tfrecord] object TFRecordFileFormat {
  private val log = LoggerFactory.getLogger(classOf[TFRecordFileFormat])
}

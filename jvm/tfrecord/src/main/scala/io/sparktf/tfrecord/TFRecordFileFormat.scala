package io.sparktf.tfrecord

import io.sparktf.tfrecord.infer.SchemaInference
import io.sparktf.tfrecord.options.{ReadMode, TFRecordOptions, TFRecordWriteOptions}
import io.sparktf.tfrecord.source.{RowCounts, RowReaderFactory, TFRecordOutputWriterFactory}
import io.sparktf.tfrecord.stream.{Compression, OutputCompression}
import io.sparktf.tfrecord.wire.FeatureType
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, Path}
import org.apache.hadoop.io.compress.CompressionCodecFactory
import org.apache.hadoop.mapreduce.Job
import org.apache.spark.TaskContext
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.datasources.{FileFormat, OutputWriterFactory, PartitionedFile}
import org.apache.spark.sql.sources.{DataSourceRegister, Filter}
import org.apache.spark.sql.types.{DataType, StructType}
import org.slf4j.LoggerFactory

/**
 * TFRecord files as a Spark file source, short name `tfrecord`.
 *
 * On its way from a file to a row a record passes `FrameReader` (frames and checksums) and a
 * `RecordDecoder` (messages); back again a `RecordEncoder` and `FrameWriter`.
 */
class TFRecordFileFormat extends FileFormat with DataSourceRegister with Serializable {
  import TFRecordFileFormat._

  @transient @volatile private var lastSplitting: Splitting = _

  override def shortName(): String = "tfrecord"

  override def toString: String = "TFRecord"

  override def hashCode(): Int = getClass.hashCode()

  override def equals(other: Any): Boolean = other != null && other.getClass == getClass

  /** Arrays of arrays pass here: which record types hold them is known only with the options. */
  override def supportDataType(dataType: DataType): Boolean = {
    ScalaVersion.check() // the first thing that Spark asks of this, but for its name
    FeatureType.of(dataType).isDefined || FeatureType.ofList(dataType).isDefined
  }

  override def isSplitable(
      sparkSession: SparkSession,
      options: Map[String, String],
      path: Path
  ): Boolean = {
    // Spark asks for each file, and making a Hadoop configuration takes longer than reading a few.
    var splitting = lastSplitting
    if (splitting == null || splitting.options != options) {
      val conf = sparkSession.sessionState.newHadoopConfWithOptions(options)
      splitting = new Splitting(options, new TFRecordOptions(options, conf), conf)
      lastSplitting = splitting
    }
    splitting.isSplitable(path, sparkSession.sessionState.conf.ignoreCorruptFiles)
  }

  /** Rows without columns, as a count has them, are told by number. */
  override def supportBatch(sparkSession: SparkSession, schema: StructType): Boolean =
    schema.isEmpty

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
    val parsed = new TFRecordWriteOptions(options, job.getConfiguration)
    parsed.recordType.check(dataSchema)
    parsed.refuseLocalWrites()
    parsed.checkExactness(dataSchema)(log.warn(_))
    val caseSensitive = sparkSession.sessionState.conf.caseSensitiveAnalysis
    val featureLists = parsed.featureLists(dataSchema, caseSensitive)
    val codec = parsed.writeCodec
    codec.filterNot(Compression.isReadByTensorFlow).foreach { c =>
      log.warn(s"TensorFlow cannot read TFRecord files compressed by " +
        s"${c.getName}; it reads the compressions none, gzip and zlib (deflate)")
    }
    new TFRecordOutputWriterFactory(
      parsed.recordType,
      featureLists,
      new OutputCompression(codec, parsed.compressionLevel)
    )
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
    val rowReaders = RowReaderFactory(
      sparkSession,
      dataSchema,
      partitionSchema,
      requiredSchema,
      options,
      hadoopConf
    )
    val inBatches = options.get(ReturningBatch).contains("true")
    file => {
      val rows = rowReaders.open(file)
      // A query that stops early, or fails, leaves the iterator before its end.
      Option(TaskContext.get()).foreach(_.addTaskCompletionListener(rows.source))
      // Spark's own sources return batches by this name too.
      if (inBatches) new RowCounts(rows).asInstanceOf[Iterator[InternalRow]] else rows
    }
  }
}

/**
 * The same under the short name `tfrecords`, which Spark-TensorFlow-Connector had: programs and
 * tables that name it stay as they are.
 */
class TFRecordsFileFormat extends TFRecordFileFormat {
  override def shortName(): String = "tfrecords"
}

private[tfrecord] object TFRecordFileFormat {
  private val log = LoggerFactory.getLogger(classOf[TFRecordFileFormat])

  /** FileFormat.OPTION_RETURNING_BATCH: Spark's answer to `supportBatch`. */
  private val ReturningBatch = "returning_batch"

  /** Which files are read in splits. */
  final private class Splitting(
      val options: Map[String, String],
      parsed: TFRecordOptions,
      conf: Configuration
  ) {
    private val codecs = new CompressionCodecFactory(conf)

    /** Where damage ends a file, but not the query, nothing may come from the splits behind it. */
    def isSplitable(file: Path, ignoresCorruptFiles: Boolean): Boolean =
      parsed.mode == ReadMode.FailFast &&
        !parsed.ignoreCorruptFiles.getOrElse(ignoresCorruptFiles) &&
        parsed.readCodec.isSplitable(file, codecs)
  }
}

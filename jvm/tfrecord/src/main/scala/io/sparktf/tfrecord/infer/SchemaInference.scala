package io.sparktf.tfrecord.infer

import java.io.FileNotFoundException

import scala.util.Random

import io.sparktf.tfrecord.{
  CorruptTFRecordException, MalformedMessageException, NoMemoryException, TFRecordFileFormat
}
import io.sparktf.tfrecord.decode.ForeignMessage
import io.sparktf.tfrecord.options.{ReadMode, RecordType, TFRecordOptions}
import io.sparktf.tfrecord.source.RecordFile
import io.sparktf.tfrecord.stream.Compression
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, Path}
import org.apache.spark.{Partition, SparkContext, TaskContext}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.{AnalysisException, SparkSession}
import org.apache.spark.sql.types._
import org.apache.spark.util.SerializableConfiguration
import org.slf4j.LoggerFactory

/**
 * Finds a schema in the records themselves, for TFRecord files carry none: int64 becomes bigint,
 * float becomes float, bytes becomes string where each value seen is valid UTF-8 and binary
 * otherwise; a column is a scalar where no list seen has more than one value, and an array
 * otherwise; columns come in the order of their first appearance.
 */
private[tfrecord] object SchemaInference {
  // Enough to meet the rare feature, few enough that a listing of a million files costs no more
  // than one of a thousand.
  private val MaxSampledFiles = 1000
  // So few files are read sooner than a job is started.
  private val MaxFilesOnDriver = 8

  // What Spark's error has for the name of the format.
  private val FromNoFile =
    "TFRecord from no file (of the folders in a folder only those of partitions, name=value, are " +
      "read; the option recursiveFileLookup=true reads all)"

  private val log = LoggerFactory.getLogger(classOf[TFRecordFileFormat])

  /**
   * @throws IllegalArgumentException where records disagree on a feature's kind
   * @throws AnalysisException Spark's own, where there is no file
   */
  def infer(
      session: SparkSession,
      options: TFRecordOptions,
      files: Seq[FileStatus],
      conf: Configuration
  ): Option[StructType] = {
    if (files.isEmpty) {
      throw new AnalysisException("UNABLE_TO_INFER_SCHEMA", Map("format" -> FromNoFile))
    }
    if (options.recordType == RecordType.ByteArray) return Some(RecordType.ByteArray.schema)
    val paths = sample(options, files.filter(_.getLen > 0))
      .map(f => FileToSample(f.getPath.toString, f.getLen))
    val sqlConf = session.sessionState.conf
    val task = new InferenceTask(
      options,
      options.ignoreCorruptFiles.getOrElse(sqlConf.ignoreCorruptFiles),
      options.ignoreMissingFiles.getOrElse(sqlConf.ignoreMissingFiles)
    )
    val onDriver = paths.length <= MaxFilesOnDriver && options.samplingRatio.isEmpty
    val found =
      if (onDriver) task.summarize(paths, Compression.readConf(conf))
      else inTasks(session.sparkContext, task, paths.toArray, conf)
    found.conflict.foreach(conflict => throw new IllegalArgumentException(conflict))
    val schema = StructType(
      found.features.filter(_.hasValues).map(s => StructField(s.name, s.dataType))
    )
    val isReported = options.mode == ReadMode.Permissive && found.isDamaged
    found.foreign.filter(_ => schema.isEmpty && !isReported).foreach { foreign =>
      throw new IllegalArgumentException(
        s"The schema cannot be inferred: no record seen has a feature with a value. $foreign; " +
          ForeignMessage.hint
      )
    }
    if (options.mode != ReadMode.Permissive) return Some(schema)
    // As in Spark's JSON source, the column is there only where there is something to put in.
    val corruptColumn = options.columnNameOfCorruptRecord(sqlConf.columnNameOfCorruptRecord)
    if (schema.fieldNames.contains(corruptColumn)) {
      throw new IllegalArgumentException(
        s"The records hold a feature `$corruptColumn`, which is the name of the column for records " +
          s"that cannot be decoded: give the option `${TFRecordOptions.ColumnNameOfCorruptRecord}` " +
          "another name"
      )
    }
    Some(if (found.isDamaged) schema.add(corruptColumn, BinaryType) else schema)
  }

  /** Each task's files come back as one summary, which is as large for many as for one. */
  private def inTasks(
      context: SparkContext,
      task: InferenceTask,
      files: Array[FileToSample],
      conf: Configuration
  ): FilesSummary = {
    val shared = context.broadcast(new SerializableConfiguration(Compression.readConf(conf)))
    try {
      val parts = math.min(files.length, math.max(1, context.defaultParallelism * 4))
      val summaries = new InferenceRDD(context, task, shared, files, parts)
      val found = context.runJob(summaries, (part: Iterator[Array[Byte]]) => part.next())
      FilesSummary.merge(found.iterator.map(FilesSummary.fromBytes))
    } finally {
      shared.destroy()
    }
  }

  /** All files where all are to be read, else up to a limit, evenly spread, the ends included. */
  private def sample(options: TFRecordOptions, files: Seq[FileStatus]): Seq[FileStatus] =
    if (options.samplingRatio.isDefined || files.length <= MaxSampledFiles) {
      files
    } else {
      val indexed = files.toIndexedSeq
      (0 until MaxSampledFiles).map { i =>
        indexed((i.toLong * (indexed.length - 1) / (MaxSampledFiles - 1)).toInt)
      }
    }

  private def warnSkipped(file: String, cause: Throwable): Unit =
    log.warn(s"Schema inference skips $file: ${cause.getMessage}")

  final private case class FileToSample(path: String, size: Long)

  /**
   * A summary for each part of the files. Files and summaries pass none of Spark's serializers,
   * which a cluster may have told to take only what is registered.
   */
  final private class InferenceRDD(
      context: SparkContext,
      task: InferenceTask,
      conf: Broadcast[SerializableConfiguration],
      @transient files: Array[FileToSample],
      parts: Int
  ) extends RDD[Array[Byte]](context, Nil) {

    override protected def getPartitions: Array[Partition] =
      Array.tabulate(parts) { i =>
        def start(part: Int): Int = (part.toLong * files.length / parts).toInt
        new InferencePartition(i, files.slice(start(i), start(i + 1)))
      }

    override def compute(part: Partition, context: TaskContext): Iterator[Array[Byte]] = {
      val files = part.asInstanceOf[InferencePartition].files
      Iterator(task.summarize(files.toSeq, conf.value.value).toBytes)
    }
  }

  final private class InferencePartition(override val index: Int, val files: Array[FileToSample])
    extends Partition

  /** What a task does with its files; apart from the rest so that little is sent with it. */
  final private class InferenceTask(
      options: TFRecordOptions,
      ignoreCorrupt: Boolean,
      ignoreMissing: Boolean
  ) extends Serializable {

    private val strict = options.mode == ReadMode.FailFast

    def summarize(files: Seq[FileToSample], conf: Configuration): FilesSummary =
      FilesSummary.merge(files.iterator.map(summarize(_, conf)))

    private def summarize(file: FileToSample, conf: Configuration): FilesSummary = {
      val summarizer = new ExampleSummarizer(options.recordType, file.path)
      var isDamaged = false
      var conflict = Option.empty[String]
      try isDamaged = read(file, summarizer, conf)
      catch {
        case e: FileNotFoundException if ignoreMissing => warnSkipped(file.path, e)
        case e: CorruptTFRecordException if !strict =>
          warnSkipped(file.path, e)
          isDamaged = true
        case e: java.io.IOException if ignoreCorrupt && !e.isInstanceOf[FileNotFoundException] =>
          warnSkipped(file.path, e)
        case e: SchemaConflict => conflict = Some(e.getMessage)
      }
      val foreign = summarizer.foreign.map(found => s"In ${file.path} there is $found")
      FilesSummary(summarizer.result(), isDamaged, foreign, conflict)
    }

    /** Whether a record was left out. */
    private def read(
        file: FileToSample,
        summarizer: ExampleSummarizer,
        conf: Configuration
    ): Boolean = {
      val records = new RecordFile(new Path(file.path), file.size, conf, options).open()
      // Fixed by the file's name: the same files always give the same schema.
      val random = new Random(file.path.hashCode)
      var seen = 0L
      var isDamaged = false
      var isWhole = true
      def next(): Boolean =
        try {
          isWhole = true
          records.next()
        } catch {
          case _: CorruptTFRecordException if !strict && records.canGoOn =>
            isWhole = false
            isDamaged = true
            true
        }
      // A file's first record always counts, or small files would say nothing.
      def isSampled: Boolean =
        seen == 0 || options.samplingRatio.forall(r => r >= 1 || random.nextDouble() < r)
      try {
        while ((options.samplingRatio.isDefined || seen < options.sampleRecords) && next()) {
          if (isSampled && isWhole) {
            try summarizer.add(records.buffer, records.start, records.end)
            catch {
              case e: MalformedMessageException =>
                if (strict) throw records.malformed(e)
                summarizer.noteForeign(records.buffer, records.start, records.end)
                isDamaged = true
              case e: NoMemoryException => throw records.oversized(e)
            }
          }
          seen += 1
        }
      } finally {
        records.close()
      }
      isDamaged
    }
  }
}

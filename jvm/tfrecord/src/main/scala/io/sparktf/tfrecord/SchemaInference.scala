package io.sparktf.tfrecord

import java.io.FileNotFoundException

import scala.collection.mutable
import scala.util.Random

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, Path}
import org.apache.spark.sql.SparkSession
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

  private val log = LoggerFactory.getLogger(classOf[TFRecordFileFormat])

  /**
   * @return None where there is no file with a byte in it to infer from, and none without
   * @throws IllegalArgumentException where records disagree on a feature's kind
   */
  def infer(
      session: SparkSession,
      options: TFRecordOptions,
      files: Seq[FileStatus],
      conf: Configuration
  ): Option[StructType] = {
    if (files.isEmpty) return None
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
      if (onDriver) {
        val readConf = Compression.readConf(conf)
        paths.map(task.summarize(_, readConf))
      } else {
        val context = session.sparkContext
        val shared = context.broadcast(new SerializableConfiguration(Compression.readConf(conf)))
        try {
          val slices = math.min(paths.length, math.max(1, context.defaultParallelism * 4))
          context.parallelize(paths, slices)
            .map(task.summarize(_, shared.value.value).toTuples).collect().toSeq
            .map(FileSummary.fromTuples)
        } finally {
          shared.destroy()
        }
      }
    val schema = schemaOf(found.map(_.features))
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
    Some(if (found.exists(_.isDamaged)) schema.add(corruptColumn, BinaryType) else schema)
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

  private def schemaOf(files: Seq[Seq[FeatureSummary]]): StructType = {
    val merged = mutable.LinkedHashMap.empty[String, FeatureSummary]
    files.foreach(_.foreach { next =>
      merged.get(next.name) match {
        case Some(known) => merged(next.name) = known.merge(next)
        case None => merged(next.name) = next
      }
    })
    StructType(merged.values.filter(_.hasValues).map(s => StructField(s.name, s.dataType)).toSeq)
  }

  private def warnSkipped(file: String, cause: Throwable): Unit =
    log.warn(s"Schema inference skips $file: ${cause.getMessage}")

  final private case class FileToSample(path: String, size: Long)

  /** @param isDamaged whether a record was left out that cannot be decoded */
  final private case class FileSummary(features: Seq[FeatureSummary], isDamaged: Boolean) {

    /** Nothing but Scala's own classes: a driver may read a task's result without this jar. */
    def toTuples: FileTuples = (features.map(f => FeatureSummary.unapply(f).get), isDamaged)
  }

  private type FileTuples =
    (Seq[(String, Int, Boolean, Boolean, Boolean, Boolean, String)], Boolean)

  private object FileSummary {
    def fromTuples(file: FileTuples): FileSummary =
      FileSummary(file._1.map((FeatureSummary.apply _).tupled), file._2)
  }

  /** What a task does with a file; apart from the rest so that little is sent with it. */
  final private class InferenceTask(
      options: TFRecordOptions,
      ignoreCorrupt: Boolean,
      ignoreMissing: Boolean
  ) extends Serializable {

    private val strict = options.mode == ReadMode.FailFast

    def summarize(file: FileToSample, conf: Configuration): FileSummary = {
      val summarizer = new ExampleSummarizer(options.recordType, file.path)
      var isDamaged = false
      try isDamaged = read(file, summarizer, conf)
      catch {
        case e: FileNotFoundException if ignoreMissing => warnSkipped(file.path, e)
        case e: CorruptTFRecordException if !strict =>
          warnSkipped(file.path, e)
          isDamaged = true
        case e: java.io.IOException if ignoreCorrupt && !e.isInstanceOf[FileNotFoundException] =>
          warnSkipped(file.path, e)
      }
      FileSummary(summarizer.result(), isDamaged)
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
      try {
        while (
          (options.samplingRatio.isDefined || seen < options.sampleRecords) && records.next()
        ) {
          // A file's first record always counts, or small files would say nothing.
          if (seen == 0 || options.samplingRatio.forall(r => r >= 1 || random.nextDouble() < r)) {
            try summarizer.add(records.buffer, records.start, records.end)
            catch {
              case e: MalformedMessageException =>
                if (strict) throw records.malformed(e)
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

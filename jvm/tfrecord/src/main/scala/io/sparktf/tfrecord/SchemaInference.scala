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
          context.parallelize(
            paths,
            slices
          ).map(task.summarize(_, shared.value.value)).collect().toSeq
        } finally {
          shared.destroy()
        }
      }
    Some(schemaOf(found))
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

  /** What a task does with a file; apart from the rest so that little is sent with it. */
  final private class InferenceTask(
      options: TFRecordOptions,
      ignoreCorrupt: Boolean,
      ignoreMissing: Boolean
  ) extends Serializable {

    def summarize(file: FileToSample, conf: Configuration): Seq[FeatureSummary] = {
      val summarizer = new ExampleSummarizer(file.path)
      try read(file, summarizer, conf)
      catch {
        case e: FileNotFoundException if ignoreMissing => warnSkipped(file.path, e)
        case e: java.io.IOException if ignoreCorrupt && !e.isInstanceOf[FileNotFoundException] =>
          warnSkipped(file.path, e)
      }
      summarizer.result()
    }

    private def read(
        file: FileToSample,
        summarizer: ExampleSummarizer,
        conf: Configuration
    ): Unit = {
      val records = Compression.open(new Path(file.path), file.size, conf, options)
      // Fixed by the file's name: the same files always give the same schema.
      val random = new Random(file.path.hashCode)
      var seen = 0L
      try {
        while (
          (options.samplingRatio.isDefined || seen < options.sampleRecords) && records.next()
        ) {
          // A file's first record always counts, or small files would say nothing.
          if (seen == 0 || options.samplingRatio.forall(r => r >= 1 || random.nextDouble() < r)) {
            try summarizer.add(records.buffer, records.start, records.end)
            catch {
              case e: MalformedMessageException => throw records.malformed(e)
            }
          }
          seen += 1
        }
      } finally {
        records.close()
      }
    }
  }
}

/**
 * What the records seen say of a feature.
 *
 * @param kind its list, one of the tags in [[WireFormat]]
 * @param isArray whether a list of more than one value was seen
 * @param hasValues whether a list of at least one value was seen
 * @param isText whether each value seen is valid UTF-8 (bytes only)
 * @param file a file in which it was seen
 */
final private[tfrecord] case class FeatureSummary(
    name: String,
    kind: Int,
    isArray: Boolean,
    hasValues: Boolean,
    isText: Boolean,
    file: String
) {

  def merge(other: FeatureSummary): FeatureSummary = {
    if (kind == 0 || other.kind == 0 || kind == other.kind) {
      copy(
        kind = kind | other.kind,
        isArray = isArray || other.isArray,
        hasValues = hasValues || other.hasValues,
        isText = isText && other.isText
      )
    } else {
      throw FeatureSummary.disagreement(name, kind, file, other.kind, other.file)
    }
  }

  def dataType: DataType = {
    val element = kind match {
      case WireFormat.Int64List => LongType
      case WireFormat.FloatList => FloatType
      case WireFormat.BytesList => if (isText) StringType else BinaryType
    }
    // A feature's list has no place for a null element.
    if (isArray) ArrayType(element, containsNull = false) else element
  }
}

private[tfrecord] object FeatureSummary {
  def disagreement(name: String, kind: Int, file: String, otherKind: Int, otherFile: String) =
    new IllegalArgumentException(
      s"The schema cannot be inferred: the feature `$name` is a ${FeatureType.kindName(kind)} in " +
        s"$file and a ${FeatureType.kindName(otherKind)} in $otherFile. " +
        "Give a schema, or read the files apart"
    )
}

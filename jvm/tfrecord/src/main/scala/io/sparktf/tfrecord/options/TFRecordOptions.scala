package io.sparktf.tfrecord.options

import java.util.Locale

import io.sparktf.tfrecord.stream.ReadCodec
import io.sparktf.tfrecord.wire.FeatureType
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.io.compress.CompressionCodec
import org.apache.spark.sql.catalyst.util.CaseInsensitiveMap
import org.apache.spark.sql.types.StructType

/** What the options of reads and writes have in common. */
sealed abstract private[tfrecord] class OptionValues(
    parameters: Map[String, String],
    conf: Configuration
) extends Serializable {
  import TFRecordOptions._

  @transient protected val options: CaseInsensitiveMap[String] = CaseInsensitiveMap(parameters)

  protected def recordTypeOr(default: RecordType): RecordType = {
    val names = io.sparktf.tfrecord.options.RecordType.all.map(_.name)
    io.sparktf.tfrecord.options.RecordType.of(oneOf(RecordType, default.name, names)).get
  }

  // `codec` is the spelling of LinkedIn's Spark-TFRecord.
  protected val compression: Option[(String, String)] =
    (options.get(Compression).map(Compression -> _), options.get(Codec).map(Codec -> _)) match {
      case (Some((_, a)), Some((_, b))) if !a.equalsIgnoreCase(b) =>
        throw new IllegalArgumentException(s"The options `$Compression` ('$a') and `$Codec` " +
          s"('$b') of the tfrecord source disagree: give one of them")
      case (first, second) => first.orElse(second)
    }

  /** How files are decompressed, and how they are compressed where it is said. */
  val readCodec: ReadCodec = compression match {
    case None => ReadCodec.Auto
    case Some((_, name)) if name.toLowerCase(Locale.ROOT) == "auto" => ReadCodec.Auto
    case Some((option, name)) =>
      ReadCodec.Fixed(io.sparktf.tfrecord.stream.Compression.codecOf(option, name, conf))
  }

  protected def oneOf(option: String, default: String, allowed: Seq[String]): String = {
    val value = options.getOrElse(option, default).trim
    allowed.find(_.equalsIgnoreCase(value))
      .getOrElse(refuse(option, value, allowed.mkString(" or ")))
  }

  protected def refuse(option: String, value: String, expected: String): Nothing =
    throw new IllegalArgumentException(
      s"The option `$option` of the tfrecord source is '$value'; it must be $expected"
    )
}

/**
 * The options of a read, checked when it is planned. Names are case-insensitive, as for all of
 * Spark's sources; options that this source does not know are Spark's own or ignored, and so are
 * those of a write.
 *
 * @throws IllegalArgumentException naming the option, its value and what it may be
 */
final private[tfrecord] class TFRecordOptions(
    parameters: Map[String, String],
    conf: Configuration
) extends OptionValues(parameters, conf) {
  import TFRecordOptions._

  val recordType: RecordType = recordTypeOr(io.sparktf.tfrecord.options.RecordType.Auto)

  val mode: ReadMode = ReadMode.of(oneOf(Mode, ReadMode.FailFast.name, ReadMode.all.map(_.name)))

  /** The column that takes the bytes of records that cannot be decoded. */
  def columnNameOfCorruptRecord(default: String): String =
    options.getOrElse(ColumnNameOfCorruptRecord, default)

  /** Whether the checksum of each record's data is compared when its data is read. */
  val verifyChecksum: Boolean =
    oneOf(VerifyChecksum, "true", Seq("true", "false")).toBoolean

  /**
   * The fraction of all records that inference looks at. Without it, inference looks at the first
   * [[sampleRecords]] of each of a bounded number of files.
   */
  val samplingRatio: Option[Double] = options.get(SamplingRatio).map { value =>
    val ratio = scala.util.Try(value.trim.toDouble).getOrElse(Double.NaN)
    // Written so that NaN is refused as well.
    if (!(ratio > 0 && ratio <= 1)) refuse(SamplingRatio, value, "a number above 0 and at most 1")
    ratio
  }

  /** How many records of a file inference looks at where no [[samplingRatio]] is given. */
  val sampleRecords: Int = options.get(SampleRecords).map { value =>
    val count = scala.util.Try(value.trim.toInt).getOrElse(0)
    if (count < 1) refuse(SampleRecords, value, "a whole number from 1")
    count
  }.getOrElse(DefaultSampleRecords)

  val ignoreCorruptFiles: Option[Boolean] = options.get("ignoreCorruptFiles").map(_.toBoolean)
  val ignoreMissingFiles: Option[Boolean] = options.get("ignoreMissingFiles").map(_.toBoolean)
}

/**
 * The options of a write, checked when it is planned; those of a read are ignored.
 *
 * @throws IllegalArgumentException naming the option, its value and what it may be
 */
final private[tfrecord] class TFRecordWriteOptions(
    parameters: Map[String, String],
    conf: Configuration
) extends OptionValues(parameters, conf) {
  import TFRecordOptions._

  /** A table has the same options for its reads, so what finds out there is no fault here. */
  val recordType: RecordType = recordTypeOr(io.sparktf.tfrecord.options.RecordType.Example) match {
    case io.sparktf.tfrecord.options.RecordType.Auto =>
      io.sparktf.tfrecord.options.RecordType.Example
    case other => other
  }

  /**
   * The arrays that are written to the feature lists of a SequenceExample although they are flat.
   *
   * @param schema what is written
   */
  def featureLists(schema: StructType, caseSensitive: Boolean): Set[String] =
    options.get(FeatureLists) match {
      case None => Set.empty
      case Some(value) =>
        if (recordType != io.sparktf.tfrecord.options.RecordType.SequenceExample) {
          throw new IllegalArgumentException(s"The option `$FeatureLists` of the tfrecord source " +
            s"goes with $RecordType=SequenceExample only; here it is $recordType")
        }
        value.split(',').map(_.trim).filter(_.nonEmpty).map { name =>
          val column = schema.find { f =>
            if (caseSensitive) f.name == name else f.name.equalsIgnoreCase(name)
          }.getOrElse(refuse(
            FeatureLists,
            value,
            s"names of columns, separated by commas; there is no column `$name`, there are " +
              schema.fieldNames.map(n => s"`$n`").mkString(", ")
          ))
          if (!FeatureType.isArray(column.dataType)) {
            refuse(
              FeatureLists,
              value,
              s"names of arrays; `${column.name}` is of type ${column.dataType.simpleString}"
            )
          }
          column.name
        }.toSet
    }

  /** How files are compressed: not at all unless asked, whatever the cluster's default is. */
  def writeCodec: Option[Class[_ <: CompressionCodec]] = readCodec match {
    case ReadCodec.Fixed(codec) => codec
    case ReadCodec.Auto =>
      compression.foreach { case (option, name) =>
        refuse(option, name, "none, gzip, zlib, deflate or a Hadoop codec in a write")
      }
      None
  }

  /** zlib's level for gzip and zlib/deflate, 1 (fastest) to 9 (smallest). Writing only. */
  def compressionLevel: Option[Int] = options.get(CompressionLevel).map { value =>
    val level = scala.util.Try(value.trim.toInt).getOrElse(0)
    if (level < 1 || level > 9) refuse(CompressionLevel, value, "a whole number from 1 to 9")
    if (!writeCodec.exists(io.sparktf.tfrecord.stream.Compression.hasLevels)) {
      throw new IllegalArgumentException(s"The option `$CompressionLevel` of the tfrecord source " +
        s"goes with `$Compression` gzip, zlib or deflate only")
    }
    level
  }

  /** Of Spark-TensorFlow-Connector, whose files on the workers' own disks a retry would lose. */
  def refuseLocalWrites(): Unit = options.get(WriteLocality).map(_.trim).foreach { value =>
    if (!value.equalsIgnoreCase("distributed")) {
      refuse(
        WriteLocality,
        value,
        "distributed: write to a file system that all workers share, where each can read its " +
          "part by sparktf.dataset(path, shard=(index, count))"
      )
    }
  }

  /**
   * Says which columns' numbers may not all be held by the format's floats, or refuses them, as
   * the option has it.
   *
   * @param warn what is done with a warning
   */
  def checkExactness(schema: StructType)(warn: String => Unit): Unit = {
    val inexact = oneOf(Inexact, InexactWarn, Seq(InexactWarn, InexactError, InexactAllow))
    val columns = schema.filter { f =>
      FeatureType.ofList(f.dataType).orElse(FeatureType.of(f.dataType)).exists(_.isInexact)
    }
    if (columns.nonEmpty && inexact != InexactAllow) {
      val named = columns.map(f => s"`${f.name}` (${f.dataType.simpleString})").mkString(", ")
      val message =
        s"TFRecord files hold floats of 32 bits, some 7 decimal digits; more digits of $named " +
          "are lost. Cast to float what may lose them, to string what may not, or scale decimals " +
          "to bigint; "
      if (inexact == InexactError) {
        throw new IllegalArgumentException(
          message + s"or set the option `$Inexact` to $InexactWarn or $InexactAllow"
        )
      }
      warn(message + s"the option `$Inexact` says whether this is an $InexactError or no matter " +
        s"($InexactAllow)")
    }
  }
}

private[tfrecord] object TFRecordOptions {

  /** What a record holds: `Example`, `SequenceExample`, either of these (`auto`) or `ByteArray`. */
  val RecordType = "recordType"

  /** What a record that cannot be decoded does: see [[ReadMode]]. */
  val Mode = "mode"
  val ColumnNameOfCorruptRecord = "columnNameOfCorruptRecord"

  /** Names of columns, separated by commas. */
  val FeatureLists = "featureLists"

  val VerifyChecksum = "verifyChecksum"
  val SamplingRatio = "samplingRatio"
  val SampleRecords = "sampleRecords"

  /** `none`, `gzip`, `zlib`, `deflate`, a Hadoop codec's name or class; in reads also `auto`. */
  val Compression = "compression"
  val Codec = "codec"
  val CompressionLevel = "compressionLevel"
  val WriteLocality = "writeLocality"

  /** What becomes of numbers of more digits than the format's floats have. */
  val Inexact = "inexact"
  val InexactWarn = "warn"
  val InexactError = "error"
  val InexactAllow = "allow"

  private val DefaultSampleRecords = 1000
}

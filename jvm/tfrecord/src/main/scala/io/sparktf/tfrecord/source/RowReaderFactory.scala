package io.sparktf.tfrecord.source

import io.sparktf.tfrecord.decode.{RecordDecoder, RowSchema}
import io.sparktf.tfrecord.options.{ReadMode, RecordType, TFRecordOptions}
import io.sparktf.tfrecord.stream.Compression
import io.sparktf.tfrecord.wire.FeatureType
import org.apache.hadoop.conf.Configuration
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.datasources.PartitionedFile
import org.apache.spark.sql.types.{BinaryType, StructField, StructType}
import org.apache.spark.util.SerializableConfiguration

/**
 * Sent to the tasks of a query, where it opens their files.
 *
 * @param dataSchema all columns of the files
 * @param partitionSchema the columns behind them, whose values are the same in all rows of a file
 * @param requiredSchema those of the files that the query asks for
 * @param corruptColumn the name of the column for records that cannot be decoded
 * @throws IllegalArgumentException where a column cannot be read, naming it
 */
final private[tfrecord] class RowReaderFactory(
    dataSchema: StructType,
    partitionSchema: StructType,
    requiredSchema: StructType,
    caseSensitive: Boolean,
    corruptColumn: String,
    options: TFRecordOptions,
    conf: Broadcast[SerializableConfiguration]
) extends Serializable {
  private val recordType = options.recordType
  private val mode = options.mode
  private val reports = mode == ReadMode.Permissive

  // A folder that a stream has written counts its partition columns among those of its files.
  private val recordSchema = StructType(dataSchema.filterNot { f =>
    partitionSchema.exists { p =>
      if (caseSensitive) p.name == f.name else p.name.equalsIgnoreCase(f.name)
    }
  })

  checkCorruptColumn()
  recordType match {
    case RecordType.ByteArray => recordType.check(StructType(recordSchema.filter(isData)))
    case _ => recordType.check(requiredSchema)
  }

  private val rowSchema = RowSchema(
    requiredSchema,
    partitionSchema,
    caseSensitive,
    if (reports) requiredSchema.fieldNames.indexOf(corruptColumn) else -1
  )

  /** What else the files hold, as far as it can be decoded. */
  private val unselected = StructType(recordSchema.filter { f =>
    isData(f) && !requiredSchema.fieldNames.contains(f.name) && (
      FeatureType.of(f.dataType).isDefined ||
        recordType != RecordType.Example && FeatureType.ofList(f.dataType).isDefined
    )
  })

  /** The rows of the file or its split, which is closed at their end at the latest. */
  def open(file: PartitionedFile): RecordIterator = open(file, file.partitionValues)

  /** @param partitionValues what all rows have in the columns of `partitionSchema` */
  def open(file: PartitionedFile, partitionValues: InternalRow): RecordIterator = {
    val records = new RecordFile(file.toPath, file.fileSize, conf.value.value, options)
      .open(file.start, file.length)
    val decoder = RecordDecoder(
      // Without columns a record has nothing to decode, and is one row in any mode but one.
      if (requiredSchema.isEmpty) RecordType.ByteArray else recordType,
      rowSchema
    )
    decoder.setPartitionValues(partitionValues)
    mode match {
      case ReadMode.FailFast if requiredSchema.isEmpty =>
        new RecordCounter(records, decoder.read(Array.emptyByteArray, 0, 0))
      case ReadMode.FailFast => new StrictIterator(records, decoder)
      case _ => new LenientIterator(records, decoder, unselectedDecoder(), reports)
    }
  }

  private def unselectedDecoder(): Option[RecordDecoder] = {
    val matters = recordType != RecordType.ByteArray &&
      (mode == ReadMode.DropMalformed || requiredSchema.nonEmpty)
    if (matters)
      Some(RecordDecoder(recordType, RowSchema(unselected, new StructType, caseSensitive)))
    else None
  }

  private def isData(field: StructField): Boolean =
    !reports || field.name != corruptColumn

  private def checkCorruptColumn(): Unit =
    dataSchema.find(f => !isData(f) && f.dataType != BinaryType).foreach { f =>
      throw new IllegalArgumentException(
        s"The column `${f.name}` takes the bytes of records that cannot be decoded, so it must be " +
          s"of type binary, not ${f.dataType.simpleString}"
      )
    }
}

private[tfrecord] object RowReaderFactory {

  /** @param hadoopConf the session's, with the options in it */
  def apply(
      session: SparkSession,
      dataSchema: StructType,
      partitionSchema: StructType,
      requiredSchema: StructType,
      options: Map[String, String],
      hadoopConf: Configuration
  ): RowReaderFactory = {
    val sqlConf = session.sessionState.conf
    val parsed = new TFRecordOptions(options, hadoopConf)
    val readConf = new SerializableConfiguration(Compression.readConf(hadoopConf))
    new RowReaderFactory(
      dataSchema,
      partitionSchema,
      requiredSchema,
      sqlConf.caseSensitiveAnalysis,
      parsed.columnNameOfCorruptRecord(sqlConf.columnNameOfCorruptRecord),
      parsed,
      session.sparkContext.broadcast(readConf)
    )
  }
}

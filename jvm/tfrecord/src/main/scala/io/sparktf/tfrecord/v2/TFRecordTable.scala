package io.sparktf.tfrecord.v2

import java.util.{EnumSet, HashMap, Set => JavaSet}

import io.sparktf.tfrecord.TFRecordFileFormat
import org.apache.hadoop.fs.FileStatus
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.connector.catalog.{
  Column, MetadataColumn, SupportsMetadataColumns, TableCapability
}
import org.apache.spark.sql.connector.read.ScanBuilder
import org.apache.spark.sql.connector.write.{LogicalWriteInfo, WriteBuilder}
import org.apache.spark.sql.execution.datasources.FileFormat
import org.apache.spark.sql.execution.datasources.v2.FileTable
import org.apache.spark.sql.types.{DataType, StructType}
import org.apache.spark.sql.util.CaseInsensitiveStringMap

/** TFRecord files, listed and with a schema. Only read: Spark writes by the `FileFormat`. */
final private[tfrecord] class TFRecordTable(
    override val name: String,
    session: SparkSession,
    options: CaseInsensitiveStringMap,
    paths: Seq[String],
    userSpecifiedSchema: Option[StructType]
) extends FileTable(session, options, paths, userSpecifiedSchema) with SupportsMetadataColumns {
  private val format = new TFRecordFileFormat

  override def formatName: String = format.toString

  override def fallbackFileFormat: Class[_ <: FileFormat] = format.getClass

  override def capabilities(): JavaSet[TableCapability] = EnumSet.of(TableCapability.BATCH_READ)

  override def supportsDataType(dataType: DataType): Boolean = format.supportDataType(dataType)

  override def inferSchema(files: Seq[FileStatus]): Option[StructType] =
    format.inferSchema(session, TFRecordTable.toMap(options), files)

  /**
   * In the order that a `FileFormat`'s have: where the files hold a feature of a partition column's
   * name, the partition column takes its place. `FileTable` would move it to the end.
   */
  override def columns(): Array[Column] = {
    val caseSensitive = session.sessionState.conf.caseSensitiveAnalysis
    def same(a: String, b: String) = if (caseSensitive) a == b else a.equalsIgnoreCase(b)
    val all = super.columns()
    val ofFiles = dataSchema.fieldNames.flatMap(field => all.find(c => same(c.name, field)))
    ofFiles ++ all.filterNot(ofFiles.contains)
  }

  override def metadataColumns(): Array[MetadataColumn] = Array(FileMetadata)

  /** A feature may have the name; then the column is found by `DataFrame.metadataColumn`. */
  override def canRenameConflictingMetadataColumns: Boolean = true

  override def newScanBuilder(ofScan: CaseInsensitiveStringMap): ScanBuilder = {
    val merged = new HashMap[String, String](options.asCaseSensitiveMap)
    ofScan.asCaseSensitiveMap.forEach { (key, value) =>
      merged.keySet.removeIf(_.equalsIgnoreCase(key))
      merged.put(key, value)
    }
    new TFRecordScanBuilder(session, fileIndex, dataSchema, new CaseInsensitiveStringMap(merged))
  }

  override def newWriteBuilder(info: LogicalWriteInfo): WriteBuilder =
    throw new UnsupportedOperationException(
      s"$name: Data Source V2 only reads TFRecord files; df.write.format('tfrecord') writes them"
    )
}

private object TFRecordTable {

  /** The options by their names as they were given. */
  def toMap(options: CaseInsensitiveStringMap): Map[String, String] = {
    val map = Map.newBuilder[String, String]
    options.asCaseSensitiveMap.forEach((key, value) => map += key -> value)
    map.result()
  }
}

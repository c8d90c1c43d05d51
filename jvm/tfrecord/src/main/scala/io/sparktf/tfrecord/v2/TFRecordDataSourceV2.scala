package io.sparktf.tfrecord.v2

import io.sparktf.tfrecord.TFRecordFileFormat
import org.apache.spark.sql.connector.catalog.Table
import org.apache.spark.sql.execution.datasources.FileFormat
import org.apache.spark.sql.execution.datasources.v2.FileDataSourceV2
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.util.CaseInsensitiveStringMap

/**
 * TFRecord files as a source of Spark's Data Source V2, short name `tfrecordv2`: a batch read by it
 * pushes counts and limits down, and can report its partitioning. The files, options, schemas and
 * rows are those of [[TFRecordFileFormat]], which does all the rest: writes, tables and streams, for
 * which Spark turns to it.
 */
class TFRecordDataSourceV2 extends FileDataSourceV2 {

  override def shortName(): String = "tfrecordv2"

  override def fallbackFileFormat: Class[_ <: FileFormat] = classOf[TFRecordFileFormat]

  override def getTable(options: CaseInsensitiveStringMap): Table = table(options, None)

  override def getTable(options: CaseInsensitiveStringMap, schema: StructType): Table =
    table(options, Some(schema))

  private def table(options: CaseInsensitiveStringMap, schema: Option[StructType]): Table = {
    val paths = getPaths(options)
    new TFRecordTable(
      getTableName(options, paths),
      sparkSession,
      getOptionsWithoutPaths(options),
      paths,
      schema
    )
  }
}

package io.sparktf.tfrecord.v2

import org.apache.hadoop.fs.Path
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.connector.catalog.MetadataColumn
import org.apache.spark.sql.execution.datasources.PartitionedFile
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String

/**
 * The hidden column `_metadata` that Spark gives to each `FileFormat`, of the same fields: a row's
 * file, and the block of it that the row was read from.
 */
private[tfrecord] object FileMetadata extends MetadataColumn {

  // What Spark notes in the metadata of a column that is none of the table's, whatever its name is.
  private val MetadataColumnKey = "__metadata_col"

  /** Whether a column of an expression is this one, which Spark renames beside one of the data. */
  def is(column: Attribute): Boolean = column.metadata.contains(MetadataColumnKey)

  override val name: String = "_metadata"

  override val isNullable: Boolean = false

  private val fields: Seq[(StructField, PartitionedFile => Any)] = Seq(
    field("file_path", StringType)(file => UTF8String.fromString(canonical(file.toPath))),
    field("file_name", StringType) { file =>
      UTF8String.fromString(file.urlEncodedPath.split('/').last)
    },
    field("file_size", LongType)(_.fileSize),
    field("file_block_start", LongType)(_.start),
    field("file_block_length", LongType)(_.length),
    field("file_modification_time", TimestampType)(_.modificationTime * 1000) // in microseconds
  )

  override val dataType: StructType = StructType(fields.map(_._1))

  /** @param wanted some of the fields of [[dataType]] */
  def of(file: PartitionedFile, wanted: StructType): InternalRow =
    InternalRow.fromSeq(wanted.fieldNames.toSeq.map(name => extract(name)(file)))

  private lazy val extract = fields.map { case (field, value) => field.name -> value }.toMap

  /** Spark spells it so: `file:/a%20b`, not `file:///a%20b`. */
  private def canonical(path: Path): String = new Path(path.toString).toUri.toString

  private def field(name: String, dataType: DataType)(value: PartitionedFile => Any) =
    (StructField(name, dataType, nullable = false), value)
}

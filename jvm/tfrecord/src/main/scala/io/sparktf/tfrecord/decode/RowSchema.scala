package io.sparktf.tfrecord.decode

import org.apache.spark.sql.types.StructType

/**
 * The columns of the rows that a [[RecordDecoder]] makes.
 *
 * @param columns those that are read from the records, in order
 * @param partitions the partition columns, which follow them in the row
 * @param caseSensitive whether a column takes only the feature of exactly its name
 * @param corruptColumn which of `columns` takes the bytes of a record that cannot be decoded, or -1
 */
final private[tfrecord] case class RowSchema(
    columns: StructType,
    partitions: StructType,
    caseSensitive: Boolean,
    corruptColumn: Int = -1
) {

  /** The names by which features are looked up; null for the column that takes no feature. */
  def featureNames: Array[String] = {
    val names = columns.fieldNames
    if (corruptColumn >= 0) names(corruptColumn) = null
    names
  }
}

package io.sparktf.tfrecord.v2

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.connector.expressions.{Expression, NamedReference}
import org.apache.spark.sql.connector.expressions.aggregate.{Aggregation, CountStar}
import org.apache.spark.sql.connector.read.{Scan, SupportsPushDownAggregates, SupportsPushDownLimit}
import org.apache.spark.sql.execution.datasources.PartitioningAwareFileIndex
import org.apache.spark.sql.execution.datasources.v2.FileScanBuilder
import org.apache.spark.sql.types._
import org.apache.spark.sql.util.CaseInsensitiveStringMap

/**
 * Takes what Spark pushes down: columns, filters on partitions (which leave none behind), counts of
 * rows in all or by partition columns, and limits.
 */
final private[tfrecord] class TFRecordScanBuilder(
    session: SparkSession,
    fileIndex: PartitioningAwareFileIndex,
    dataSchema: StructType,
    options: CaseInsensitiveStringMap
) extends FileScanBuilder(session, fileIndex, dataSchema)
  with SupportsPushDownAggregates with SupportsPushDownLimit {
  private var counts: Option[PushedCounts] = None
  private var limit: Option[Int] = None

  override def build(): Scan = TFRecordScan(
    session,
    fileIndex,
    dataSchema,
    readDataSchema(),
    readPartitionSchema(),
    metadataSchema,
    options,
    partitionFilters,
    dataFilters,
    counts,
    limit
  )

  /** `_metadata` with the fields that are asked for: what is neither the files' nor the folders'. */
  private def metadataSchema: StructType = {
    val others = dataSchema.fieldNames.toSet ++ fileIndex.partitionSchema.fieldNames
    StructType(requiredSchema.filterNot(field => others(field.name)))
  }

  /** Spark pushes no aggregate over filters that are still to be applied to rows. */
  override def pushAggregation(aggregation: Aggregation): Boolean = {
    val groups = aggregation.groupByExpressions.map(partitionColumn)
    val counted = aggregation.aggregateExpressions
    val taken = groups.forall(_.isDefined) && counted.nonEmpty &&
      counted.forall(_.isInstanceOf[CountStar])
    if (taken) {
      val columns = counted.indices.map(i => StructField(s"count_$i", LongType, nullable = false))
      counts = Some(PushedCounts(StructType(groups.flatten.toSeq), StructType(columns)))
    }
    taken
  }

  private def partitionColumn(group: Expression): Option[StructField] = group match {
    case column: NamedReference if column.fieldNames.length == 1 =>
      fileIndex.partitionSchema.find(_.name == column.fieldNames.head)
    case _ => None
  }

  override def pushLimit(most: Int): Boolean = {
    limit = Some(most)
    true
  }
}

/**
 * Counts of rows in the place of rows: some for each part of a file, which Spark sums up.
 *
 * @param groups the partition columns that they are counted by
 * @param columns one for each count that is asked for
 */
final private[tfrecord] case class PushedCounts(groups: StructType, columns: StructType)

package io.sparktf.tfrecord.v2

import java.util.OptionalLong

import io.sparktf.tfrecord.TFRecordFileFormat
import io.sparktf.tfrecord.source.RowReaderFactory
import org.apache.hadoop.fs.Path
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.{FileSourceOptions, InternalRow}
import org.apache.spark.sql.catalyst.expressions.{
  AttributeReference, BoundReference, Expression, Predicate, UnsafeProjection
}
import org.apache.spark.sql.connector.expressions.{Expressions, NamedReference}
import org.apache.spark.sql.connector.expressions.filter.{Predicate => RuntimePredicate}
import org.apache.spark.sql.connector.read._
import org.apache.spark.sql.connector.read.partitioning.{
  KeyGroupedPartitioning, Partitioning, UnknownPartitioning
}
import org.apache.spark.sql.execution.datasources.{
  FilePartition, PartitionedFile, PartitioningAwareFileIndex
}
import org.apache.spark.sql.execution.datasources.v2.FileScan
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.util.CaseInsensitiveStringMap

/**
 * One read of a table: which files, which columns, and what is done to them.
 *
 * @param readDataSchema columns that are read from the records; then come those of the partitions,
 *   and those of `metadataSchema`, which has `_metadata` or nothing
 * @param partitionFilters which files to read
 * @param dataFilters which rows to read, as Spark sees to it; here they only leave files out
 * @param counts what there is in the place of all of those columns
 * @param limit of the rows
 */
final private[tfrecord] case class TFRecordScan(
    sparkSession: SparkSession,
    fileIndex: PartitioningAwareFileIndex,
    dataSchema: StructType,
    readDataSchema: StructType,
    readPartitionSchema: StructType,
    metadataSchema: StructType,
    options: CaseInsensitiveStringMap,
    partitionFilters: Seq[Expression],
    dataFilters: Seq[Expression],
    counts: Option[PushedCounts],
    limit: Option[Int]
) extends FileScan with SupportsReportPartitioning with SupportsRuntimeV2Filtering {
  import TFRecordScan._

  private val optionMap = TFRecordTable.toMap(options)
  private val format = new TFRecordFileFormat
  private val behindData = counts.fold(readPartitionSchema)(_.groups)

  // Those that become known while the query runs, on partition columns (dynamic partition pruning).
  private var runtimeFilters: Seq[Expression] = Nil
  private var lastPlan: Option[Array[InputPartition]] = None
  // Of the first plan, for Spark holds later ones to it.
  private var isKeyGrouped: Option[Boolean] = None

  override def isSplitable(path: Path): Boolean = format.isSplitable(sparkSession, optionMap, path)

  override def readSchema(): StructType = counts match {
    case Some(counted) => StructType(counted.groups ++ counted.columns)
    case None => StructType(readDataSchema ++ readPartitionSchema ++ metadataSchema)
  }

  /** Rows, and so no need to plan the partitions only to ask each one. */
  override def columnarSupportMode(): Scan.ColumnarSupportMode =
    Scan.ColumnarSupportMode.UNSUPPORTED

  override def createReaderFactory(): PartitionReaderFactory = {
    val fileOptions = new FileSourceOptions(optionMap)
    val hadoopConf = sparkSession.sessionState.newHadoopConfWithOptions(optionMap)
    def rows(required: StructType, behind: StructType) =
      RowReaderFactory(sparkSession, dataSchema, behind, required, optionMap, hadoopConf)
    counts match {
      case Some(counted) =>
        val counting = rows(new StructType, new StructType)
        new CountReaderFactory(
          counting,
          counted.columns.length,
          counted.groups.nonEmpty,
          fileOptions
        )
      case None =>
        val reading = rows(readDataSchema, StructType(behindData ++ metadataSchema))
        new TFRecordPartitionReaderFactory(reading, metadataSchema, limit, fileOptions)
    }
  }

  // ------------------------------------------------------------------ which files, in which tasks

  override def planInputPartitions(): Array[InputPartition] = {
    if (lastPlan.isEmpty) lastPlan = Some(orOneTask(plan()))
    lastPlan.get
  }

  /** A count of nothing is a row too, and a task has to give it. */
  private def orOneTask(planned: Array[InputPartition]): Array[InputPartition] =
    if (planned.isEmpty && counts.exists(_.groups.isEmpty)) Array(FilePartition(0, Array.empty))
    else planned

  private def plan(): Array[InputPartition] = {
    val listed = partitionFilters ++ runtimeFilters
    // `partitions` lists the files by the filters and packs their splits as all of Spark's sources do.
    val packed = copy(readPartitionSchema = behindData, partitionFilters = listed).partitions
    lazy val splits = packed.flatMap(_.files).filter(isWanted)
    lazy val largest = FilePartition.maxSplitBytes(sparkSession, fileIndex.listFiles(listed, Nil))
    def pack(files: Seq[PartitionedFile]): Seq[FilePartition] =
      FilePartition.getFilePartitions(sparkSession, files, largest)
    if (limit.exists(_ <= FewRows)) {
      if (splits.isEmpty) Array.empty else Array(FilePartition(0, splits.toArray))
    } else {
      val keyed = if (mayBeKeyGrouped && isKeyGrouped.getOrElse(true)) byKey(splits, pack) else Nil
      if (isKeyGrouped.isEmpty) {
        isKeyGrouped = Some(keyed.nonEmpty && (isAskedForKeys || costsNothing(keyed, packed)))
      }
      if (isKeyGrouped.get) keyed.toArray
      else if (metadataFilters.isEmpty) packed.toArray
      else pack(splits).toArray
    }
  }

  private def byKey(
      splits: Seq[PartitionedFile],
      pack: Seq[PartitionedFile] => Seq[FilePartition]
  ): Seq[KeyedFilePartition] = {
    val toKey = UnsafeProjection.create(readPartitionSchema)
    val files = splits.groupBy(file => toKey(file.partitionValues).copy()).toSeq
    val keyed = files.flatMap { case (key, ofKey) => pack(ofKey).map(key -> _.files) }
    keyed.zipWithIndex.map { case ((key, some), index) => new KeyedFilePartition(index, some, key) }
  }

  /**
   * Spark before 4.2 reads all of a partition in one task once it knows of keys, whether the query
   * needs that or not.
   */
  private def costsNothing(keyed: Seq[KeyedFilePartition], packed: Seq[FilePartition]): Boolean =
    keyed.map(_.partitionKey).distinct.length == keyed.length &&
      keyed.length <= math.max(packed.length, sparkSession.sessionState.conf.numShufflePartitions)

  // ------------------------------------------------------------------ filters

  override def filterAttributes(): Array[NamedReference] =
    behindData.fieldNames.map(name => Expressions.column(quoted(name)))

  override def filter(predicates: Array[RuntimePredicate]): Unit = {
    runtimeFilters = predicates.toSeq.flatMap(PartitionPredicates.toCatalyst(_, behindData))
    lastPlan = None
  }

  /** Those that a file's `_metadata` answers. */
  private lazy val metadataFilters: Seq[Expression] = dataFilters.filter { filter =>
    filter.references.nonEmpty && filter.references.forall(FileMetadata.is)
  }

  private lazy val isWanted: PartitionedFile => Boolean =
    if (metadataFilters.isEmpty) _ => true
    else {
      val fields = FileMetadata.dataType
      val predicates = metadataFilters.map { filter =>
        Predicate.createInterpreted(filter.transform { case column: AttributeReference =>
          BoundReference(0, column.dataType, column.nullable)
        })
      }
      file => predicates.forall(_.eval(InternalRow(FileMetadata.of(file, fields))))
    }

  // ------------------------------------------------------------------ what Spark plans with

  /**
   * Whether all rows of a task may be of one partition, by whose columns Spark can then join and
   * group without a shuffle.
   */
  private def mayBeKeyGrouped: Boolean =
    sparkSession.sessionState.conf.v2BucketingEnabled && counts.isEmpty && limit.isEmpty &&
      readPartitionSchema.nonEmpty && readPartitionSchema.length == fileIndex.partitionSchema.length

  /** Whether that was switched on, not only by Spark's default. */
  private def isAskedForKeys: Boolean = sparkSession.sessionState.conf.contains(KeysAreAskedFor)

  /** The bytes of the files that are read, as a `FileFormat`'s read has them. */
  override def estimateStatistics(): Statistics = {
    val files = fileIndex.listFiles(partitionFilters, Nil).flatMap(_.files)
    val bytes = counts match {
      case Some(_) => files.length.toLong * readSchema().defaultSize // a row for each file at least
      case None =>
        val factor = sparkSession.sessionState.conf.fileCompressionFactor
        (files.map(_.getLen).sum * factor).toLong
    }
    new Statistics {
      override def sizeInBytes(): OptionalLong = OptionalLong.of(bytes)
      override def numRows(): OptionalLong = OptionalLong.empty()
    }
  }

  override def outputPartitioning(): Partitioning = {
    val planned = planInputPartitions()
    if (planned.headOption.exists(_.isInstanceOf[HasPartitionKey])) {
      val keys = readPartitionSchema.fieldNames.map(name => Expressions.identity(quoted(name)))
      new KeyGroupedPartitioning(keys.toArray, planned.length)
    } else new UnknownPartitioning(planned.length)
  }

  // ------------------------------------------------------------------ as others see it

  override def getMetaData(): Map[String, String] = super.getMetaData() ++ Seq(
    "Format" -> Some(format.toString),
    "ReadSchema" -> counts.map(_ => readSchema().catalogString),
    "PushedAggregation" -> counts.map(_.columns.map(_ => "COUNT(*)").mkString("[", ", ", "]")),
    "PushedGroupBy" ->
      counts.map(_.groups).filter(_.nonEmpty).map(_.fieldNames.mkString("[", ", ", "]")),
    "PushedLimit" -> limit.map(_.toString)
  ).collect { case (name, Some(value)) => name -> value }

  override def equals(other: Any): Boolean = other match {
    case that: TFRecordScan =>
      super.equals(that) && dataSchema == that.dataSchema && options == that.options &&
      counts == that.counts && limit == that.limit
    case _ => false
  }

  override def hashCode(): Int = getClass.hashCode
}

private[tfrecord] object TFRecordScan {
  private val KeysAreAskedFor = "spark.sql.sources.v2.bucketing.enabled"

  // One task reads so many in less time than it takes to start some.
  private val FewRows = 1000

  private def quoted(name: String): String = "`" + name.replace("`", "``") + "`"
}

/** Files of one partition. */
final private class KeyedFilePartition(
    index: Int,
    files: Array[PartitionedFile],
    override val partitionKey: InternalRow
) extends FilePartition(index, files) with HasPartitionKey

package io.sparktf.savedmodel

import java.util

import org.apache.spark.TaskContext
import org.apache.spark.sql.Row
import org.apache.spark.sql.catalyst.expressions.{
  CreateNamedStruct, Expression, GenericInternalRow, GetStructField
}
import org.apache.spark.sql.expressions.UserDefinedFunction
import org.apache.spark.sql.types.{DataType, StructField, StructType}

/**
 * What is asked of a model: some of its outputs for all of its inputs. Goes to the executors, where
 * it finds or loads the model.
 *
 * @param batchSize rows at a time; 0 lets the size of the first row decide
 */
final private[savedmodel] case class Scoring(
    model: SavedModel,
    outputs: Seq[TensorSpec],
    batchSize: Int
) {
  def inputs: Seq[TensorSpec] = model.signature.inputs

  /** In the plans that Spark shows. */
  override def toString: String =
    s"${model.path} ${outputs.map(_.name).mkString("[", ", ", "]")}"

  /** One output is a column of its own, several are a struct of them. */
  def resultType: DataType =
    if (outputs.length == 1) outputs.head.dataType
    else StructType(outputs.map(spec => StructField(spec.name, spec.dataType)))

  /** As a function of columns, without types for them: each is looked at when it is known. */
  def function: UserDefinedFunction = SparkInternals.udf(new ScoringFunction(this), resultType)

  /**
   * Checks that columns of these types can be the inputs.
   *
   * @throws IllegalArgumentException naming the column, what it is and what was expected
   */
  def check(columns: Seq[(String, DataType)]): Unit = {
    requireAll(columns.length)
    inputs.zip(columns).foreach { case (spec, (name, dataType)) =>
      new InputColumn(spec, name, dataType).close()
    }
  }

  /** A call's arguments for the inputs, which may be the fields of one struct. */
  def arguments(those: Seq[Expression]): Seq[Expression] = those match {
    case Seq(struct) if inputs.length > 1 && struct.dataType.isInstanceOf[StructType] =>
      val fields = struct.dataType.asInstanceOf[StructType]
      inputs.map { spec =>
        val i = fields.fieldNames.indexOf(spec.name)
        if (i < 0) {
          throw new IllegalArgumentException(
            s"the struct for the model ${model.path} has no field for its input $spec; it has: " +
              fields.fieldNames.mkString(", ")
          )
        }
        if (fields.fieldNames.indexOf(spec.name, i + 1) >= 0) {
          throw new IllegalArgumentException(
            s"the struct for the model ${model.path} has several fields for its input $spec: rename them"
          )
        }
        struct match {
          case made: CreateNamedStruct => made.valExprs(i)
          case other => GetStructField(other, i, Some(spec.name))
        }
      }
    case each => each
  }

  private def requireAll(columns: Int): Unit =
    if (columns != inputs.length) {
      throw new IllegalArgumentException(
        s"the model ${model.path} takes ${inputs.length} columns, for its inputs " +
          s"${inputs.mkString(", ")} in this order, and is given $columns"
      )
    }

  def batch(columns: Seq[(String, DataType)]): Batch =
    new Batch(model.session, model.signature, outputs, columns, batchSize)

  /** The result of a row as Spark holds it. */
  def catalyst(batch: Batch, row: Int): Any =
    if (outputs.length == 1) batch.catalyst(0, row)
    else new GenericInternalRow(Array.tabulate[Any](outputs.length)(batch.catalyst(_, row)))

  /** Scores one row of values as Spark's converters give them; null if one of them is null. */
  def one(those: Array[AnyRef]): Any = {
    val values: Array[Any] = those match {
      case Array(row @ (null | _: Row)) if inputs.length > 1 => JvmValues.ofInputs(row, inputs)
      case _ =>
        requireAll(those.length)
        those.toArray[Any]
    }
    if (values.contains(null)) null
    else {
      val columns = inputs.zip(values).map { case (spec, v) => (spec.name, JvmValues.typeOf(v)) }
      val batch = new Batch(model.session, model.signature, outputs, columns, 1)
      try {
        batch.add(
          new GenericInternalRow(values.map(v => JvmValues.catalyst(v))),
          values.indices.toArray
        )
        batch.run()
        if (outputs.length == 1) batch.jvm(0, 0)
        else Row.fromSeq(outputs.indices.map(batch.jvm(_, 0)))
      } finally batch.close()
    }
  }
}

/**
 * Scores rows of the JVM's values, a batch at a time and in their order; a null row gives null. What it
 * takes of TensorFlow's memory it frees behind the last row and where one fails.
 *
 * @param result makes what is given for a row
 * @param task that asks for them, null without one
 */
final private[savedmodel] class ScoredValues(
    rows: Iterator[Any],
    scoring: Scoring,
    result: (Batch, Int) => Any,
    task: TaskContext
) extends Iterator[Any] {
  private val inputs = scoring.inputs
  private val ordinals = inputs.indices.toArray

  // Of the rows so far, and of those that the batch takes.
  private var types: Seq[DataType] = _
  private var batchTypes: Seq[DataType] = _
  private var batch: Batch = _
  private val open = new OpenBatch(task)
  private var pending: GenericInternalRow = _
  private var failed = false

  private val done = new util.ArrayDeque[Option[Any]]()

  override def hasNext: Boolean = {
    if (failed) throw new IllegalStateException("a row has failed before: see the error there")
    if (done.isEmpty) {
      try fill()
      catch {
        case e: Throwable =>
          failed = true // rows that wait have no results
          open.close()
          throw e
      }
    }
    val more = !done.isEmpty
    if (!more) open.close()
    more
  }

  override def next(): Any = {
    if (!hasNext) throw new NoSuchElementException
    done.poll().orNull
  }

  private def fill(): Unit = {
    val scored = Array.newBuilder[Boolean]
    var full = false
    var count = 0
    while (!full && (pending != null || rows.hasNext)) {
      val row = if (pending != null) pending else convert(rows.next())
      pending = null
      if (row == null) {
        scored += false
        count += 1
      } else if (add(row)) {
        scored += true
        count += 1
        full = batch.isFull
      } else {
        pending = row
        full = true
      }
      full |= count >= Batch.MostRows
    }
    if (batch != null && batch.size > 0) batch.run()
    var i = 0
    scored.result().foreach { is =>
      if (is) {
        done.add(Some(result(batch, i)))
        i += 1
      } else done.add(None)
    }
  }

  /** Adds a row to the batch, unless that one has to run first. */
  private def add(row: GenericInternalRow): Boolean = {
    if (batchTypes ne types) {
      if (batch != null && batch.size > 0) return false
      batch = open.begin(scoring.batch(inputs.map(_.name).zip(types)))
      batchTypes = types
    }
    batch.add(row, ordinals)
  }

  private def convert(row: Any): GenericInternalRow = {
    val values = JvmValues.ofInputs(row, inputs)
    if (values.contains(null)) null
    else {
      val found = values.toSeq.map(JvmValues.typeOf)
      if (found != types) types = if (types == null) found else common(found)
      new GenericInternalRow(values.map(JvmValues.catalyst))
    }
  }

  /** The first row says of what type all are; empty sequences in it leave that open. */
  private def common(found: Seq[DataType]): Seq[DataType] = {
    val all = inputs.indices.map { i =>
      JvmValues.common(types(i), found(i)).getOrElse(throw new IllegalArgumentException(
        s"the values for the model's input ${inputs(i)} are of type ${types(i).catalogString} at " +
          s"first and ${found(i).catalogString} later: give all in one type"
      ))
    }
    if (all == types) types else all
  }
}

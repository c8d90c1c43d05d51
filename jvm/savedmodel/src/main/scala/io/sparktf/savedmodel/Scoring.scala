package io.sparktf.savedmodel

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

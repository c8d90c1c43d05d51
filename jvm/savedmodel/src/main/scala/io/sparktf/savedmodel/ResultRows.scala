package io.sparktf.savedmodel

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.codegen.GenerateUnsafeRowJoiner
import org.apache.spark.sql.types.{StructField, StructType}

/**
 * The rows that an operator gives: some columns of its child's rows, and the result. Each call gives
 * the same object, as Spark's projections do.
 *
 * @param kept the child's columns
 */
final private[savedmodel] class ResultRows(
    scoring: Scoring,
    batch: => Batch,
    kept: Seq[Attribute],
    result: Attribute
) {
  private val columns = kept.map(a => StructField(a.name, a.dataType, a.nullable))
  private val joiner =
    if (kept.isEmpty) null
    else {
      GenerateUnsafeRowJoiner.create(
        StructType(columns),
        StructType(Seq(StructField(result.name, result.dataType)))
      )
    }

  private val value = new GenericInternalRow(1)
  private val projection = UnsafeProjection.create(Array(result.dataType))
  private val none = projection(value).copy() // of a null

  // The bytes of a number or of an array of them are those of the tensor, behind a head that all
  // rows of a batch share.
  private lazy val direct = if (scoring.outputs.length == 1) batch.directRow(0) else null

  /** To be called when the batch has run. */
  def begin(): Unit = if (direct != null) direct.begin()

  /**
   * @param from the columns that are kept
   * @param place of the row in the model's batch, -1 for a row with a null
   */
  def row(from: UnsafeRow, place: Int): InternalRow = {
    val own =
      if (place < 0) none
      else if (direct != null) direct.at(place)
      else {
        value.update(0, scoring.catalyst(batch, place))
        projection(value)
      }
    if (joiner == null) own else joiner.join(from, own)
  }
}

package io.sparktf.savedmodel

import org.apache.spark.sql.types.{ArrayType, DataType}

/**
 * An input or output of a signature.
 *
 * @param name its name in the signature
 * @param code the number of its dtype in TensorFlow's `types.proto`
 * @param shape with the batch's dimension in front, -1 for a free dimension; None where not even
 *   the rank is known
 * @param tensor the name of the graph's tensor, which differs between exports: "operation:index"
 * @param kind "tensor", or what it is if it is no plain one
 */
final class TensorSpec private[savedmodel] (
    val name: String,
    val code: Int,
    val shape: Option[Seq[Long]],
    val tensor: String,
    private[savedmodel] val kind: String
) extends Serializable {

  /** The dtype's name in TensorFlow, such as "float32". */
  def dtype: String = DType.nameOf(code)

  /** The shape of one row; None where the rank is not known. */
  private[savedmodel] def rowShape: Option[Seq[Long]] = shape.map(_.drop(1))

  private[savedmodel] def heldAs: DType =
    DType.of(code).getOrElse(throw new IllegalStateException(s"$this has no type in Spark"))

  /** The type of Spark's column that holds it: an array within an array for each dimension. */
  def dataType: DataType =
    rowShape.get.foldLeft(heldAs.sparkType)((inner, _) => ArrayType(inner, containsNull = false))

  /** Whether it is the same tensor, of a model that may have been loaded twice. */
  override def equals(other: Any): Boolean = other match {
    case that: TensorSpec => fields == that.fields
    case _ => false
  }

  override def hashCode: Int = fields.hashCode

  private def fields = (name, code, shape, tensor, kind)

  override def toString: String = {
    val dims = shape.map(_.map(d => if (d < 0) "?" else d.toString).mkString("[", ", ", "]"))
    s"$name: $dtype${dims.getOrElse(" of unknown rank")}"
  }
}

/** A signature of a SavedModel: its inputs and outputs, each in the order of their names. */
final class Signature private[savedmodel] (
    val name: String,
    val inputs: Seq[TensorSpec],
    val outputs: Seq[TensorSpec]
) extends Serializable {

  override def equals(other: Any): Boolean = other match {
    case that: Signature => name == that.name && inputs == that.inputs && outputs == that.outputs
    case _ => false
  }

  override def hashCode: Int = (name, inputs, outputs).hashCode

  /** @throws IllegalArgumentException if there is none of that name, with those that there are */
  private[savedmodel] def input(named: String): TensorSpec = find(inputs, "input", named)

  /** @throws IllegalArgumentException if there is none of that name, with those that there are */
  private[savedmodel] def output(named: String): TensorSpec = find(outputs, "output", named)

  private def find(among: Seq[TensorSpec], what: String, named: String): TensorSpec =
    among.find(_.name == named).getOrElse {
      throw new IllegalArgumentException(
        s"signature '$name' has no $what '$named'; it has: ${among.mkString(", ")}"
      )
    }

  /** @throws IllegalArgumentException if a tensor cannot be a column, saying which and why */
  private[savedmodel] def requireColumns(): Unit = {
    if (inputs.isEmpty) {
      throw new IllegalArgumentException(
        s"signature '$name' has no inputs, of which there could be rows to score"
      )
    }
    inputs.foreach(spec => requireColumn("input", spec))
    outputs.foreach { spec =>
      requireColumn("output", spec)
      if (spec.shape.isEmpty) {
        throw unfit("output", spec, "its rank is not known, so no type of a column follows from it")
      }
    }
  }

  private def requireColumn(what: String, spec: TensorSpec): Unit = {
    if (spec.kind != "tensor") throw unfit(what, spec, s"it is a ${spec.kind}")
    if (DType.of(spec.code).isEmpty)
      throw unfit(what, spec, s"no type of Spark holds ${spec.dtype}")
    spec.shape.foreach { dims =>
      if (dims.isEmpty) throw unfit(what, spec, "it is one value for a whole batch")
      if (dims.head >= 0) {
        throw unfit(what, spec, s"its batches have ${dims.head} rows, and must have any number")
      }
    }
  }

  private def unfit(what: String, spec: TensorSpec, why: String) = new IllegalArgumentException(
    s"signature '$name': $what $spec cannot be a column: $why. Export the model with a signature " +
      "of dense tensors whose first dimension is None"
  )
}

package io.sparktf.savedmodel

import org.apache.spark.sql.Row
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData
import org.apache.spark.sql.catalyst.util.{ArrayData, GenericArrayData}
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String

/**
 * Numbers, strings, arrays and sequences of the JVM, as Spark holds them in rows. Arrays of
 * primitives are copied, all else goes element by element.
 */
private[savedmodel] object JvmValues {

  /**
   * The type of a column that holds such values.
   *
   * @throws IllegalArgumentException if no column does
   */
  def typeOf(value: Any): DataType = value match {
    case _: Array[Float] => ArrayType(FloatType, containsNull = false)
    case _: Array[Double] => ArrayType(DoubleType, containsNull = false)
    case _: Array[Int] => ArrayType(IntegerType, containsNull = false)
    case _: Array[Long] => ArrayType(LongType, containsNull = false)
    case _: Array[Short] => ArrayType(ShortType, containsNull = false)
    case _: Array[Boolean] => ArrayType(BooleanType, containsNull = false)
    case _: Array[Byte] => BinaryType
    case s: collection.Seq[_] => ArrayType(elementType(s), containsNull = true)
    case a: Array[_] => ArrayType(elementType(a.toSeq), containsNull = true)
    case _: Float => FloatType
    case _: Double => DoubleType
    case _: Int => IntegerType
    case _: Long => LongType
    case _: Short => ShortType
    case _: Byte => ByteType
    case _: Boolean => BooleanType
    case _: String => StringType
    case _: java.math.BigDecimal | _: BigDecimal => DecimalType(38, 18)
    case other if isVector(other) => ArrayType(DoubleType, containsNull = false)
    case other => throw new IllegalArgumentException(
        s"a ${other.getClass.getName} cannot be a model's input: give a number, a string, an " +
          "Array[Byte] (for strings that are bytes), or arrays or sequences of such"
      )
  }

  /**
   * An empty sequence says nothing of what it would hold: anything fits. Of numbers and strings the
   * first one tells it, as another one is noticed when it is taken; of an array's bytes it is not.
   */
  private def elementType(values: collection.Seq[_]): DataType =
    values.find(_ != null).map(typeOf) match {
      case None => NullType
      case Some(first: ArrayType) =>
        values.iterator.filter(_ != null).map(typeOf).foldLeft[DataType](first) { (all, next) =>
          common(all, next).getOrElse(throw new IllegalArgumentException(
            s"a row's values are of several types (${all.catalogString} beside " +
              s"${next.catalogString}): give all in one"
          ))
        }
      case Some(first) => first
    }

  /**
   * The type that values of both types are of: there is one if they differ in what empty sequences
   * leave open, and in whether there may be nulls.
   */
  def common(one: DataType, other: DataType): Option[DataType] = (one, other) match {
    case (NullType, _) => Some(other)
    case (_, NullType) => Some(one)
    case (ArrayType(a, n), ArrayType(b, m)) => common(a, b).map(ArrayType(_, n || m))
    case _ => if (one == other) Some(one) else None
  }

  /** The value as Spark holds it in a row. */
  def catalyst(value: Any): Any = value match {
    case null => null
    case a: Array[Float] => UnsafeArrayData.fromPrimitiveArray(a)
    case a: Array[Double] => UnsafeArrayData.fromPrimitiveArray(a)
    case a: Array[Int] => UnsafeArrayData.fromPrimitiveArray(a)
    case a: Array[Long] => UnsafeArrayData.fromPrimitiveArray(a)
    case a: Array[Short] => UnsafeArrayData.fromPrimitiveArray(a)
    case a: Array[Boolean] => UnsafeArrayData.fromPrimitiveArray(a)
    case a: Array[Byte] => a
    case s: collection.Seq[_] => array(s)
    case a: Array[_] => array(a.toSeq)
    case s: String => UTF8String.fromString(s)
    case d: java.math.BigDecimal => Decimal(d)
    case d: BigDecimal => Decimal(d)
    case v if isVector(v) => catalyst(v.getClass.getMethod("toArray").invoke(v))
    case other => other
  }

  private def array(values: collection.Seq[_]): ArrayData =
    new GenericArrayData(values.iterator.map(catalyst).toArray[Any])

  /** An ml or mllib Vector; their module need not be there. */
  private def isVector(value: Any): Boolean =
    value != null && value.getClass.getName.matches(
      "org\\.apache\\.spark\\.ml(lib)?\\.linalg\\.(Dense|Sparse)Vector"
    )

  /** The values of a signature's inputs in a row: a map by name, a row, or the one value itself. */
  def ofInputs(row: Any, inputs: Seq[TensorSpec]): Array[Any] = row match {
    case null => Array.fill[Any](inputs.length)(null)
    case named: collection.Map[_, _] =>
      val byName = named.asInstanceOf[collection.Map[Any, Any]]
      inputs.map(spec => byName.getOrElse(spec.name, throw lacks(spec))).toArray
    case r: Row if r.schema != null =>
      inputs.map { spec =>
        val i = r.schema.fieldNames.indexOf(spec.name)
        if (i >= 0 && r.schema.fieldNames.indexOf(spec.name, i + 1) >= 0)
          throw new IllegalArgumentException(
            s"a row has several fields for the model's input $spec: rename them"
          )
        else if (i >= 0) r.get(i)
        else if (inputs.length == 1 && r.length == 1) r.get(0)
        else throw lacks(spec)
      }.toArray
    case one if inputs.length == 1 => Array(one)
    case _ => throw new IllegalArgumentException(
        s"the model has ${inputs.length} inputs (${inputs.mkString(", ")}): give each row as a " +
          "Map from their names to values"
      )
  }

  private def lacks(spec: TensorSpec) =
    new IllegalArgumentException(s"a row has no value for the model's input $spec")
}

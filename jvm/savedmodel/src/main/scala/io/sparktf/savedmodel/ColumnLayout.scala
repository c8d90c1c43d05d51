package io.sparktf.savedmodel

import org.apache.spark.sql.catalyst.expressions.{SpecializedGetters, UnsafeArrayData}
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.types._

/**
 * How a column holds numbers or strings.
 *
 * @param element the type of what the arrays hold, or of the column itself
 * @param depth how many arrays are within each other
 * @param isVector whether it is an ml Vector, whose elements are doubles
 */
final private[savedmodel] case class ColumnLayout(
    element: DataType,
    depth: Int,
    mayHoldNulls: Boolean,
    isVector: Boolean
) {

  def isBytes: Boolean = element match {
    case BinaryType | NullType | _: StringType => true
    case _ => false
  }

  /** The bytes of a string or binary. */
  def bytes(from: SpecializedGetters, i: Int): Array[Byte] =
    if (element == BinaryType) from.getBinary(i) else from.getUTF8String(i).getBytes
}

private[savedmodel] object ColumnLayout {

  /**
   * The struct behind `org.apache.spark.ml.linalg.VectorUDT` and its `mllib` twin. Compared by
   * structure because spark-mllib is not on the class path of this jar.
   */
  private val vectorStruct: StructType = StructType(Seq(
    StructField("type", ByteType, nullable = false),
    StructField("size", IntegerType),
    StructField("indices", ArrayType(IntegerType, containsNull = false)),
    StructField("values", ArrayType(DoubleType, containsNull = false))
  ))

  def of(dataType: DataType): ColumnLayout = dataType match {
    case u: UserDefinedType[_] if u.sqlType == vectorStruct =>
      ColumnLayout(DoubleType, depth = 1, mayHoldNulls = false, isVector = true)
    case u: UserDefinedType[_] => of(u.sqlType)
    case a: ArrayType =>
      val inner = of(a.elementType)
      // An array of vectors is no array of arrays; as it is no number either, it is refused.
      if (inner.isVector) ColumnLayout(a.elementType, 1, mayHoldNulls = true, isVector = false)
      else
        inner.copy(
          depth = inner.depth + 1,
          mayHoldNulls = if (inner.depth == 0) a.containsNull else inner.mayHoldNulls
        )
    case other => ColumnLayout(other, depth = 0, mayHoldNulls = false, isVector = false)
  }

  /** The elements of a dense or sparse vector. */
  def vector(from: SpecializedGetters, ordinal: Int): ArrayData = {
    val struct = from.getStruct(ordinal, 4)
    val values = struct.getArray(3)
    if (struct.getByte(0) == 1) values
    else {
      val dense = new Array[Double](struct.getInt(1))
      val indices = struct.getArray(2)
      var i = 0
      while (i < indices.numElements()) {
        dense(indices.getInt(i)) = values.getDouble(i)
        i += 1
      }
      UnsafeArrayData.fromPrimitiveArray(dense)
    }
  }
}

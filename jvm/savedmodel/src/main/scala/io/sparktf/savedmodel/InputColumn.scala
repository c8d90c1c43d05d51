package io.sparktf.savedmodel

import scala.collection.mutable

import org.apache.spark.sql.catalyst.expressions.{SpecializedGetters, UnsafeArrayData}
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.Platform
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

/**
 * Gathers the rows of a column in the memory of an input's tensor.
 *
 * Arrays within arrays are the input's dimensions; a column with more or fewer of them is taken in
 * row-major order if its number of elements is that of the input's shape. All rows of one tensor
 * have the same shape, which is the row's own: no other row has a say in it.
 *
 * @param name of the column, for messages
 * @throws IllegalArgumentException if such a column cannot be the input
 */
final private[savedmodel] class InputColumn(spec: TensorSpec, name: String, dataType: DataType)
  extends AutoCloseable {

  private val dtype = spec.heldAs
  private val column = ColumnLayout.of(dataType)
  private val writer: NumberWriter =
    if (dtype.code == DType.Str) null
    else NumberWriter.of(column.element, dtype).getOrElse(throw wrong(mayBe))
  if (dtype.code == DType.Str && !column.isBytes) throw wrong(mayBe)

  /** The input's shape of a row, null if it may be any. */
  private val expected: Array[Long] = spec.rowShape.map(_.toArray).orNull
  requireShape()

  // The shape of the row that was measured last: in the column, and in a tensor.
  private val measured = new Array[Int](column.depth)
  private var known: Array[Int] = _
  private val isFlat = column.depth == 1 && !column.isVector
  private var rowShape: Array[Long] = _
  private var rowElements = 0

  // Of the rows in the tensor.
  private var shape: Array[Long] = _
  private var elements = 0

  private var current: ArrayData = _
  private var tensor: TF_Tensor = _
  private var capacity = 0
  private var position = 0L
  private val strings = mutable.ArrayBuffer.empty[Array[Byte]]
  private var filled = 0 // strings in the tensor

  /** Strings, each of a length of its own. */
  def isText: Boolean = writer == null

  /** The bytes of the strings that have been added. */
  var textBytes = 0L

  /**
   * Looks at the value at `ordinal`, which is not null, and remembers it for [[add]].
   *
   * @return whether it has the shape of the row that was looked at before
   * @throws IllegalArgumentException if it does not have the input's shape
   */
  def measure(from: SpecializedGetters, ordinal: Int): Boolean = {
    if (isFlat) {
      current = from.getArray(ordinal)
      val n = current.numElements()
      if (known != null && n == known(0)) return true
      measured(0) = n
    } else if (column.depth > 0) {
      current = if (column.isVector) ColumnLayout.vector(from, ordinal) else from.getArray(ordinal)
      java.util.Arrays.fill(measured, InputColumn.Unknown)
      try measure(current, 0)
      catch { case _: ClassCastException => throw severalTypes() }
      measureNone()
    }
    if (known != null && java.util.Arrays.equals(known, measured)) true
    else {
      val first = known == null
      rowShape = inputShape()
      rowElements = measured.product
      known = measured.clone()
      first
    }
  }

  private def measure(array: ArrayData, level: Int): Unit = {
    val n = array.numElements()
    if (measured(level) == InputColumn.Unknown) measured(level) = n
    else if (measured(level) != n) {
      throw failure(
        s"a row is ragged: inside it are arrays of ${measured(level)} and of $n elements side by " +
          "side, which no tensor can hold: pad them to one length"
      )
    }
    if (level < column.depth - 1) {
      var i = 0
      while (i < n) {
        if (array.isNullAt(i)) throw nullElement()
        measure(array.getArray(i), level + 1)
        i += 1
      }
    }
  }

  /** The lengths of arrays that are not there, as in `[]`: the input's where it fixes them, else 0. */
  private def measureNone(): Unit = {
    var i = column.depth - 1
    while (i > 0 && measured(i) == InputColumn.Unknown) {
      val isFixed = expected != null && expected.length == column.depth && expected(i) >= 0
      measured(i) = if (isFixed) expected(i).toInt else 0
      i -= 1
    }
  }

  /** The size of the measured row in a tensor, without what its strings say. */
  def bytesOfRow: Long =
    rowElements * (if (writer == null) StringTensor.ElementSize else writer.bytes.toLong)

  /** Begins a tensor of up to so many rows of the measured shape. */
  def begin(rows: Int): Unit = {
    empty()
    capacity = rows
    shape = rowShape
    elements = rowElements
    if (writer != null) {
      tensor = allocate(rows)
      position = TF_TensorData(tensor).address
    }
  }

  /** Adds the measured row, which is of the tensor's shape. */
  def add(from: SpecializedGetters, ordinal: Int): Unit =
    try {
      if (column.depth > 0) addArray(current, 0)
      else if (writer == null) addString(column.bytes(from, ordinal))
      else {
        writer.put(from, ordinal, position)
        position += writer.bytes
      }
    } catch {
      case e: ArithmeticException => throw failure(e.getMessage)
      // Of a sequence in the JVM, whose first element says what it holds.
      case _: ClassCastException => throw severalTypes()
    }

  private def addString(bytes: Array[Byte]): Unit = {
    strings += bytes
    textBytes += bytes.length
  }

  private def addArray(array: ArrayData, level: Int): Unit = {
    val n = measured(level)
    if (level < column.depth - 1) {
      var i = 0
      while (i < n) {
        addArray(array.getArray(i), level + 1)
        i += 1
      }
    } else {
      if (column.mayHoldNulls && holdsNull(array, n)) throw nullElement()
      array match {
        case _ if writer == null =>
          var i = 0
          while (i < n) {
            addString(column.bytes(array, i))
            i += 1
          }
        case u: UnsafeArrayData if writer.sameBits =>
          val header = UnsafeArrayData.calculateHeaderPortionInBytes(n)
          val bytes = n * writer.bytes
          Bytes.copy(u.getBaseObject, u.getBaseOffset + header, null, position, bytes)
          position += bytes
        case _ =>
          var i = 0
          while (i < n) {
            writer.put(array, i, position)
            position += writer.bytes
            i += 1
          }
      }
    }
  }

  /** The tensor of the rows that were added, `rows` of them. It belongs to this object. */
  def finish(rows: Int): TF_Tensor = {
    if (writer == null) {
      tensor = allocate(rows)
      filled = strings.length
      StringTensor.fill(tensor, strings)
      strings.clear()
    } else if (rows < capacity) {
      val smaller = allocate(rows)
      val bytes = rows.toLong * elements * writer.bytes
      Platform.copyMemory(
        null,
        TF_TensorData(tensor).address,
        null,
        TF_TensorData(smaller).address,
        bytes
      )
      TF_DeleteTensor(tensor)
      tensor = smaller
    }
    tensor
  }

  override def close(): Unit = {
    empty()
    current = null
  }

  private def empty(): Unit = {
    if (tensor != null) {
      if (writer == null) StringTensor.free(tensor, filled)
      TF_DeleteTensor(tensor)
      tensor = null
    }
    strings.clear()
    textBytes = 0
  }

  private def allocate(rows: Int): TF_Tensor = {
    val dims = rows.toLong +: shape
    val size = if (writer == null) StringTensor.ElementSize else writer.bytes.toLong
    val made = TF_AllocateTensor(dtype.code, dims, dims.length, dims.product * size)
    if (made == null || made.isNull || TF_TensorData(made) == null) {
      throw new OutOfMemoryError(s"no memory for a tensor of ${dims.product * size} bytes")
    }
    made
  }

  private def holdsNull(array: ArrayData, n: Int): Boolean = array match {
    case u: UnsafeArrayData => // a bit for each element, behind their number
      val words = (n + 63) / 64
      var i = 0
      while (i < words) {
        if (Platform.getLong(u.getBaseObject, u.getBaseOffset + 8 + 8L * i) != 0) return true
        i += 1
      }
      false
    case _ =>
      var i = 0
      while (i < n) {
        if (array.isNullAt(i)) return true
        i += 1
      }
      false
  }

  /** What can be said of the shape before there are rows. */
  private def requireShape(): Unit =
    if (
      expected != null && column.depth != expected.length && expected.count(_ < 0) > 1 &&
      column.element != NullType
    ) {
      throw wrong(s"arrays within arrays, ${expected.length} deep")
    }

  /** The measured row's shape in the tensor. */
  private def inputShape(): Array[Long] =
    if (expected == null) measured.map(_.toLong)
    else if (expected.length == column.depth) {
      for (i <- expected.indices) {
        if (expected(i) >= 0 && expected(i) != measured(i)) throw wrongSize(measured)
      }
      measured.map(_.toLong)
    } else if (isOpen) {
      expected.zipWithIndex.map { case (d, i) =>
        if (i < measured.length) measured(i).toLong else math.max(d, 0L)
      }
    } else {
      val count = measured.map(_.toLong).product
      val fixed = expected.filter(_ >= 0).product
      val free = expected.indexWhere(_ < 0)
      if (free < 0 && count != fixed) throw wrongSize(measured)
      if (free >= 0 && (fixed == 0 || count % fixed != 0)) throw wrongSize(measured)
      expected.map(d => if (d < 0) count / fixed else d)
    }

  /** Whether these are arrays of none, of which is not known how many would be within each other. */
  private def isOpen: Boolean =
    column.element == NullType && column.depth < expected.length &&
      measured.zip(expected).forall { case (n, d) => d < 0 || n == d }

  private def wrongSize(found: Array[Int]) = {
    val has = if (found.isEmpty) "one value" else s"${found.mkString("×")} values"
    failure(s"a row has $has, which is not the input's shape")
  }

  private def nullElement() =
    failure("an array has a null element, for which a tensor has no place")

  private def severalTypes() =
    failure("a row's values are of several types: give all in one")

  private def mayBe: String = dtype.code match {
    case DType.Str => "strings or binaries"
    case DType.Bool => "booleans"
    case DType.Float32 | DType.Float64 | DType.Float16 | DType.BFloat16 => "numbers"
    case _ => "whole numbers"
  }

  private def wrong(what: String) =
    failure(s"it is ${dataType.catalogString}, and has to hold $what")

  private def failure(what: String) =
    new IllegalArgumentException(s"column '$name' for the model's input $spec: $what")
}

private object InputColumn {

  /** The length of arrays of which a row has had none yet. */
  val Unknown: Int = -1
}

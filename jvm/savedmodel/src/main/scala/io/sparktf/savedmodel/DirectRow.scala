package io.sparktf.savedmodel

import org.apache.spark.sql.catalyst.expressions.{UnsafeArrayData, UnsafeRow}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.Platform.BYTE_ARRAY_OFFSET

/**
 * A row of one column, an output whose values Spark holds as the tensor does: plain numbers, or
 * arrays of them. All rows of a batch differ in the values alone.
 *
 * The layout is that of `UnsafeRow`: a word for nulls, a word for the number or for the array's
 * place (upper half) and size, then the array as in `UnsafeArrayData`, filled up to whole words.
 */
final private[savedmodel] class DirectRow(output: OutputColumn) {
  private val row = new UnsafeRow(1)
  private var buffer: Array[Byte] = _
  private var values = 0L // where they are in the buffer
  private var bytes = 0
  private var tensor = 0L

  /** Takes the tensor that the output has read. */
  def begin(): Unit = {
    bytes = output.bytesOfRow
    tensor = output.address
    if (output.isArray) {
      val n = output.elements
      val header = UnsafeArrayData.calculateHeaderPortionInBytes(n)
      val size = header + (bytes + 7) / 8 * 8
      resize(16 + size)
      // Arrays of another length can be of the same size: their last bytes are padding of this one.
      Platform.putLong(buffer, BYTE_ARRAY_OFFSET + 16L + size - 8, 0L)
      Platform.putLong(buffer, BYTE_ARRAY_OFFSET + 8L, (16L << 32) | size)
      Platform.putLong(buffer, BYTE_ARRAY_OFFSET + 16L, n.toLong)
      values = BYTE_ARRAY_OFFSET + 16L + header
    } else {
      resize(16)
      values = BYTE_ARRAY_OFFSET + 8L
    }
  }

  private def resize(size: Int): Unit =
    if (buffer == null || buffer.length != size) {
      buffer = new Array[Byte](size) // nulls, padding: all of them zero
      row.pointTo(buffer, size)
    }

  def at(place: Int): UnsafeRow = {
    Bytes.copy(null, tensor + place.toLong * bytes, buffer, values, bytes)
    row
  }
}

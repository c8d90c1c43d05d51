package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.wire.{GrowingBuffer, RawBytes}
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData

/**
 * Decodes a FeatureList into an array field of the row. As in [[FeatureDecoder]], whose fields and
 * strictness it shares, false means that the list is unusual.
 *
 * {{{
 * message FeatureList { repeated Feature feature = 1; }
 * }}}
 */
final private[tfrecord] class FeatureListDecoder(features: FeatureDecoder, row: RowBuilder) {
  private[this] val joined = new GrowingBuffer(256)
  // Of the step that was looked at last: where its values begin.
  private[this] var values = 0

  /** Reads an array of arrays, one for each step. */
  def read(field: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    val count = countSteps(bytes, start, end)
    if (count < 0) return false
    val array = row.position
    val header = UnsafeArrayData.calculateHeaderPortionInBytes(count)
    row.skip(header + 8L * count)
    java.util.Arrays.fill(row.bytes, array, array + header, 0.toByte)
    RawBytes.putLong(row.bytes, array, count)
    var pos = start
    var step = 0
    while (step < count) {
      val feature = readDelimited(bytes, pos, end, Field1)
      val from = (feature >>> 32).toInt
      pos = from + feature.toInt
      val inner = row.position
      // Reads into the row, and makes the field refer to this step until the last is read.
      if (from == pos) features.readEmpty(field)
      else if (!features.read(field, bytes, from, pos)) return false
      val word = ((inner - array).toLong << 32) | (row.position - inner)
      RawBytes.putLong(row.bytes, array + header + 8 * step, word)
      step += 1
    }
    row.setVariable(field, array)
    true
  }

  /** Reads an array of one value for each step. */
  def readFlat(field: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var kind = features.kindOf(field)
    joined.clear()
    // What stands before the values is known behind them.
    joined.skip(HeaderRoom)
    var pos = start
    var step = 0
    while (pos < end) {
      val feature = readDelimited(bytes, pos, end, Field1)
      if (feature < 0) return false
      val from = (feature >>> 32).toInt
      pos = from + feature.toInt
      if (from < pos && bytes(from) != kind) {
        if (!features.takes(field, bytes(from))) return features.wrongKind(field, bytes(from))
        if (step > 0) return mixed(field)
        kind = bytes(from)
      }
      val count = countValues(bytes, from, pos)
      if (count < 0) return false
      if (count != 1) {
        return features.misfit(
          field,
          s"expected one value in each step of the feature list, found $count in step $step; " +
            "declare the column as an array of arrays"
        )
      }
      joined.put(bytes, values, pos - values)
      step += 1
    }
    val from = prependHeaders(kind, joined.position - HeaderRoom)
    features.read(field, joined.array, from, joined.position)
  }

  /** Joined, the steps are one list. */
  private def mixed(field: Int): Boolean =
    features.misfit(
      field,
      "expected steps of one kind in the feature list, found int64_list and float_list; declare " +
        "the column as an array of arrays"
    )

  /** Makes the joined values a Feature, and gives its start. */
  private def prependHeaders(kind: Int, size: Int): Int = {
    val packed = kind != BytesList && size > 0
    val list = if (packed) 1 + varintSize(size) + size else size
    val start = HeaderRoom - (list - size) - varintSize(list) - 1
    joined.setByte(start, kind)
    val at = joined.setVarint(start + 1, list)
    if (packed) {
      joined.setByte(at, Field1)
      joined.setVarint(at + 1, size)
    }
    start
  }

  private def countSteps(bytes: Array[Byte], start: Int, end: Int): Int = {
    var pos = start
    var count = 0
    while (pos < end) {
      val feature = readDelimited(bytes, pos, end, Field1)
      if (feature < 0) return -1
      pos = (feature >>> 32).toInt + feature.toInt
      count += 1
    }
    count
  }

  /** How many values the Feature holds, or -1 where it is unusual; sets [[values]]. */
  private def countValues(bytes: Array[Byte], start: Int, end: Int): Int = {
    if (start == end) return 0
    val list = readDelimited(bytes, start, end, bytes(start))
    values = (list >>> 32).toInt
    if (list < 0 || list.toInt != end - values) return -1
    if (values == end) return 0
    bytes(start) match {
      case BytesList =>
        countSteps(bytes, values, end) // A BytesList is laid out as a FeatureList is.
      case kind =>
        val packed = readDelimited(bytes, values, end, Field1)
        values = (packed >>> 32).toInt
        if (packed < 0 || packed.toInt != end - values) -1
        else if (values == end) 0
        else if (kind == FloatList) if ((end - values) % 4 == 0) (end - values) / 4 else -1
        else if (bytes(end - 1) < 0) -1
        else countVarints(bytes, values, end)
    }
  }

  // Two tags and two lengths of at most five bytes.
  final private[this] val HeaderRoom = 12
}

package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.frame.FrameReader
import io.sparktf.tfrecord.wire.{FeatureType, GrowingBuffer}
import io.sparktf.tfrecord.wire.WireFormat._
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.types.StructField

/**
 * Encodes an array as an entry of a map from names to FeatureLists: a Feature for each element,
 * which holds the values of an inner array, or one value.
 *
 * @param types what a step holds
 * @param isNested whether the field is an array of arrays
 */
final private[tfrecord] class FeatureListEncoder(
    fields: Array[StructField],
    types: Array[FeatureType],
    isNested: Array[Boolean],
    buffer: GrowingBuffer
) extends EntryEncoder {
  private[this] val kinds = types.map(_.kind)
  private[this] val keys = fields.map(f => FeatureEncoder.keyOf(f.name))
  private[this] val arrays = new ArrayEncoder(fields, types, buffer)
  // The bytes of each step's values, for all lengths come before what they are the length of.
  private[this] var payloads = new Array[Long](16)

  override def write(row: InternalRow, field: Int): Unit = {
    val steps = row.getArray(field)
    val count = steps.numElements()
    arrays.refuseNulls(field, steps)
    if (payloads.length < count) payloads = new Array[Long](math.max(count, 2 * payloads.length))
    var list = 0L
    var i = 0
    while (i < count) {
      val payload =
        if (isNested(field)) arrays.payloadSize(field, steps.getArray(i))
        else arrays.payloadSize(field, steps, i)
      payloads(i) = payload
      val feature = featureSize(field, payload)
      list += 1 + varintSize(feature) + feature
      i += 1
    }
    if (list > FrameReader.MaxRecordLength) arrays.refuseSize(field, list)
    val key = keys(field)
    buffer.reserve(list + key.length + 3 * MaxVarintBytes)
    buffer.putTag(Field1, key.length + 1L + varintSize(list) + list)
    buffer.put(key)
    buffer.putTag(Field2, list)
    i = 0
    while (i < count) {
      writeStep(field, steps, i)
      i += 1
    }
  }

  private def writeStep(field: Int, steps: ArrayData, i: Int): Unit = {
    val payload = payloads(i)
    buffer.putTag(Field1, featureSize(field, payload))
    buffer.putTag(kinds(field), listSize(field, payload))
    if (isPacked(field, payload)) buffer.putTag(Field1, payload)
    if (isNested(field)) arrays.write(field, steps.getArray(i))
    else arrays.write(field, steps, i)
  }

  private def isPacked(field: Int, payload: Long): Boolean =
    payload > 0 && kinds(field) != BytesList

  private def listSize(field: Int, payload: Long): Long =
    if (isPacked(field, payload)) 1 + varintSize(payload) + payload else payload

  private def featureSize(field: Int, payload: Long): Long = {
    val list = listSize(field, payload)
    1 + varintSize(list) + list
  }
}

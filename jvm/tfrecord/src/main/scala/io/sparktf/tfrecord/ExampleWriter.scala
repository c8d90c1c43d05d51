package io.sparktf.tfrecord

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructType

import WireFormat._

/**
 * Encodes rows as serialized tf.Examples, straight into the buffer of a [[RecordWriter]].
 *
 * A null column is an absent feature. Features come in the order of the columns, laid out as
 * protobuf's own writers do.
 *
 * @param schema the columns, each of which has a [[FeatureType]]
 */
final private[tfrecord] class ExampleWriter(schema: StructType, records: RecordWriter) {
  private[this] val features = new FeatureWriter(schema.fields, records)
  private[this] val numFields = schema.length
  // The bytes of the length of the last record's Features: a good guess for the next.
  private[this] var lengthSize = 1

  /**
   * Appends a record.
   *
   * @throws MalformedMessageException where a value has no place in a Feature; the record is then
   *   not written
   */
  def write(row: InternalRow): Unit = {
    records.begin()
    try encode(row)
    catch {
      case e: MalformedMessageException =>
        records.discard()
        throw e
    }
    records.end()
  }

  private def encode(row: InternalRow): Unit = {
    val start = records.position
    records.reserve(1 + MaxVarintBytes)
    val content = start + 1 + lengthSize
    records.moveTo(content)
    var field = 0
    while (field < numFields) {
      if (!row.isNullAt(field)) features.write(row, field)
      field += 1
    }
    val length = records.position - content
    if (length == 0) records.moveTo(start)
    else closeFeatures(start, length)
  }

  private def closeFeatures(start: Int, length: Int): Unit = {
    val size = varintSize(length)
    if (size != lengthSize) {
      records.reserve(MaxVarintBytes)
      val bytes = records.bytes
      System.arraycopy(bytes, start + 1 + lengthSize, bytes, start + 1 + size, length)
      records.moveTo(start + 1 + size + length)
      lengthSize = size
    }
    records.bytes(start) = Field1.toByte
    writeVarint(records.bytes, start + 1, length)
  }
}

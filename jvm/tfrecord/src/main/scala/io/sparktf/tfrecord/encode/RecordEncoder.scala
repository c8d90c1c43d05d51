package io.sparktf.tfrecord.encode

import io.sparktf.tfrecord.frame.FrameWriter
import io.sparktf.tfrecord.options.RecordType
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.StructType

/** Encodes rows as records, straight into the buffer of a [[FrameWriter]]. */
abstract private[tfrecord] class RecordEncoder(records: FrameWriter) {

  /**
   * Appends a record.
   *
   * @throws MalformedMessageException where the row has no place in a record, which is then not
   *   written
   */
  final def write(row: InternalRow): Unit = {
    records.begin()
    var isEncoded = false
    try {
      encode(row)
      isEncoded = true
    } finally if (!isEncoded) records.discard()
    records.end()
  }

  /** Puts the record's bytes into the writer's buffer. */
  protected def encode(row: InternalRow): Unit
}

private[tfrecord] object RecordEncoder {

  /** @param featureLists the arrays that go to a SequenceExample's feature lists although flat */
  def apply(
      recordType: RecordType,
      schema: StructType,
      featureLists: Set[String],
      records: FrameWriter
  ): RecordEncoder = recordType match {
    case RecordType.Auto | RecordType.Example => new ExampleEncoder(schema, records)
    case RecordType.SequenceExample => new SequenceExampleEncoder(schema, featureLists, records)
    case RecordType.ByteArray => new ByteArrayEncoder(schema.head, records)
  }
}

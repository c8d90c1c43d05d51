package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.options.RecordType

/**
 * What becomes of the records that are not laid out as protobuf's own writers do: they are
 * rewritten and read once more, or are an error that says what they are.
 *
 * @param recordType `Example` or `SequenceExample`
 * @param mustBeKnown whether a message of which protobuf knows no field is an error
 */
final private[tfrecord] class UnusualMessages(recordType: RecordType, mustBeKnown: Boolean) {
  private[this] val normalizer = new ExampleNormalizer(recordType)

  /**
   * Reads a message by `readUsual`, which takes the rewritten one, its start and its end, and answers
   * whether that is as it must be.
   *
   * @throws MalformedMessageException where it is no message of the record type
   */
  def read(bytes: Array[Byte], start: Int, end: Int)(
      readUsual: (Array[Byte], Int, Int) => Boolean
  ): Unit = {
    normalizer.normalize(bytes, start, end)
    if (mustBeKnown && normalizer.size == 0 && ForeignMessage.isUnknown(bytes, start, end)) {
      throw ForeignMessage.error(bytes, start, end)
    }
    if (!readUsual(normalizer.buffer, 0, normalizer.size)) {
      throw new IllegalStateException(s"a normalized tf.$recordType was not readable")
    }
  }
}

package io.sparktf.tfrecord

/**
 * What becomes of the records that are not laid out as protobuf's own writers do: they are
 * rewritten, or are an error that says what they are.
 *
 * @param recordType `Example` or `SequenceExample`
 * @param mustBeKnown whether a message of which protobuf knows no field is an error
 */
final private[tfrecord] class UnusualMessages(recordType: RecordType, mustBeKnown: Boolean) {
  private[this] val normalizer = new ExampleNormalizer(recordType)

  /** The rewritten message, from the buffer's start on for [[size]] bytes, until the next call. */
  def buffer: Array[Byte] = normalizer.buffer
  def size: Int = normalizer.size

  /** @throws MalformedMessageException where it is no message of the record type */
  def normalize(bytes: Array[Byte], start: Int, end: Int): Unit = {
    try normalizer.normalize(bytes, start, end)
    catch {
      case e: MalformedMessageException if e.getMessage.startsWith("no valid") =>
        throw new MalformedMessageException(s"${e.getMessage}; ${ForeignMessage.hint}")
    }
    if (mustBeKnown && normalizer.size == 0 && ForeignMessage.isUnknown(bytes, start, end)) {
      throw ForeignMessage.error(bytes, start, end)
    }
  }

  def unreadable() =
    new IllegalStateException(s"a normalized tf.$recordType was not readable")
}

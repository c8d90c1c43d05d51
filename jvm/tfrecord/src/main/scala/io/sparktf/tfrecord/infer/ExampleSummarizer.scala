package io.sparktf.tfrecord.infer

import io.sparktf.tfrecord.decode.{ForeignMessage, UnusualMessages}
import io.sparktf.tfrecord.options.RecordType
import io.sparktf.tfrecord.wire.MessageFields
import io.sparktf.tfrecord.wire.WireFormat._

/** Gathers what a file's records say of their features. */
final private[tfrecord] class ExampleSummarizer(recordType: RecordType, file: String) {
  private[this] val features = new FeatureMapSummary(file, ofLists = false)
  private[this] val featureLists = new FeatureMapSummary(file, ofLists = true)
  private[this] val hasLists = recordType != RecordType.Example
  private[this] val isAuto = recordType == RecordType.Auto
  private[this] val unusualExamples = new UnusualMessages(RecordType.Example, mustBeKnown = isAuto)
  private[this] lazy val unusualSequences =
    new UnusualMessages(RecordType.SequenceExample, mustBeKnown = isAuto)
  private[this] var firstForeign: String = _

  /**
   * Nothing is taken from a record that cannot be decoded.
   *
   * @throws MalformedMessageException where the message is none of the record type
   */
  def add(bytes: Array[Byte], start: Int, end: Int): Unit = {
    if (!look(bytes, start, end)) {
      val isSequence =
        if (isAuto) MessageFields.holds(bytes, start, end, 2)
        else recordType == RecordType.SequenceExample
      val unusual = if (isSequence) unusualSequences else unusualExamples
      unusual.read(bytes, start, end)(look)
    }
    features.note()
    featureLists.note()
    noteForeign(bytes, start, end)
  }

  /** In the order of first appearance, the features of a context before the feature lists. */
  def result(): Seq[FeatureSummary] = features.result() ++ featureLists.result()

  /** What the first record is that is of another kind, where none before it had a value. */
  def foreign: Option[String] = Option(firstForeign)

  /** Notes what the record is, as long as none has had a value; one that cannot be decoded too. */
  def noteForeign(bytes: Array[Byte], start: Int, end: Int): Unit =
    if (
      !features.hasValues && !featureLists.hasValues && (firstForeign eq null) &&
      ForeignMessage.isForeign(bytes, start, end, hasLists)
    ) firstForeign = ForeignMessage.describe(bytes, start, end)

  private def look(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var pos = start
    val first = readDelimited(bytes, pos, end, Field1)
    if (first >= 0) {
      pos = (first >>> 32).toInt + first.toInt
      if (!features.look(bytes, (first >>> 32).toInt, pos)) return false
    } else if (!features.look(bytes, pos, pos)) {
      return false
    }
    val second = if (hasLists) readDelimited(bytes, pos, end, Field2) else -1L
    if (second >= 0) {
      pos = (second >>> 32).toInt + second.toInt
      if (!featureLists.look(bytes, (second >>> 32).toInt, pos)) return false
    } else if (!featureLists.look(bytes, pos, pos)) {
      return false
    }
    pos == end
  }
}

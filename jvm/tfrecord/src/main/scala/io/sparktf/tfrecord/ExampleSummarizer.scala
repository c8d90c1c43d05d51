package io.sparktf.tfrecord

import WireFormat._

/** Gathers what a file's records say of their features. */
final private[tfrecord] class ExampleSummarizer(recordType: RecordType, file: String) {
  private[this] val features = new FeatureMapSummary(file, ofLists = false)
  private[this] val featureLists = new FeatureMapSummary(file, ofLists = true)
  private[this] val normalizer = new ExampleNormalizer(recordType)

  /**
   * Nothing is taken from a record that cannot be decoded.
   *
   * @throws MalformedMessageException where the message is none of the record type
   */
  def add(bytes: Array[Byte], start: Int, end: Int): Unit = {
    if (!look(bytes, start, end)) {
      normalizer.normalize(bytes, start, end)
      if (!look(normalizer.buffer, 0, normalizer.size)) {
        throw new IllegalStateException(s"a normalized tf.$recordType was not readable")
      }
    }
    features.note()
    featureLists.note()
  }

  /** In the order of first appearance, the features of a context before the feature lists. */
  def result(): Seq[FeatureSummary] = features.result() ++ featureLists.result()

  private def look(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var pos = start
    val first = readDelimited(bytes, pos, end, Field1)
    if (first >= 0) {
      pos = (first >>> 32).toInt + first.toInt
      if (!features.look(bytes, (first >>> 32).toInt, pos)) return false
    } else if (!features.look(bytes, pos, pos)) {
      return false
    }
    val second =
      if (recordType == RecordType.SequenceExample) readDelimited(bytes, pos, end, Field2) else -1L
    if (second >= 0) {
      pos = (second >>> 32).toInt + second.toInt
      if (!featureLists.look(bytes, (second >>> 32).toInt, pos)) return false
    } else if (!featureLists.look(bytes, pos, pos)) {
      return false
    }
    pos == end
  }
}

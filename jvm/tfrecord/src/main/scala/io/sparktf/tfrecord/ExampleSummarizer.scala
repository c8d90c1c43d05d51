package io.sparktf.tfrecord

import java.nio.ByteBuffer
import java.nio.charset.{CharacterCodingException, CodingErrorAction}
import java.nio.charset.StandardCharsets.UTF_8

import scala.collection.mutable.ArrayBuffer

import WireFormat._

/** Gathers what a file's records say of their features. */
final private[tfrecord] class ExampleSummarizer(file: String) {
  private[this] val names = new FeatureNames(Array.empty, caseSensitive = true, collect = true)
  private[this] val tokenizer = new ExampleTokenizer(names)
  private[this] val normalizer = new ExampleNormalizer
  private[this] val utf8 = UTF_8.newDecoder()
    .onMalformedInput(CodingErrorAction.REPORT)
    .onUnmappableCharacter(CodingErrorAction.REPORT)

  private[this] val kinds = ArrayBuffer.empty[Int]
  private[this] val isArray = ArrayBuffer.empty[Boolean]
  private[this] val hasValues = ArrayBuffer.empty[Boolean]
  private[this] val isText = ArrayBuffer.empty[Boolean]

  // Of the feature that was looked at last.
  private[this] var kind = 0
  private[this] var count = 0

  /** @throws MalformedMessageException where the message is no tf.Example */
  def add(bytes: Array[Byte], start: Int, end: Int): Unit =
    if (!summarize(bytes, start, end)) {
      normalizer.normalize(bytes, start, end)
      if (!summarize(normalizer.buffer, normalizer.start, normalizer.end)) {
        throw new IllegalStateException("a normalized tf.Example was not readable")
      }
    }

  /** In the order of first appearance. */
  def result(): Seq[FeatureSummary] =
    kinds.indices.map { i =>
      FeatureSummary(names.nameOf(i), kinds(i), isArray(i), hasValues(i), isText(i), file)
    }

  private def summarize(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    if (!tokenizer.tokenize(bytes, start, end)) return false
    while (kinds.length < names.numColumns) {
      kinds += 0
      isArray += false
      hasValues += false
      isText += true
    }
    var i = 0
    while (i < kinds.length) {
      val from = tokenizer.start(i)
      if (from >= 0) {
        if (!look(bytes, from, tokenizer.end(i), isText(i))) return false
        note(i)
      }
      i += 1
    }
    true
  }

  private def note(i: Int): Unit = {
    if (kind != 0) {
      if (kinds(i) != 0 && kinds(i) != kind) {
        throw FeatureSummary.disagreement(names.nameOf(i), kinds(i), file, kind, file)
      }
      kinds(i) = kind
    }
    if (count > 0) hasValues(i) = true
    if (count > 1) isArray(i) = true
    if (!valuesAreText) isText(i) = false
  }

  private[this] var valuesAreText = true

  /** Finds a Feature's kind and number of values; false where it is laid out unusually. */
  private def look(bytes: Array[Byte], start: Int, end: Int, checkText: Boolean): Boolean = {
    kind = 0
    count = 0
    valuesAreText = true
    if (start == end) return true
    val list = readLength(bytes, start + 1, end)
    if (list < 0) return false
    var pos = (list >>> 32).toInt
    if (list.toInt != end - pos) return false
    kind = bytes(start)
    if (kind == BytesList) return lookAtBytes(bytes, pos, end, checkText)
    if (kind != FloatList && kind != Int64List) return false
    if (pos == end) return true
    if (bytes(pos) != Field1) return false
    val packed = readLength(bytes, pos + 1, end)
    if (packed < 0) return false
    pos = (packed >>> 32).toInt
    if (packed.toInt != end - pos) return false
    if (kind == FloatList) {
      count = (end - pos) / 4
      (end - pos) % 4 == 0
    } else {
      count = countVarints(bytes, pos, end)
      pos == end || bytes(end - 1) >= 0
    }
  }

  private def lookAtBytes(bytes: Array[Byte], start: Int, end: Int, checkText: Boolean): Boolean = {
    var pos = start
    while (pos < end) {
      if (bytes(pos) != Field1) return false
      val value = readLength(bytes, pos + 1, end)
      if (value < 0) return false
      pos = (value >>> 32).toInt
      if (value.toInt > end - pos) return false
      if (checkText && valuesAreText) valuesAreText = isUtf8(bytes, pos, value.toInt)
      count += 1
      pos += value.toInt
    }
    true
  }

  private def isUtf8(bytes: Array[Byte], start: Int, length: Int): Boolean = {
    val end = start + length
    var pos = start
    while (pos < end && bytes(pos) >= 0) pos += 1
    pos == end || {
      try {
        utf8.decode(ByteBuffer.wrap(bytes, pos, end - pos))
        true
      } catch {
        case _: CharacterCodingException => false
      }
    }
  }
}

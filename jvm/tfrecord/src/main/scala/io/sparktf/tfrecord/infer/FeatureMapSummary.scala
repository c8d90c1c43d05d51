package io.sparktf.tfrecord.infer

import java.nio.ByteBuffer
import java.nio.charset.{CharacterCodingException, CodingErrorAction}
import java.nio.charset.StandardCharsets.UTF_8

import scala.collection.mutable.ArrayBuffer

import io.sparktf.tfrecord.decode.{FeatureMapTokenizer, FeatureNames}
import io.sparktf.tfrecord.wire.WireFormat._

/**
 * Gathers what a map from names to Features, or to FeatureLists, says in each record: first
 * [[look]] at a record, then [[note]] what was seen.
 */
final private[tfrecord] class FeatureMapSummary(file: String, ofLists: Boolean) {
  private[this] val names = new FeatureNames(Array.empty, caseSensitive = true, collectOf = file)
  private[this] val tokenizer = new FeatureMapTokenizer(names)
  private[this] val utf8 = UTF_8.newDecoder()
    .onMalformedInput(CodingErrorAction.REPORT)
    .onUnmappableCharacter(CodingErrorAction.REPORT)
  private[this] val known = ArrayBuffer.empty[Known]

  /** What is known of a feature, and what was seen of it in the last record. */
  final private class Known {
    var isNoted = false
    var kind = 0
    var isArray = false
    var hasValues = false
    var isText = true

    var wasSeen = false
    var seenKind = 0
    var seenMany = false
    var seenValues = false
    var seenText = true
  }

  private[this] var anyValues = false

  // Of the Feature that was looked at last.
  private[this] var kind = 0
  private[this] var count = 0
  private[this] var isText = true

  /** In the order of first appearance; what no column could be named after is left out. */
  def result(): Seq[FeatureSummary] =
    for (i <- known.indices; name <- names.nameOf(i) if known(i).isNoted) yield {
      val feature = known(i)
      FeatureSummary(
        name,
        feature.kind,
        feature.isArray,
        feature.hasValues,
        feature.isText,
        ofLists,
        file
      )
    }

  /** Looks at the map in `[start, end)`; false where it is laid out unusually. */
  def look(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    if (!tokenizer.tokenize(bytes, start, end)) return false
    while (known.length < names.numColumns) known += new Known
    var i = 0
    while (i < known.length) {
      val feature = known(i)
      val from = tokenizer.start(i)
      feature.wasSeen = from >= 0
      if (feature.wasSeen) {
        feature.seenKind = 0
        feature.seenMany = false
        feature.seenValues = false
        feature.seenText = true
        val usual =
          if (ofLists) lookAtList(i, bytes, from, tokenizer.end(i))
          else lookAt(i, bytes, from, tokenizer.end(i))
        if (!usual) return false
      }
      i += 1
    }
    true
  }

  /** Takes what was seen in the last record. */
  def note(): Unit = {
    var i = 0
    while (i < known.length) {
      val feature = known(i)
      if (feature.wasSeen) {
        feature.isNoted = true
        feature.kind = kindOf(i, feature.kind, feature.seenKind)
        feature.isArray |= feature.seenMany
        feature.hasValues |= feature.seenValues
        anyValues |= feature.seenValues
        feature.isText &= feature.seenText
      }
      i += 1
    }
  }

  /** Whether any feature was seen with a value. */
  def hasValues: Boolean = anyValues

  private def kindOf(i: Int, kind: Int, other: Int): Int =
    if (kind == other) kind else FeatureSummary.kindOf(names.textOf(i), kind, file, other, file)

  private def lookAtList(i: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var pos = start
    while (pos < end) {
      val feature = readDelimited(bytes, pos, end, Field1)
      if (feature < 0) return false
      val from = (feature >>> 32).toInt
      pos = from + feature.toInt
      if (!lookAt(i, bytes, from, pos)) return false
    }
    true
  }

  private def lookAt(i: Int, bytes: Array[Byte], start: Int, end: Int): Boolean = {
    val feature = known(i)
    if (!lookAtFeature(bytes, start, end, feature.isText && feature.seenText)) return false
    // Only the steps of a list can disagree here.
    feature.seenKind = kindOf(i, feature.seenKind, kind)
    feature.seenMany |= count > 1
    feature.seenValues |= count > 0
    feature.seenText &= isText
    true
  }

  /** Finds a Feature's kind and number of values; false where it is laid out unusually. */
  private def lookAtFeature(
      bytes: Array[Byte],
      start: Int,
      end: Int,
      checkText: Boolean
  ): Boolean = {
    kind = 0
    count = 0
    isText = true
    if (start == end) return true
    val list = readDelimited(bytes, start, end, bytes(start))
    if (list < 0) return false
    var pos = (list >>> 32).toInt
    if (list.toInt != end - pos) return false
    kind = bytes(start)
    if (kind == BytesList) return lookAtBytes(bytes, pos, end, checkText)
    if (kind != FloatList && kind != Int64List) return false
    if (pos == end) return true
    val packed = readDelimited(bytes, pos, end, Field1)
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
      val value = readDelimited(bytes, pos, end, Field1)
      if (value < 0) return false
      pos = (value >>> 32).toInt
      if (checkText && isText) isText = isUtf8(bytes, pos, value.toInt)
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

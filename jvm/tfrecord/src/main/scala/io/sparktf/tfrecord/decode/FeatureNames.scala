package io.sparktf.tfrecord.decode

import java.nio.charset.StandardCharsets.UTF_8
import java.util.Locale

import scala.collection.mutable

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.wire.WireFormat._

/**
 * Finds out which column a feature belongs to.
 *
 * Records of one file nearly always hold the same features in the same order, so every name
 * remembers which one followed it in the last record and a look-up is one comparison of a few
 * words. Only where that fails is the name hashed. Names that no column wants are remembered
 * alike: without them each wanted name behind an unwanted one would have to be hashed.
 *
 * @param columns their names; null for one that takes no feature
 * @param caseSensitive whether a column takes only the feature of exactly its name; if not, a
 *   name that differs in case alone is found too, as column + number of columns
 * @param collectOf the file whose names each get a column of their own when they are seen for the
 *   first time (inference), or null
 */
final private[tfrecord] class FeatureNames(
    columns: Array[String],
    caseSensitive: Boolean,
    collectOf: String = null
) {
  import FeatureNames._

  private[this] var table = new Array[Name](64)
  private[this] var size = 0
  private[this] var rememberedBytes = 0L
  private[this] var otherCaseBytes = 0L
  private[this] var columnCount = columns.length
  private[this] val collected = mutable.ArrayBuffer.empty[Name]
  private[this] val unwanted = new NeverMatching
  private[this] val columnsIgnoringCase: Map[String, Int] =
    if (caseSensitive) Map.empty
    else named.map { case (c, i) => c.toLowerCase(Locale.ROOT) -> i }.toMap

  /** Stands before the first feature of a record. */
  val start: Name = new Name(Array.emptyByteArray, NoColumn)

  named.foreach { case (c, i) => add(new Name(c.getBytes(UTF_8), i)) }

  private def named: Seq[(String, Int)] = columns.toSeq.zipWithIndex.filter(_._1 ne null)

  /** Whether a name that differs from a column's in case is found as well. */
  def ignoreCase: Boolean = !caseSensitive

  /** How many columns there are; grows where names are collected. */
  def numColumns: Int = columnCount

  /** The name of a feature that was collected, for messages. */
  def textOf(column: Int): String = collected(column).text

  /** The name of a column that was collected, or None where it is no UTF-8, as a column's is. */
  def nameOf(column: Int): Option[String] = {
    val name = collected(column)
    Some(name.text).filter(text => java.util.Arrays.equals(text.getBytes(UTF_8), name.key))
  }

  /**
   * The name at the head of a map entry, or null where the entry is not laid out as protobuf's
   * own writers do (key first, then the value, minimal lengths; nothing else).
   */
  def find(bytes: Array[Byte], pos: Int, end: Int): Name = {
    if (pos >= end || bytes(pos) != Field1) return null
    var keyLength = bytes(pos + 1).toInt
    var key = pos + 2
    if (keyLength < 0) { // takes more than one byte
      val length = readLength(bytes, pos + 1, end)
      if (length < 0) return null
      keyLength = length.toInt
      key = (length >>> 32).toInt
      if (key - pos - 1 != varintSize(keyLength)) return null
    }
    if (keyLength >= end - key || bytes(key + keyLength) != Field2) return null
    var slot = hash(bytes, key, keyLength) & (table.length - 1)
    while (table(slot) ne null) {
      if (table(slot).matches(bytes, pos, end)) return table(slot)
      slot = (slot + 1) & (table.length - 1)
    }
    val value = readLength(bytes, key + keyLength + 1, end)
    if (value < 0 || value.toInt != end - (value >>> 32).toInt) return null
    remember(java.util.Arrays.copyOfRange(bytes, key, key + keyLength))
  }

  /** Names made up anew for each record must not fill the memory. */
  private def remember(key: Array[Byte]): Name = {
    val cost = key.length + NameOverhead
    if (collectOf ne null) return collectColumn(key, cost)
    columnsIgnoringCase.get(new String(key, UTF_8).toLowerCase(Locale.ROOT)) match {
      case Some(column) =>
        otherCaseBytes += cost
        if (otherCaseBytes > MaxBytes + columns.length * MaxBytesForColumn) {
          throw new MalformedMessageException(
            "features have the names of columns in too many ways of upper and lower case: set " +
              "spark.sql.caseSensitive=true"
          )
        }
        add(new Name(key, columns.length + column))
      case None =>
        if (rememberedBytes + cost > MaxBytes) return unwanted
        rememberedBytes += cost
        add(new Name(key, NoColumn))
    }
  }

  private def collectColumn(key: Array[Byte], cost: Int): Name = {
    rememberedBytes += cost
    if (rememberedBytes > MaxCollectedBytes) {
      throw new IllegalArgumentException(
        s"The schema cannot be inferred: $collectOf has more than $columnCount features of " +
          "different names. Give a schema"
      )
    }
    val name = add(new Name(key, columnCount))
    columnCount += 1
    collected += name
    name
  }

  private def add(name: Name): Name = {
    if (2 * (size + 1) > table.length) {
      val old = table
      table = new Array[Name](2 * old.length)
      old.foreach(n => if (n ne null) insert(n))
    }
    insert(name)
    size += 1
    name
  }

  private def insert(name: Name): Unit = {
    var slot = hash(name.padded, 0, name.key.length) & (table.length - 1)
    while (table(slot) ne null) slot = (slot + 1) & (table.length - 1)
    table(slot) = name
  }

  private def hash(bytes: Array[Byte], pos: Int, length: Int): Int = {
    var h = mix(length ^ HashSeed ^ (load(bytes, pos) & maskOf(length)))
    var i = 8
    while (i < length) {
      h = mix(h ^ (load(bytes, pos + i) & maskOf(length - i)))
      i += 8
    }
    (h * HashFactor >>> 32).toInt
  }

  private def mix(word: Long): Long = {
    val product = word * HashFactor
    product ^ (product >>> 32)
  }
}

private[tfrecord] object FeatureNames {
  final val NoColumn = -1

  /** The column of a name that is not remembered, so that its length is not known either. */
  final val Forgotten = -2

  final private val HashFactor = 0x9e3779b97f4a7c15L
  // Unknown to whoever writes a file, who could else fill it with names of one hash.
  private val HashSeed = new java.util.Random().nextLong()
  final private val MaxBytes = 4L << 20
  // Of a name that several records may spell differently.
  final private val MaxBytesForColumn = 1L << 10
  // Some hundred thousand names.
  final private val MaxCollectedBytes = 16L << 20
  final private val NameOverhead = 128

  /** Follows a name of which nothing is known yet. */
  private val nothing: Name = new NeverMatching

  /** Lets as many bytes of a word pass. */
  private def maskOf(bytes: Int): Long =
    if (bytes >= 8) -1L else if (bytes <= 0) 0L else -1L >>> (64 - 8 * bytes)

  /**
   * A feature's name, held as the bytes that stand before the feature in a map entry: the key's
   * tag and length, the key, and the value's tag.
   *
   * @param column the column that wants it, that plus the number of columns where the name
   *   differs from the column's in case, or [[NoColumn]]
   */
  sealed class Name(val key: Array[Byte], val column: Int) {

    /** The key, long enough to be loaded as words. */
    val padded: Array[Byte] = java.util.Arrays.copyOf(key, key.length + Slack)

    private[this] val prefix: Array[Byte] = {
      val bytes = new Array[Byte](1 + varintSize(key.length) + key.length + 1 + Slack)
      bytes(0) = Field1
      val at = writeVarint(bytes, 1, key.length)
      System.arraycopy(key, 0, bytes, at, key.length)
      bytes(at + key.length) = Field2
      bytes
    }

    /** The bytes from the entry's start to the feature's length. */
    val length: Int = prefix.length - Slack

    def text: String = new String(key, UTF_8)

    /** The name that followed this one in the last record. */
    var next: Name = nothing

    // Sixteen bytes hold most names with what is around them, and are compared without a loop.
    private[this] val word0 = load(prefix, 0)
    private[this] val word1 = load(prefix, 8)
    private[this] val mask0 = maskOf(length)
    private[this] val mask1 = maskOf(length - 8)

    /** Whether this name stands at `pos` of an entry in a record that ends at `end`. */
    def matches(bytes: Array[Byte], pos: Int, end: Int): Boolean =
      (((load(bytes, pos) ^ word0) & mask0) | ((load(bytes, pos + 8) ^ word1) & mask1)) == 0L &&
        (length <= 16 || restMatches(bytes, pos, end))

    private def restMatches(bytes: Array[Byte], pos: Int, end: Int): Boolean = {
      if (length > end - pos) return false
      var i = 16
      while (i < length) {
        if (((load(bytes, pos + i) ^ load(prefix, i)) & maskOf(length - i)) != 0L) return false
        i += 8
      }
      true
    }
  }

  /** A name that is nobody's and is found in no entry. */
  final private class NeverMatching extends Name(Array.emptyByteArray, Forgotten) {
    override def matches(bytes: Array[Byte], pos: Int, end: Int): Boolean = false
  }
}

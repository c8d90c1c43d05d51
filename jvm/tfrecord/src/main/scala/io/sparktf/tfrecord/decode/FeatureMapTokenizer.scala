package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.wire.WireFormat._

/**
 * Finds the entries of a serialized map from names to messages: for each column the bytes of its
 * message. What no column wants is skipped by its length.
 *
 * {{{
 * message Features     { map<string, Feature> feature = 1; }            // entry: { key = 1;
 * message FeatureLists { map<string, FeatureList> feature_list = 1; }   //          value = 2; }
 * }}}
 *
 * Of duplicate keys the last counts, as in protobuf's maps.
 */
final private[tfrecord] class FeatureMapTokenizer(names: FeatureNames) {
  import FeatureNames.Name

  private[this] val numColumns = names.numColumns
  // The second half is for features whose name differs from their column's in case.
  private[this] var starts = new Array[Int](math.max(2 * numColumns, 16))
  private[this] var ends = new Array[Int](starts.length)
  private[this] val otherCase = new Array[Name](numColumns)
  private[this] val otherCaseRival = new Array[Name](numColumns)
  private[this] var sawOtherCase = false
  java.util.Arrays.fill(starts, -1)

  /** Where the column's message begins, or -1 where the map has none. */
  def start(column: Int): Int = starts(column)
  def end(column: Int): Int = ends(column)

  /**
   * Finds the entries in `[mapStart, mapEnd)`, the content of the map's message. False where it is
   * not laid out as protobuf's own writers do: it may then be valid all the same, and
   * [[ExampleNormalizer]] tells.
   */
  def tokenize(bytes: Array[Byte], mapStart: Int, mapEnd: Int): Boolean = {
    if (names.numColumns > starts.length) grow(names.numColumns)
    java.util.Arrays.fill(starts, 0, if (sawOtherCase) starts.length else names.numColumns, -1)
    sawOtherCase = false
    var pos = mapStart
    var length = 0
    // No length is checked against the end before it is read: the buffer goes on behind the
    // record, and what was read there cannot pass the comparison that follows.
    var name = names.start
    while (pos < mapEnd) {
      val head = loadInt(bytes, pos)
      if ((head & 0x80ff) == Field1) { // its tag, and a length of one byte
        length = head >>> 8 & 0x7f
        pos += 2
      } else {
        val read = readDelimited(bytes, pos, mapEnd, Field1)
        if (read < 0) return false
        length = read.toInt
        pos = (read >>> 32).toInt
      }
      if (length > mapEnd - pos) return false
      val entryEnd = pos + length
      var next = name.next
      if (!next.matches(bytes, pos, mapEnd)) {
        next = names.find(bytes, pos, entryEnd)
        if (next eq null) return false
        name.next = next
      }
      name = next
      // A remembered name may have been found in bytes behind the entry.
      if (name.length >= length) return false
      if (name.column != FeatureNames.Forgotten) {
        // The value must be all that follows, also where no column wants it: behind it could
        // stand another key, which would count in the place of this one.
        pos += name.length
        length = bytes(pos).toInt
        pos += 1
        if (length < 0) {
          val read = readLength(bytes, pos - 1, entryEnd)
          length = read.toInt
          pos = (read >>> 32).toInt
        }
        if (length != entryEnd - pos) return false
        if (name.column >= 0) accept(name, pos, entryEnd)
      }
      pos = entryEnd
    }
    if (sawOtherCase) resolveOtherCase()
    true
  }

  private def accept(name: Name, start: Int, end: Int): Unit = {
    val column = name.column
    if (column >= numColumns) acceptOther(name)
    starts(column) = start
    ends(column) = end
  }

  /** A name that was collected or differs from its column's in case. */
  private def acceptOther(name: Name): Unit = {
    val column = name.column
    if (column >= starts.length) grow(column)
    if (names.ignoreCase) acceptOtherCase(name, column - numColumns)
  }

  private def acceptOtherCase(name: Name, column: Int): Unit = {
    sawOtherCase = true
    if (starts(name.column) < 0) {
      otherCase(column) = name
      otherCaseRival(column) = null
    } else if (otherCase(column) ne name) {
      otherCaseRival(column) = name
    }
  }

  /** Takes the feature in another case for each column whose own name the record lacks. */
  private def resolveOtherCase(): Unit = {
    var column = 0
    while (column < numColumns) {
      if (starts(column) < 0 && starts(column + numColumns) >= 0) {
        val rival = otherCaseRival(column)
        if (rival ne null) {
          throw new MalformedMessageException(
            s"the features `${otherCase(column).text}` and `${rival.text}` differ only in case, " +
              "so either could be the column's: set spark.sql.caseSensitive=true"
          )
        }
        starts(column) = starts(column + numColumns)
        ends(column) = ends(column + numColumns)
      }
      column += 1
    }
  }

  private def grow(column: Int): Unit = {
    val old = starts.length
    starts = java.util.Arrays.copyOf(starts, math.max(column + 1, 2 * old))
    ends = java.util.Arrays.copyOf(ends, starts.length)
    java.util.Arrays.fill(starts, old, starts.length, -1)
  }
}

package io.sparktf.tfrecord.frame

import FrameReader.HeaderSize
import io.sparktf.tfrecord.AmbiguousRecordException

/**
 * A part of a file that is read apart from the rest: the records whose headers begin in it.
 *
 * @param from where the first one's does
 * @param until the first byte of the next part; `Long.MaxValue` for the last one, which ends with
 *   the file
 * @param size the file's bytes, as it was listed
 */
final private[tfrecord] class FrameSplit(
    val from: Long,
    val until: Long,
    sync: FrameSync,
    size: Long
) {

  /**
   * Makes sure that the following splits begin where this one ends, behind its last record:
   * [[FrameSync]] says why.
   *
   * @param records this split's, all of them read
   * @param readOn moves to the next record, as this split was read
   */
  def checkEnd(records: FrameReader, readOn: () => Boolean): Unit = {
    val end = records.position
    val suspect = firstHeader(records, end)
    val found =
      try sync.first(if (suspect < 0) end else suspect, end + 1)
      finally sync.close()
    if (found >= 0 && found < end) {
      throw AmbiguousRecordException(records.file, size, records.offset, until, found)
    }
    if (found < 0 && end != size) {
      // The next split begins behind a damage, if at all: the error is the one of reading on.
      while (records.position < size && readOn()) {}
      // There is none where the checksums of lengths are not compared.
      throw AmbiguousRecordException.wrongLengths(records.file, size, end)
    }
  }

  /**
   * The offset of what looks like a header in the last record from [[until]] on, or -1. Where not
   * all of these bytes can be in the reader's buffer (one that skips does not read them, and the
   * largest record fills it) `until` itself.
   */
  private def firstHeader(records: FrameReader, end: Long): Long = {
    if (until == end) return -1
    // A header may reach into the next record's.
    val index = records.lookBack(until, HeaderSize)
    if (index < 0) return until
    val length = (end - until).toInt
    val last = math.min(length, records.limitOfBuffer - index - HeaderSize + 1)
    val found =
      FrameSync.nextHeader(records.buffer, index, index + last, size - until, new Checksum)
    if (found < 0) -1 else until + found - index
  }
}

package io.sparktf.tfrecord.decode

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.wire.{GrowingBuffer, RawBytes, WireFormat}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.types.StructType
import org.apache.spark.unsafe.Platform

/**
 * Builds `UnsafeRow`s in one reused buffer, in the layout that `UnsafeRow` documents: a bit per
 * field for null, eight bytes per field, then what has no fixed length, each piece zero-padded to
 * words. Equal rows have equal bytes, as Spark's hashing of rows demands.
 *
 * The partition values of a file, the same in each of its rows, are the trailing fields.
 */
final private[tfrecord] class RowBuilder(columns: StructType, partitionSchema: StructType) {
  private[this] val numDataFields = columns.length
  private[this] val numFields = numDataFields + partitionSchema.length
  private[this] val bitSetSize = UnsafeRow.calculateBitSetWidthInBytes(numFields)
  private[this] val fixedSize = bitSetSize + 8 * numFields
  private[this] val row = new UnsafeRow(numFields)

  private[this] val buffer = new GrowingBuffer(fixedSize + 256)
  buffer.skip(fixedSize)

  // The bits of the columns that are declared NOT NULL, or null where none is. Spark makes all columns of a
  // read nullable, but not those of a folder that a stream has written; and it takes their word for it.
  private[this] val notNull: Array[Long] = {
    val bits = new Array[Long](bitSetSize / 8)
    for (i <- 0 until numDataFields if !columns(i).nullable) bits(i >> 6) |= 1L << (i & 0x3f)
    if (bits.exists(_ != 0L)) bits else null
  }

  private[this] val partitionIsVariable =
    partitionSchema.map(f => !UnsafeRow.isFixedLength(f.dataType)).toArray
  private[this] val partitionFixedSize =
    UnsafeRow.calculateBitSetWidthInBytes(partitionSchema.length) + 8 * partitionSchema.length
  private[this] var partitionValues: UnsafeRow = _
  private[this] var partitionVariableSize = 0

  /** Where the next piece without a fixed length goes, from the row's start. */
  def position: Int = buffer.position

  /** The row's bytes, for what is set behind [[skip]]; another array once there is more. */
  def bytes: Array[Byte] = buffer.array

  /** Sets the trailing fields of all rows to come. */
  def setPartitionValues(values: InternalRow): Unit = if (partitionSchema.nonEmpty) {
    partitionValues = UnsafeProjection.create(partitionSchema)(values).copy()
    partitionVariableSize = partitionValues.getSizeInBytes - partitionFixedSize
  }

  /** Begins a row: no field is null, and all fields must be set. */
  def reset(): Unit = {
    var i = 0
    while (i < bitSetSize) {
      RawBytes.putLong(buffer.array, i, 0L)
      i += 8
    }
    buffer.truncate(fixedSize)
  }

  def setNull(field: Int): Unit = {
    setNullBit(field)
    setWord(field, 0L)
  }

  private def setNullBit(field: Int): Unit = {
    val bytes = buffer.array
    val at = (field >> 6) << 3
    RawBytes.putLong(bytes, at, RawBytes.getLong(bytes, at) | (1L << (field & 0x3f)))
  }

  /** Sets a field's eight bytes. */
  def setWord(field: Int, word: Long): Unit =
    RawBytes.putLong(buffer.array, bitSetSize + 8 * field, word)

  /** Sets a field of `size` bytes, the rest of its word zero. */
  def setSmall(field: Int, value: Long, size: Int): Unit =
    setWord(field, RowBuilder.smallWord(value, size))

  /** Sets a binary or string field. */
  def setBytes(field: Int, source: Array[Byte], start: Int, length: Int): Unit = {
    val from = buffer.position
    buffer.put(source, start, length)
    setVariable(field, from)
  }

  /** Makes a field refer to the bytes from `start` to the present position, and pads them. */
  def setVariable(field: Int, start: Int): Unit = {
    setWord(field, (start.toLong << 32) | (buffer.position - start))
    pad()
  }

  /** Moves the position over `size` bytes, which are then to be set. */
  def skip(size: Long): Unit = buffer.skip(size)

  /** Puts bytes at the position. */
  def put(source: Array[Byte], start: Int, length: Int): Unit = buffer.put(source, start, length)

  /** Fills the last word with zeros. */
  def pad(): Unit = buffer.padToWord()

  /**
   * The finished row, valid until the next one is begun.
   *
   * @throws MalformedMessageException where a column is null that is declared NOT NULL
   */
  def result(): UnsafeRow = {
    if (notNull ne null) refuseNulls()
    if (partitionValues ne null) appendPartitionValues()
    row.pointTo(buffer.array, Platform.BYTE_ARRAY_OFFSET, buffer.position)
    row
  }

  private def refuseNulls(): Unit = {
    var i = 0
    while (i < notNull.length) {
      val nulls = RawBytes.getLong(buffer.array, 8 * i) & notNull(i)
      if (nulls != 0L) {
        val field = columns(64 * i + java.lang.Long.numberOfTrailingZeros(nulls))
        throw new MalformedMessageException(
          s"column `${field.name}` (${field.dataType.simpleString}): it is declared NOT NULL, and there " +
            "is no value for it; declare it nullable"
        )
      }
      i += 1
    }
  }

  private def appendPartitionValues(): Unit = {
    val base = partitionValues.getBaseObject
    val fixed = partitionFixedSize
    val words = partitionValues.getBaseOffset + fixed - 8L * partitionIsVariable.length
    var i = 0
    while (i < partitionIsVariable.length) {
      val field = numDataFields + i
      val word = Platform.getLong(base, words + 8L * i)
      if (partitionValues.isNullAt(i)) setNullBit(field)
      // A field without a fixed length holds its bytes' offset from the row's start.
      val moves = partitionIsVariable(i) && word != 0L
      setWord(field, if (moves) word + ((buffer.position - fixed).toLong << 32) else word)
      i += 1
    }
    buffer.putMemory(base, partitionValues.getBaseOffset + fixed, partitionVariableSize)
  }
}

private[tfrecord] object RowBuilder {

  /** The low `size` bytes of `value` at the low addresses of a word, zeros behind. */
  def smallWord(value: Long, size: Int): Long = {
    val low = value & (-1L >>> (64 - 8 * size))
    if (WireFormat.isLittleEndian) low else low << (64 - 8 * size)
  }
}

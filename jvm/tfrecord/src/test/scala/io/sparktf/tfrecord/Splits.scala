package io.sparktf.tfrecord

import scala.collection.mutable.ArrayBuffer
import scala.util.{Failure, Random, Success, Try}

import io.sparktf.tfrecord.frame.FrameReader
import io.sparktf.tfrecord.options.TFRecordOptions
import io.sparktf.tfrecord.source.RecordFile
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path

import Records._

/**
 * Reads the splits of files one by one, as the tasks of a query do, but without a query: thousands
 * of them in a second. What they should hold is read by tensorflow-hadoop, in one piece.
 */
trait Splits { this: TFRecordSuite =>
  import Splits.Record

  private val conf = MemoryFileSystem.register(new Configuration())
  protected val strict = new TFRecordOptions(Map.empty, conf)

  protected val lenient = new TFRecordOptions(Map("verifyChecksum" -> "false"), conf)

  protected def recordsOf(file: Array[Byte]): Vector[Record] = {
    val records = readRecords(file)
    records.zip(starts(records)).map { case (data, offset) => Record(offset, data.toSeq) }
  }

  /** Where the frames of the records begin, and where the last one ends. */
  protected def starts(records: Seq[Array[Byte]]): Vector[Long] =
    records.map(_.length + 16L).scanLeft(0L)(_ + _).toVector

  /** Where the splits of a file of `size` bytes begin, and the file's end, as Spark plans them. */
  protected def every(length: Long, size: Long): Vector[Long] =
    (0L until size by length).toVector :+ size

  /** The same for splits of all lengths. */
  protected def anywhere(random: Random, count: Int, size: Long): Vector[Long] =
    (Vector.fill(count)((random.nextDouble() * size).toLong) ++ Seq(0L, size)).distinct.sorted

  protected def sizeOf(file: Path): Long = file.getFileSystem(conf).getFileStatus(file).getLen

  /**
   * One split. The data of each record is asked for only where `skipping` is not.
   *
   * @param size the file's bytes as it was listed, where it has changed since
   */
  protected def readSplit(
      file: Path,
      start: Long,
      end: Long,
      options: TFRecordOptions = strict,
      skipping: Boolean = false,
      size: Option[Long] = None
  ): Vector[Record] = {
    val records = open(file, size.getOrElse(sizeOf(file)), start, end, options)
    try {
      val found = ArrayBuffer.empty[Record]
      while (if (skipping) records.skip() else records.next()) {
        val data =
          if (skipping) Nil
          else java.util.Arrays.copyOfRange(records.buffer, records.start, records.end).toSeq
        found += Record(records.offset, data)
      }
      assert(!records.next() && !records.skip(), "the end of a split stays its end")
      found.toVector
    } finally records.close()
  }

  protected def open(file: Path): FrameReader = open(file, sizeOf(file), 0, sizeOf(file), strict)

  private def open(
      file: Path,
      size: Long,
      start: Long,
      end: Long,
      options: TFRecordOptions
  ): FrameReader = new RecordFile(file, size, conf, options).open(start, end - start)

  /** All splits of the file: what each of them holds, or how it fails. */
  protected def readSplits(
      file: Path,
      edges: Seq[Long],
      options: TFRecordOptions = strict,
      skipping: Boolean = false
  ): Vector[Try[Vector[Record]]] =
    edges.zip(edges.tail).map { case (start, end) =>
      Try(readSplit(file, start, end, options, skipping))
    }.toVector

  /** Each split has the records whose headers begin in it, read and counted. */
  protected def assertSplits(file: Path, expected: Vector[Record], edges: Seq[Long]): Unit = {
    val offsets = expected.map(_.offset)
    for ((start, end) <- edges.zip(edges.tail)) {
      def clue = s"split [$start, $end) of ${sizeOf(file)} bytes, records at ${offsets.take(50)}: "
      val own = expected.filter(record => record.offset >= start && record.offset < end)
      // Without ScalaTest's description of thousands of records.
      if (withClue(clue)(readSplit(file, start, end)) != own) fail(clue + "other records")
      val counted = withClue(clue)(readSplit(file, start, end, skipping = true))
      assert(counted.map(_.offset) == own.map(_.offset), clue)
    }
  }

  /**
   * The splits together have each record once, or one of them fails; the errors, none if they have.
   */
  protected def assertSplitsOrError(
      file: Path,
      expected: Vector[Record],
      edges: Seq[Long],
      options: TFRecordOptions = strict,
      skipping: Boolean = false
  ): Vector[Throwable] = {
    val found = readSplits(file, edges, options, skipping)
    val errors = found.collect { case Failure(error) => error }
    if (errors.isEmpty) {
      val all = found.collect { case Success(records) => records }.flatten
      val same =
        if (skipping) all.map(_.offset) == expected.map(_.offset) else all == expected
      assert(same, s"other records, and no error, with splits at ${edges.take(50)}")
    }
    errors
  }

  /** Random bytes, zeros or ones: in zeros every eight bytes are a plausible length. */
  protected def content(random: Random, length: Int): Array[Byte] = {
    val bytes = new Array[Byte](length)
    random.nextInt(4) match {
      case 0 => ()
      case 1 => java.util.Arrays.fill(bytes, 1.toByte)
      case _ => random.nextBytes(bytes)
    }
    bytes
  }

  /** What a record may hold that looks like records of the file, `depth` deep in one another. */
  protected def nested(random: Random, depth: Int, scale: Int): Array[Byte] = {
    def some(limit: Int): Array[Byte] = content(random, random.nextInt(limit))
    if (depth == 0) some(scale)
    else {
      val inner =
        framed(Vector.fill(random.nextInt(6))(nested(random, random.nextInt(depth), scale)))
      random.nextInt(8) match {
        case 0 => some(20) ++ inner ++ some(20)
        case 1 => inner.drop(random.nextInt(inner.length + 1))
        case 2 => inner.dropRight(random.nextInt(inner.length + 1))
        case 3 => inner ++ header(random.nextInt(4 * scale).toLong) // may lead out of the record
        case 4 => some(30) ++ header(random.nextInt(4 * scale).toLong) ++ some(scale)
        case _ => inner
      }
    }
  }
}

object Splits {

  /** A record, and where its header begins. */
  final case class Record(offset: Long, data: Seq[Byte])
}

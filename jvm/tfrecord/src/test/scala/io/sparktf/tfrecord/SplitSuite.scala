package io.sparktf.tfrecord

import scala.util.{Failure, Random, Try}

import io.sparktf.tfrecord.wire.RawBytes
import org.apache.hadoop.fs.Path

import MemoryFileSystem.withFile
import Records._

/** One file is read in parallel from any byte on: each record once, or an error. */
@LocalOnly
@FormatOnly
class SplitSuite extends TFRecordSuite with Splits {

  private def randomRecords(random: Random): Vector[Array[Byte]] = {
    val lengths = Seq[() => Int](
      () => 0,
      () => random.nextInt(4),
      () => random.nextInt(300),
      () => 300,
      () => if (random.nextInt(5) == 0) 20000 else random.nextInt(50)
    )
    val length = lengths(random.nextInt(lengths.size))
    Vector.fill(1 + random.nextInt(40))(content(random, length()))
  }

  test("random files in random splits have the records of one sequential read") {
    val random = new Random(seed)
    for (_ <- 1 to 150) {
      val bytes = framed(randomRecords(random))
      withFile(bytes) { file =>
        val expected = recordsOf(bytes)
        val edges = Seq(
          every(math.max(1, bytes.length / 150) + random.nextInt(64), bytes.length),
          every(1 + random.nextInt(bytes.length), bytes.length),
          anywhere(random, 1 + random.nextInt(10), bytes.length)
        )
        edges.foreach(assertSplits(file, expected, _))
      }
    }
  }

  test("splits of 1 to 64 bytes: inside of headers, of records, and of nothing else") {
    val records =
      Vector("", "a", "bc", "", "", "a record longer than a split " * 3, "").map(_.getBytes)
    val bytes = framed(records)
    withFile(bytes) { file =>
      (1 to 64).foreach(length => assertSplits(file, recordsOf(bytes), every(length, bytes.length)))
    }
  }

  test("files larger than the buffers and the look-ahead, of small and of large records") {
    val random = new Random(seed)
    val sizes = Seq[() => Int](
      () => random.nextInt(600),
      () => 100000 + random.nextInt(500000),
      () => if (random.nextInt(400) == 0) 1500000 else 100
    )
    for (size <- sizes) {
      val records = Iterator.continually(content(random, size()))
        .scanLeft((Array.emptyByteArray, 0)) { case ((_, sum), next) => (next, sum + next.length) }
        .takeWhile(_._2 < 5000000).map(_._1).toVector
      val bytes = framed(records)
      withFile(bytes) { file =>
        val expected = recordsOf(bytes)
        assertSplits(file, expected, every(1 << 20, bytes.length))
        assertSplits(file, expected, anywhere(random, 8, bytes.length))
      }
    }
  }

  /** The error of reading the file in one piece. */
  private def sequential(file: Path, skipping: Boolean): Option[String] =
    Try(readSplit(file, 0, sizeOf(file), skipping = skipping)) match {
      case Failure(e: CorruptTFRecordException) => Some(e.getMessage)
      case other => assert(other.isSuccess); None
    }

  private def assertSameError(file: Path, edges: Seq[Long]): Unit =
    for (skipping <- Seq(false, true)) {
      val expected = sequential(file, skipping)
      val errors = readSplits(file, edges, skipping = skipping).collect { case Failure(e) => e }
      assert(errors.forall(_.isInstanceOf[CorruptTFRecordException]), errors)
      def clue = s"skipping=$skipping, ${sizeOf(file)} bytes, splits at ${edges.take(50)}"
      assert(errors.nonEmpty == expected.nonEmpty, clue)
      // Splits may add a hint to it.
      errors.map(_.getMessage).foreach(m => assert(m.startsWith(expected.get), clue))
    }

  test("damage anywhere is the error that a sequential read has, whichever split meets it") {
    val random = new Random(seed)
    for (_ <- 1 to 120) {
      val records = Vector.fill(2 + random.nextInt(12))(content(random, random.nextInt(60)))
      val whole = framed(records)
      val at = random.nextInt(whole.length)
      val damaged = random.nextInt(5) match {
        case 0 => whole.take(at)
        case 1 => whole.take(at) ++ Array.fill[Byte](1 + random.nextInt(40))(0) ++ whole.drop(at)
        case 2 => whole ++ Array.fill[Byte](1 + random.nextInt(40))(random.nextInt(2).toByte)
        case _ => whole.updated(at, (whole(at) ^ (1 << random.nextInt(8))).toByte)
      }
      if (damaged.nonEmpty) withFile(damaged) { file =>
        assertSameError(file, every(1 + random.nextInt(50), damaged.length))
        assertSameError(file, anywhere(random, 3, damaged.length))
      }
    }
  }

  test("damage far from a split's start, and a split of nothing but damage") {
    val random = new Random(seed)
    val records = Vector.fill(15000)(content(random, 250 + random.nextInt(100)))
    val whole = framed(records)
    val offsets = starts(records)
    for (
      damage <- Seq[Array[Byte] => Array[Byte]](
        _.updated(offsets(14000).toInt + 3, 77.toByte),
        _.updated(offsets(7000).toInt + 12, 77.toByte),
        _.patch(1500000, Seq.fill[Byte](1400000)(0), 1400000),
        _.dropRight(1)
      )
    ) withFile(damage(whole)) { file =>
      assertSameError(file, every(1 << 20, sizeOf(file)))
      assertSameError(file, every(1400001, sizeOf(file)))
      assertSameError(file, anywhere(random, 6, sizeOf(file)))
    }
  }

  test("data whose checksum is wrong, where checksums are not compared") {
    val bytes = framed(Vector.fill(30)("some data".getBytes))
    val changed = (0 until 30).foldLeft(bytes)((all, i) => all.updated(25 * i + 13, '?'.toByte))
    withFile(changed) { file =>
      for (length <- Seq(1, 7, 25, 40)) {
        val found = readSplits(file, every(length, bytes.length), lenient).flatMap(_.get)
        assert(found.map(r => r.offset -> new String(r.data.toArray)) ==
          (0 until 30).map(i => (25L * i) -> "s?me data"))
        assert(readSplits(file, every(length, bytes.length)).count(_.isFailure) > 0)
      }
    }
  }

  test("a file that grew or shrank after it was listed") {
    val whole = framed(Vector.fill(20)("some data".getBytes))
    withFile(whole) { file =>
      for (size <- 430L to 620L if size != 500; step <- Seq(30L, 100L, 250L)) {
        val counts = every(step, size).zip(every(step, size).tail)
          .map { case (start, end) => Try(readSplit(file, start, end, size = Some(size)).size) }
        val errors = counts.collect { case Failure(e) => e }
        if (size > 500) {
          assert(errors.nonEmpty && errors.forall(_.isInstanceOf[ChangedFileException]))
        } else if (size % 25 == 0) {
          assert(errors.isEmpty && counts.map(_.get).sum == size / 25)
        } else {
          assert(errors.nonEmpty && errors.forall(_.isInstanceOf[CorruptTFRecordException]))
        }
      }
    }
  }

  test("lengths whose checksums are wrong are taken on request, in splits too") {
    val whole = framed(Vector.tabulate(20)(i => s"some data $i".getBytes))
    val records = recordsOf(whole)
    val lengthChecksum = 8
    def wrong(of: Seq[Splits.Record]): Array[Byte] = of.foldLeft(whole) { (bytes, record) =>
      val at = record.offset.toInt + lengthChecksum
      bytes.updated(at, (bytes(at) ^ 1).toByte)
    }
    for (step <- Seq(30L, 100L, 250L)) {
      // As a writer makes them that computes them wrongly.
      withFile(wrong(records)) { file =>
        val edges = every(step, whole.length)
        assert(assertSplitsOrError(file, records, edges, lenient).isEmpty)
        assert(assertSplitsOrError(file, records, edges, lenient, skipping = true).isEmpty)
        assert(readSplits(file, edges).exists(_.isFailure))
      }
      for (one <- records) withFile(wrong(Seq(one))) { file =>
        val edges = every(step, whole.length)
        for (skipping <- Seq(false, true)) {
          // Nothing is wrong with the file for whoever reads it in one piece.
          assertSplitsOrError(file, records, edges, lenient, skipping).foreach { error =>
            assert(error.isInstanceOf[AmbiguousRecordException], error)
            assert(error.getMessage.contains("wrong checksum of its length"))
          }
        }
        assert(readSplit(file, 0, whole.length, lenient) == records)
      }
    }
  }

  test("a split costs little more than its own bytes, whatever the size of the file") {
    val random = new Random(seed)
    val megabyte = 1L << 20
    def bytesRead(file: Path, start: Long, skipping: Boolean): Long = {
      MemoryFileSystem.bytesRead.set(0)
      readSplit(file, start, start + 4 * megabyte, skipping = skipping)
      MemoryFileSystem.bytesRead.get
    }
    withFile(framed(Vector.fill(100000)(content(random, 320)))) { file =>
      for (start <- Seq(0, 8 * megabyte, 20 * megabyte); skipping <- Seq(false, true)) {
        val read = bytesRead(file, start, skipping)
        // With the smallest buffers, only the headers of what is skipped are read.
        val least = if (RawBytes.CHECKED && skipping) 0 else 4
        assert(read < 7.5 * megabyte && read > least * megabyte)
      }
    }
    // Counting large records goes over them, but for those that reach over the split's ends.
    withFile(framed(Vector.fill(60)(content(random, 500000)))) { file =>
      for (start <- Seq(0, 8 * megabyte, 20 * megabyte)) {
        assert(bytesRead(file, start, skipping = false) < 7.5 * megabyte)
        assert(bytesRead(file, start, skipping = true) < 4 * megabyte)
      }
    }
    // Nothing but the inside of a record.
    withFile(framed(Vector(content(random, 30000000)))) { file =>
      assert(bytesRead(file, 8 * megabyte, skipping = false) < 5 * megabyte)
    }
  }

  test("a small file gets a small buffer") {
    withFile(framed(Vector("one".getBytes))) { file =>
      val records = open(file)
      try assert(records.next() && records.buffer.length < 8192)
      finally records.close()
    }
  }
}

package io.sparktf.tfrecord

import java.nio.ByteBuffer
import java.nio.ByteOrder.LITTLE_ENDIAN
import java.util.zip.CRC32C

import scala.util.Random

import MemoryFileSystem.withFile
import Records._

/**
 * Splits begin at records of the file, never at what lies inside of them: files whose records hold
 * TFRecord bytes, in every split there can be.
 */
@LocalOnly
@FormatOnly
class SplitNestedSuite extends TFRecordSuite with Splits {

  private def plain(random: Random, count: Int, length: Int): Vector[Array[Byte]] =
    Vector.fill(count)(content(random, length))

  private def assertAllSplits(bytes: Array[Byte], lengths: Seq[Int]): Unit =
    withFile(bytes) { file =>
      val expected = recordsOf(bytes)
      lengths.foreach(length => assertSplits(file, expected, every(length, bytes.length)))
    }

  test("records nested one to four deep, in splits of every length") {
    val random = new Random(seed)
    for (depth <- 1 to 4) {
      def wrapped(record: Array[Byte]): Array[Byte] = (1 to depth).foldLeft(record)((inner, _) =>
        framed(Seq(inner, inner.take(9)))
      )
      val bytes = framed(plain(random, 3, 11).map(wrapped) ++ plain(random, 1, 5))
      assertAllSplits(bytes, (1 to 20) ++ Seq(31, 32, 33, 47, 64, 97, 255, bytes.length - 1))
    }
  }

  test("nested records that end exactly where a split does, or where the file does") {
    val random = new Random(seed)
    val inner = framed(plain(random, 4, 20))
    for (before <- Seq(0, 7); after <- Seq(0, 1, 4, 13)) {
      val container = content(random, before) ++ inner ++ content(random, after)
      // The container last, in the middle, and alone.
      for (
        records <- Seq(
          plain(random, 3, 17) :+ container,
          plain(random, 2, 17) ++ Vector(container) ++ plain(random, 2, 17),
          Vector(container),
          Vector(container, Array.emptyByteArray, container)
        )
      ) {
        val bytes = framed(records)
        withFile(bytes) { file =>
          val expected = recordsOf(bytes)
          val edges = starts(records).dropRight(1).flatMap { start =>
            (0 to 4).map(i => start + 12 + before + 36 * i)
          }.filter(_ < bytes.length)
          for (edge <- edges; shift <- -1 to 1; cut = edge + shift if cut > 0) {
            assertSplits(file, expected, Seq(0L, cut, bytes.length))
          }
          assertSplits(file, expected, (Seq(0L, bytes.length.toLong) ++ edges).distinct.sorted)
        }
      }
    }
  }

  test("random files of nested records in random splits") {
    val random = new Random(seed)
    var errorsAllowed = 0
    for (_ <- 1 to 150) {
      val scale = Seq(5, 40, 300)(random.nextInt(3))
      val records = Vector.fill(1 + random.nextInt(8))(nested(random, random.nextInt(4), scale))
      val bytes = framed(records)
      withFile(bytes) { file =>
        val expected = recordsOf(bytes)
        val fewest = math.max(1, bytes.length / 200)
        val edges = Seq(
          every(fewest + random.nextInt(64), bytes.length),
          every(1 + random.nextInt(bytes.length), bytes.length),
          anywhere(random, 1 + random.nextInt(20), bytes.length)
        )
        if (canBeTakenWrong(bytes, expected.map(_.offset))) {
          errorsAllowed += 1
          for (edge <- edges; skipping <- Seq(false, true)) {
            assertSplitsOrError(file, expected, edge, lenient, skipping)
          }
        } else {
          edges.foreach(assertSplits(file, expected, _))
        }
      }
    }
    assert(errorsAllowed < 40, "most files can only be read right")
  }

  /** Whether a header inside a record leads on, from header to header, to the file's end. */
  private def canBeTakenWrong(file: Array[Byte], offsets: Seq[Long]): Boolean = {
    val room = file ++ Array.fill[Byte](12)(-1)
    def leadsToEnd(offset: Long): Boolean = offset == file.length || offset < file.length && {
      val length = ByteBuffer.wrap(room, offset.toInt, 8).order(LITTLE_ENDIAN).getLong
      length >= 0 && length < file.length &&
      header(length).sameElements(room.slice(offset.toInt, offset.toInt + 12)) &&
      leadsToEnd(offset + 16 + length)
    }
    file.indices.exists(at => !offsets.contains(at) && leadsToEnd(at))
  }

  test("records larger than any look-ahead would be without looking into the file's first ones") {
    val random = new Random(seed)
    // Each holds 3 MB of small records, and their headers follow on one another for all of it.
    val container = framed(Vector.fill(10000)(content(random, 250 + random.nextInt(60))))
    val bytes = framed(Vector.fill(3)(container))
    withFile(bytes) { file =>
      val expected = recordsOf(bytes)
      assertSplits(file, expected, every(1000000, bytes.length))
      assertSplits(file, expected, anywhere(random, 6, bytes.length))
    }
  }

  test("a large record of nested ones behind small records is read right, or is a clear error") {
    val random = new Random(seed)
    val small = plain(random, 2000, 200)
    def container(size: Int): Array[Byte] = framed(Vector.fill(size / 216)(content(random, 200)))
    for ((size, fails) <- Seq(900000 -> false, 4000000 -> true)) {
      val records = small ++ Vector(container(size)) ++ small
      val bytes = framed(records)
      val inside = starts(records)(small.size) + 20000
      withFile(bytes) { file =>
        val expected = recordsOf(bytes)
        for (skipping <- Seq(false, true)) {
          val edges = Seq(0L, inside, bytes.length.toLong)
          val errors = assertSplitsOrError(file, expected, edges, skipping = skipping)
          assert(errors.nonEmpty == fails, s"$size bytes: $errors")
          // The split inside the record finds the record's end, and that it may be in one.
          errors.foreach {
            case e: AmbiguousRecordException =>
              Seq(
                "data.tfrecord",
                s"offset ${starts(records)(small.size)}",
                inside.toString,
                "spark.sql.files.maxPartitionBytes",
                bytes.length.toString
              )
                .foreach(word => assert(e.getMessage.contains(word)))
            case e => assert(e.getMessage.contains("holds TFRecord bytes"))
          }
          assert(errors.exists(_.isInstanceOf[AmbiguousRecordException]) == fails)
          assertSplits(file, expected, Seq(0L, starts(records)(small.size), bytes.length))
          assertSplits(file, expected, Seq(0L, starts(records)(small.size + 1), bytes.length))
        }
      }
    }
  }

  test("nested headers that lead to a record of the file are never taken for records") {
    val random = new Random(seed)
    var fooled = 0
    for (_ <- 1 to 200) {
      val small = plain(random, 6, 10 + random.nextInt(50))
      val at = random.nextInt(5)
      val to = at + 1 + random.nextInt(small.size - at)
      val pad = random.nextInt(30)
      // A nested frame whose data are the container's footer and the next frames up to `to`.
      val container = content(random, pad) ++ header(starts(small)(to) - starts(small)(at))
      val records = small.take(at) ++ Vector(container) ++ small.drop(at)
      val bytes = framed(records)
      withFile(bytes) { file =>
        val expected = recordsOf(bytes)
        val inside = starts(records)(at) + 12 + random.nextInt(pad + 1)
        for (
          edges <- Seq(
            Seq(0L, inside, bytes.length.toLong),
            every(1 + random.nextInt(60), bytes.length),
            anywhere(random, 5, bytes.length)
          );
          skipping <- Seq(false, true)
        ) {
          val errors = assertSplitsOrError(file, expected, edges, lenient, skipping)
          assert(errors.forall(e =>
            e.isInstanceOf[AmbiguousRecordException] || e.isInstanceOf[CorruptTFRecordException]
          ))
          if (errors.exists(_.isInstanceOf[AmbiguousRecordException])) fooled += 1
        }
      }
    }
    assert(fooled > 200, "the test is about files that can be taken wrong")
  }

  test("a header made of a record's last bytes and its checksum") {
    val random = new Random(seed)
    for (to <- 1 to 4; verify <- Seq(true, false)) {
      val small = plain(random, 4, 30)
      // From behind the container's footer, which is the checksum of this length too.
      val length = starts(small)(to) - 4
      val container = withChecksumOf(content(random, 20), header(length).take(8))
      val bytes = framed(container +: small)
      assert(bytes.slice(12 + container.length - 8, 16 + container.length)
        .sameElements(header(length)))
      withFile(bytes) { file =>
        val within = 12L + container.length - 8
        for (cut <- within - 3 to within + 13; skipping <- Seq(false, true)) {
          val edges = Seq(0L, cut, bytes.length.toLong)
          val options = if (verify) strict else lenient
          val errors = assertSplitsOrError(file, recordsOf(bytes), edges, options, skipping)
          assert(errors.exists(_.isInstanceOf[AmbiguousRecordException]) == (cut <= within), cut)
        }
      }
    }
  }

  /** Four bytes, `middle` and `end`, such that the whole has the CRC-32C that `end` has. */
  private def withChecksumOf(middle: Array[Byte], end: Array[Byte]): Array[Byte] = {
    def crc(bytes: Array[Byte]): Int = {
      val crc = new CRC32C
      crc.update(bytes, 0, bytes.length)
      crc.getValue.toInt
    }
    def whole(first: Int): Array[Byte] =
      ByteBuffer.allocate(4).putInt(first).array ++ middle ++ end
    // Each bit of the four bytes flips the same bits of the checksum, whatever the others are.
    val zero = crc(whole(0))
    var wanted = crc(end) ^ zero
    var flips = (0 until 32).map(bit => (1 << bit, crc(whole(1 << bit)) ^ zero))
    var first = 0
    for (bit <- 0 until 32) {
      val pivot = flips.find { case (_, flip) => (flip >>> bit & 1) == 1 }.get
      def reduced(pair: (Int, Int)): (Int, Int) =
        if ((pair._2 >>> bit & 1) == 0) pair else (pair._1 ^ pivot._1, pair._2 ^ pivot._2)
      flips = flips.filterNot(_ == pivot).map(reduced)
      if ((wanted >>> bit & 1) == 1) {
        first ^= pivot._1
        wanted ^= pivot._2
      }
    }
    whole(first).ensuring(crc(_) == crc(end))
  }

  test("many headers that lead nowhere are gone through once") {
    // 60000 nested headers, each of which leads over all that follow to a place that is none.
    val inner = framed(Vector.fill(60000)(Array.emptyByteArray)) ++ Array[Byte](1, 2, 3)
    val deep = framed(Vector.fill(3)(inner))
    val bytes = framed(Vector.fill(3)(deep) :+ Array[Byte](5))
    withFile(bytes) { file =>
      MemoryFileSystem.bytesRead.set(0)
      assertSplits(file, recordsOf(bytes), every(bytes.length / 3 + 7, bytes.length))
      assert(MemoryFileSystem.bytesRead.get < 100L * bytes.length)
    }
  }

  test("a wrong checksum of what was only taken for a record says so") {
    val random = new Random(seed)
    val frames = Vector.fill(300)(framed(Seq(content(random, 10000))))
    val inner = frames.map(frame => frame.updated(frame.length - 1, (frame.last ^ 1).toByte))
    val bytes = framed(plain(random, 10, 10000) :+ Wire.concat(inner: _*))
    withFile(bytes) { file =>
      val error = intercept[CorruptTFRecordException](readSplit(file, 1000000, 2000000))
      assert(error.getMessage.contains("read the file in one piece"))
      assert(readSplit(file, 0, bytes.length).size == 11)
    }
  }
}

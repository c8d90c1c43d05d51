package io.sparktf.tfrecord

import java.io.File

import io.sparktf.tfrecord.frame.FrameReader
import org.apache.spark.sql.Row

import Records._
import Wire._

/** Input made to use up the memory: an error, and the JVM goes on. */
@LocalOnly
@FormatOnly
class ExhaustionSuite extends TFRecordSuite {

  // Members of one gzip stream, so that gigabytes of zeros are made of one compressed piece.
  private val zeros = gzip(new Array[Byte](64 << 20))

  private def bomb(file: File, head: Array[Byte], members: Int): File =
    writeFile(file, concat(gzip(head) +: Seq.fill(members)(zeros): _*))

  private val good = framed(Seq(example("n" -> int64s(1)).toByteArray))

  test("a record that inflates to more than the heap holds", FormatOnlyTest) {
    withTempDir { folder =>
      val file = new File(folder, "bomb.tfrecord.gz")
      // The length is possible, its checksum right, and the bytes are there: 2 MiB of them.
      bomb(file, concat(good, header(FrameReader.MaxRecordLength)), 32)
      assert(file.length < (3 << 20))
      val needed = Runtime.getRuntime.maxMemory
      assert(needed < (3L << 30), "this test is for a heap that is less than the record twice")
      for (mode <- Seq("FAILFAST", "DROPMALFORMED")) {
        assertFails("bomb.tfrecord.gz", good.length, "memory", needed) {
          read(file, "n BIGINT", "mode" -> mode, "ignoreCorruptFiles" -> "true").collect()
        }
      }
      // Counting inflates it, keeps none of it, and finds no record behind it.
      val next = good.length + FrameReader.HeaderSize + FrameReader.MaxRecordLength +
        FrameReader.FooterSize
      assertFails("bomb.tfrecord.gz", next, "checksum")(read(file, "n BIGINT").count())
    }
  }

  test("gigabytes of zeros, and lengths beyond all bounds, compressed to little") {
    withTempDir { folder =>
      for ((length, i) <- Seq(0L, 1L << 31, 1L << 40, Long.MaxValue, -1L).zipWithIndex) {
        val head = if (length == 0) good else concat(good, header(length))
        val file = bomb(new File(folder, s"$i/bomb.tfrecord.gz"), head, 64)
        assertFails("bomb.tfrecord.gz", good.length)(read(file, "n BIGINT").collect())
        assertFails("bomb.tfrecord.gz", good.length)(read(file, "n BIGINT").count())
      }
    }
  }

  test("more names than a schema can have columns") {
    def names(from: Int, count: Int): Array[Byte] =
      features((from until from + count).map(i => entry(f"$i%07d", int64Kind(packedInts(1)))): _*)
    withTempDir { folder =>
      val file = new File(folder, "names.tfrecord")
      writeFile(file, framed(Seq(names(0, 200000))))
      assertFails("schema", "names.tfrecord", "different names")(infer(file))
      writeFile(file, framed((0 until 40).map(i => names(i * 5000, 5000))))
      assertFails("schema", "names.tfrecord", "different names")(infer(file))
      // Those that nobody asks for do no harm.
      assertRows(
        read(file, "`0000007` BIGINT, `0199999` BIGINT").where("`0199999` = 1 OR `0000007` = 1"),
        Row(1L, null),
        Row(null, 1L)
      )
    }
  }

  test("more spellings of a column's name than can be remembered") {
    val name = "abcdefghijklmnop"
    def spelling(i: Int): String =
      name.zipWithIndex.map { case (c, bit) => if ((i >> bit & 1) == 1) c.toUpper else c }.mkString
    withTempDir { folder =>
      val file = new File(folder, "spellings.tfrecord")
      val all = features(
        (1 until 1 << 16).map(i => entry(spelling(i), int64Kind(packedInts(i.toLong)))): _*
      )
      writeFile(file, framed(Seq(all)))
      assertFails("spellings.tfrecord", "caseSensitive")(read(file, s"$name BIGINT").collect())
      withConf("spark.sql.caseSensitive" -> "true") {
        assertRows(read(file, s"$name BIGINT, ${spelling(77)} BIGINT"), Row(null, 77L))
      }
    }
  }
}

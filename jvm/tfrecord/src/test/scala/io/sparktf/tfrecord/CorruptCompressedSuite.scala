package io.sparktf.tfrecord

import java.io.{File, InputStream, IOException}
import java.util.zip.CRC32

import org.apache.commons.compress.compressors.bzip2.BZip2CompressorOutputStream
import org.apache.hadoop.io.compress.{CompressionInputStream, GzipCodec}
import org.apache.spark.sql.Row
import org.apache.spark.sql.functions.col

import Records._

/** Damage that a decompressor may not tell from the end of the file. */
@LocalOnly
@FormatOnly
class CorruptCompressedSuite extends TFRecordSuite {

  private val schema = "n BIGINT, s STRING"
  private val rows = (0 until 4).map(i => Row(i.toLong, "text " * i)).toVector
  private val records: Vector[Array[Byte]] = rows.map { row =>
    example("n" -> int64s(row.getLong(0)), "s" -> strings(row.getString(1))).toByteArray
  }

  private val forms = Seq[(String, Array[Byte] => Array[Byte], Int)](
    ("gz", bytes => gzip(bytes), 8),
    ("deflate", bytes => zlib(bytes), 4)
  )

  /** Reads all files at once, and checks that each gave the first rows and no others. */
  private def assertFirstRows(ending: String, files: Seq[Array[Byte]]): Unit =
    withTempDir(folder => assertFirstRows(folder, ending, files))

  private def assertFirstRows(folder: File, ending: String, files: Seq[Array[Byte]]): Unit = {
    files.zipWithIndex.foreach { case (bytes, i) =>
      writeFile(new File(folder, s"$i.tfrecord.$ending"), bytes)
    }
    val found = read(folder, schema, "ignoreCorruptFiles" -> "true")
      .select(col("_metadata.file_name"), col("n"), col("s")).collect().toVector
      .groupBy(_.getString(0))
    found.foreach { case (file, some) =>
      assert(
        some.map(row => Shown.show(row.toSeq.tail)) ==
          rows.take(some.size).map(row => Shown.show(row.toSeq)),
        file
      )
    }
  }

  private def fails(name: String, bytes: Array[Byte]): Unit = withTempDir { folder =>
    val file = writeFile(new File(folder, name), bytes)
    assertFails(name)(read(file, schema).collect())
    assertFails(name)(read(file, schema).count())
  }

  for ((ending, compress, trailer) <- forms) {
    val whole = compress(framed(records))

    test(s"a .$ending file with a flipped bit never gives another row") {
      assertFirstRows(
        ending,
        for (offset <- whole.indices; bit <- 0 until 8)
          yield whole.updated(offset, (whole(offset) ^ (1 << bit)).toByte)
      )
    }

    test(s"a .$ending file that is cut gives an error, wherever the cut is") {
      assertFirstRows(ending, whole.indices.map(cut => whole.take(cut)))
      val cuts = Seq(1, 2, 5, whole.length / 2) ++
        (whole.length - trailer - 1 until whole.length)
      cuts.foreach(cut =>
        withClue(s"cut at $cut: ") {
          fails(s"data.tfrecord.$ending", whole.take(cut))
        }
      )
    }

    test(s"a .$ending file whose own checksum is wrong is an error") {
      (whole.length - trailer until whole.length).foreach { offset =>
        withClue(s"offset $offset: ") {
          fails(
            s"data.tfrecord.$ending",
            whole.updated(offset, (whole(offset) ^ 0x40).toByte)
          )
        }
      }
    }

    test(s"a .$ending file that goes on after its end is an error") {
      Seq(Array[Byte](7), "trailing text".getBytes, Array.tabulate[Byte](64)(_.toByte))
        .foreach(end => fails(s"data.tfrecord.$ending", whole ++ end))
    }

    test(s"records that are damaged inside a .$ending file name file and offset") {
      val plain = framed(records)
      val second = records.head.length + 16
      withTempDir { folder =>
        val name = s"data.tfrecord.$ending"
        for (offset <- Seq(second, second + 9, second + 14, second + records(1).length + 12)) {
          val damaged = plain.updated(offset, (plain(offset) ^ 1).toByte)
          val file = writeFile(new File(folder, s"at$offset/$name"), compress(damaged))
          assertFails(name, second)(read(file, schema).collect())
        }
        val cut = writeFile(new File(folder, s"cut/$name"), compress(plain.take(second + 20)))
        assertFails(name, second)(read(cut, schema).collect())
        assertFails(name, second)(read(cut, schema).count())
      }
    }
  }

  test("gzip of many members is one file, wherever the members begin") {
    val plain = framed(records)
    val cuts = Seq(Seq(0), Seq(plain.length), Seq(1), Seq(12, 13), Seq(30, 30, 60), Seq(90))
    withTempDir { folder =>
      for ((cut, i) <- cuts.zipWithIndex) {
        val edges = (0 +: cut :+ plain.length).sorted
        val members = edges.zip(edges.tail).map { case (from, to) => gzip(plain.slice(from, to)) }
        val file = writeFile(
          new File(folder, s"$i/data.tfrecord.gz"),
          Wire.concat(members: _*)
        )
        assertRows(read(file, schema), rows: _*)
        assert(read(file, schema).count() == rows.size)
      }
      // Of no size that a buffer of a power of two would end with.
      val many = (0 until 500).map(_ => gzip(plain))
      val file = writeFile(new File(folder, "many/data.tfrecord.gz"), Wire.concat(many: _*))
      assert(read(file, schema).collect().length == 500 * rows.size)
      assert(read(file, schema).count() == 500 * rows.size)
    }
  }

  test("gzip members without bytes among others, and zeros behind the last, are no end") {
    val empty = gzip(Array.emptyByteArray)
    val Vector(first, second) =
      Vector(records.take(2), records.drop(2)).map(some => gzip(framed(some)))
    val zeros = new Array[Byte](70000)
    withTempDir { folder =>
      val forms = Seq(
        Seq(first, empty, second),
        Seq(empty, first, second, empty),
        Seq(first, second, zeros),
        Seq(first, second, zeros.take(1))
      )
      for ((parts, i) <- forms.zipWithIndex) {
        val file = writeFile(new File(folder, s"$i/data.tfrecord.gz"), Wire.concat(parts: _*))
        assertRows(read(file, schema), rows: _*)
        assert(read(file, schema).count() == rows.size)
      }
    }
    fails("data.tfrecord.gz", Wire.concat(first, zeros, second))
    fails("data.tfrecord.gz", Wire.concat(first, zeros, Array[Byte](1)))
    fails("data.tfrecord.gz", Wire.concat(zeros.take(9), first))
  }

  test("zlib streams behind one another are one file, and zeros behind them are damage") {
    val Vector(first, second) =
      Vector(records.take(2), records.drop(2)).map(some => zlib(framed(some)))
    withTempDir { folder =>
      val bytes = Wire.concat(first, zlib(Array.emptyByteArray), second)
      val file = writeFile(new File(folder, "data.tfrecord.deflate"), bytes)
      assertRows(read(file, schema), rows: _*)
      assert(read(file, schema).count() == rows.size)
    }
    fails("data.tfrecord.deflate", Wire.concat(first, second, new Array[Byte](1)))
  }

  test("gzip headers with all that they may hold, and with a wrong checksum") {
    // Flags: header checksum, extra field, name, comment.
    val head = Wire.concat(
      Array[Byte](0x1f, 0x8b.toByte, 8, 0x1e, 1, 2, 3, 4, 0, 3),
      Array[Byte](5, 0) ++ "extra".getBytes,
      "name".getBytes :+ 0.toByte,
      "a comment".getBytes :+ 0.toByte
    )
    val crc = new CRC32
    crc.update(head)
    val sum = Array(crc.getValue.toByte, (crc.getValue >> 8).toByte)
    val body = gzip(framed(records)).drop(10)
    withTempDir { folder =>
      val file = writeFile(new File(folder, "data.tfrecord.gz"), Wire.concat(head, sum, body))
      assertRows(read(file, schema), rows: _*)
    }
    fails("data.tfrecord.gz", Wire.concat(head, sum.reverse, body))
    fails("data.tfrecord.gz", head.dropRight(3))
  }

  test("a damaged header of a later gzip member is an error, not the end of the file") {
    val first = gzip(framed(records.take(2)))
    val second = gzip(framed(records.drop(2)))
    for (offset <- Seq(0, 1, 2)) { // the magic number and the method
      val damaged = second.updated(offset, (second(offset) ^ 0xe0).toByte)
      withClue(s"offset $offset: ")(fails("data.tfrecord.gz", first ++ damaged))
    }
    for (cut <- Seq(1, 2, 9, 12, second.length - 1)) {
      withClue(s"cut at $cut: ")(fails("data.tfrecord.gz", first ++ second.take(cut)))
    }
  }

  test("a codec that looks at the first bytes when it is opened") {
    val codecs = "io.compression.codecs" -> classOf[HeaderCodec].getName
    withTempDir { folder =>
      val packed = "head".getBytes ++ gzip(framed(records))
      val file = writeFile(new File(folder, "data.tfrecord.headed"), packed)
      assertRows(read(file, schema, codecs), rows: _*)
      writeFile(file, packed.drop(1))
      assertFails("data.tfrecord.headed", "HeaderCodec")(read(file, schema, codecs).collect())
      assertRows(read(file, schema, codecs, "mode" -> "DROPMALFORMED"))
    }
  }

  test("a bzip2 file that is cut or damaged where its first block begins is not an empty one") {
    def bzip2(bytes: Array[Byte]): Array[Byte] =
      through(bytes)(new BZip2CompressorOutputStream(_))
    val whole = bzip2(framed(records))
    withTempDir { folder =>
      val file = new File(folder, "data.tfrecord.bz2")
      assertRows(read(writeFile(file, whole), schema), rows: _*)
      assertRows(read(writeFile(file, bzip2(Array.emptyByteArray)), schema))
    }
    Seq(1, 4, 7, 10, 14, 20).foreach { cut =>
      withClue(s"cut at $cut: ")(fails("data.tfrecord.bz2", whole.take(cut)))
    }
    // The first four bytes are a header that Hadoop does not insist on.
    Seq(4, 9).foreach { offset =>
      withClue(s"offset $offset: ") {
        fails("data.tfrecord.bz2", whole.updated(offset, (whole(offset) ^ 2).toByte))
      }
    }
  }
}

/** Gzip behind four bytes of its own, without which it does not begin to read. */
class HeaderCodec extends GzipCodec {
  override def getDefaultExtension: String = ".headed"

  override def createInputStream(in: InputStream): CompressionInputStream = {
    val head = Array.fill(4)(in.read().toByte)
    if (new String(head) != "head") throw new IOException("there is no head")
    super.createInputStream(in)
  }
}

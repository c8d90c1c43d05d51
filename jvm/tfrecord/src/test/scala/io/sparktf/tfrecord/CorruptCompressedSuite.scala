package io.sparktf.tfrecord

import java.io.{File, InputStream, IOException}
import java.util.zip.CRC32

import org.apache.hadoop.io.compress.{CompressionInputStream, GzipCodec, Lz4Codec, SnappyCodec}
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
    ("deflate", bytes => zlib(bytes), 4),
    ("bz2", bytes => bzip2(bytes), 10)
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

    // A block of bzip2 has its checksum behind it, and a bit that turns the block around gives its rows in
    // another order until then.
    if (ending != "bz2") test(s"a .$ending file with a flipped bit never gives another row") {
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
      // The highest bit: of a bzip2 file's last byte it may be the only one that counts.
      (whole.length - trailer until whole.length).foreach { offset =>
        withClue(s"offset $offset: ") {
          fails(
            s"data.tfrecord.$ending",
            whole.updated(offset, (whole(offset) ^ 0x80).toByte)
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

  test("bzip2 streams behind one another are one file, and none is left out for damage") {
    // One of several streams is as one of several blocks, only that rows can begin with it.
    val Vector(first, second) =
      Vector(records.take(2), records.drop(2)).map(some => bzip2(framed(some)))
    withTempDir { folder =>
      val bytes = Wire.concat(first, bzip2(Array.emptyByteArray), second)
      val file = writeFile(new File(folder, "data.tfrecord.bz2"), bytes)
      assertRows(read(file, schema), rows: _*)
      assert(read(file, schema).count() == rows.size)
      writeFile(file, bzip2(Array.emptyByteArray))
      assertRows(read(file, schema))
      writeFile(file, Array.emptyByteArray)
      assertRows(read(file, schema))
    }
    // The marks of a stream and of a block. (Between them is the blocks' size.)
    for (offset <- Seq(0, 2, 4, 9); damaged = second.updated(offset, (second(offset) ^ 8).toByte)) {
      withClue(s"offset $offset: ") {
        fails("data.tfrecord.bz2", first ++ damaged)
        fails("data.tfrecord.bz2", damaged ++ first)
      }
    }
    for (cut <- Seq(1, 3, 4, 9, 10, 14, second.length / 2, second.length - 5)) {
      withClue(s"cut at $cut: ")(fails("data.tfrecord.bz2", first ++ second.take(cut)))
    }
  }

  for ((ending, codec) <- Seq("snappy" -> classOf[SnappyCodec], "lz4" -> classOf[Lz4Codec])) {
    val Vector(first, second) =
      Vector(records.take(2), records.drop(2)).map(some => through(codec, framed(some)))
    val name = s"data.tfrecord.$ending"

    test(
      s"a .$ending file that is cut inside of a block is an error, not one that ends before it"
    ) {
      (Seq(1, 3, 4, 5, 8, 9) :+ (second.length - 1)).foreach { cut =>
        withClue(s"cut at $cut: ")(fails(name, first ++ second.take(cut)))
      }
    }

    test(s"a .$ending file that goes on with zeros or with absurd lengths is an error") {
      // Four of them are what Hadoop may write.
      for (zeros <- Seq(1, 5, 8, 1000)) {
        withClue(s"$zeros zeros: ")(fails(name, first ++ new Array[Byte](zeros)))
      }
      val absurd = Array[Byte](0x7f, -1, -1, -16)
      fails(name, Wire.concat(first, absurd, absurd, second))
      fails(name, Wire.concat(first, second.take(4), absurd, second.drop(8)))
      fails(name, Wire.concat(first, absurd.map(_.unary_~.toByte), second.drop(4)))
      // A block of more bytes than it says.
      fails(name, first ++ second.updated(3, (second(3) - 1).toByte))
      fails(name, first ++ second.updated(3, (second(3) + 1).toByte))
    }

    test(s".$ending blocks without bytes and of many chunks, as Hadoop writes them, are read") {
      val large = new Array[Byte](1500000)
      new scala.util.Random(20151109).nextBytes(large)
      val big = example("n" -> int64s(7L), "s" -> bytes(large)).toByteArray
      val none = through(codec, Array.emptyByteArray)
      withTempDir { folder =>
        val file = writeFile(
          new File(folder, name),
          Wire.concat(none, none, through(codec, framed(Seq(big))), none, first, second, none)
        )
        val found = read(file, "n BIGINT, s BINARY")
        assert(found.select("n").collect().map(_.getLong(0)).toSeq == Seq(7L, 0L, 1L, 2L, 3L))
        assert(java.util.Arrays.equals(found.head().getAs[Array[Byte]](1), large))
        assert(found.count() == 5)
        assertRows(read(writeFile(file, none), schema))
        assertRows(read(writeFile(file, Array.emptyByteArray), schema))
        frame(schema, rows: _*).coalesce(1).write.format(source)
          .option("compression", codec.getName).save(s"$folder/out")
        assertRows(read(new File(folder, "out"), schema), rows: _*)
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

package io.sparktf.tfrecord

import java.io.{BufferedInputStream, File}
import java.nio.file.Files
import java.util.zip.{Deflater, DeflaterOutputStream}

import scala.util.Random

import org.apache.commons.compress.compressors.bzip2.BZip2CompressorInputStream
import org.apache.spark.sql.{DataFrame, Row}
import org.scalatest.Tag
import org.tensorflow.example.Example

import Records._

/** Compressed files, written for other readers and read from other writers. */
@FormatOnly
class CompressionSuite extends TFRecordSuite {

  private val hadoop = "org.apache.hadoop.io.compress"

  private def rows: DataFrame = frame(
    "n BIGINT, s STRING",
    (0 until 100).map(i => Row(i.toLong, "the same words over and over")): _*
  )

  private val messages: Vector[Example] = (0 until 100).map { i =>
    example("n" -> int64s(i.toLong), "s" -> strings("the same words over and over"))
  }.toVector

  /** The one file that a write with these options makes. */
  private def withFile(options: (String, String)*)(check: File => Unit): Unit =
    withTempDir { folder =>
      val out = new File(folder, "out")
      write(rows, out, options: _*)
      val files = dataFiles(out)
      assert(files.size == 1, files)
      check(files.head)
      assertRows(read(out, "n BIGINT, s STRING"), rows.collect().toSeq: _*)
    }

  private def start(file: File): Seq[Int] =
    Files.readAllBytes(file.toPath).take(2).map(_ & 0xff).toSeq

  private def parsed(file: File): Vector[Example] =
    readRecords(file).map(record => Example.parseFrom(record))

  test("nothing is compressed by default, whatever the cluster's default is") {
    val settings = Seq(
      "mapreduce.output.fileoutputformat.compress" -> "true",
      "mapreduce.output.fileoutputformat.compress.codec" -> s"$hadoop.GzipCodec",
      "mapreduce.output.fileoutputformat.compress.type" -> "BLOCK",
      "mapred.output.compress" -> "true"
    )
    val configuration = spark.sparkContext.hadoopConfiguration
    def plain(file: File): Unit = {
      assert(file.getName.endsWith(".tfrecord"))
      assert(parsed(file) == messages)
    }
    withFile()(plain)
    withConf(settings: _*)(withFile()(plain))
    settings.foreach { case (key, value) => configuration.set(key, value) }
    try {
      withFile()(plain)
      withFile("compression" -> "none")(plain)
      withFile("compression" -> "uncompressed")(plain)
    } finally settings.foreach { case (key, _) => configuration.unset(key) }
  }

  /** One spelling of each is enough on other file systems. */
  private def tags(option: (String, String)): Seq[Tag] =
    if (Seq("gzip", "zlib", "bzip2").map("compression" -> _).contains(option)) Nil
    else Seq(LocalOnlyTest)

  for (
    option <- Seq(
      "compression" -> "gzip",
      "compression" -> "GZIP",
      "compression" -> s"$hadoop.GzipCodec",
      "codec" -> s"$hadoop.GzipCodec",
      "codec" -> "gzip"
    )
  ) {
    test(s"${option._1}=${option._2} writes what java.util.zip calls gzip", tags(option): _*) {
      withFile(option) { file =>
        assert(file.getName.endsWith(".tfrecord.gz"))
        assert(start(file) == Seq(0x1f, 0x8b))
        assert(parsed(file) == messages)
      }
    }
  }

  for (
    option <- Seq(
      "compression" -> "deflate",
      "compression" -> "zlib",
      "compression" -> "ZLIB",
      "compression" -> s"$hadoop.DefaultCodec",
      "codec" -> s"$hadoop.DeflateCodec"
    )
  ) {
    test(s"${option._1}=${option._2} writes what java.util.zip calls zlib", tags(option): _*) {
      withFile(option) { file =>
        assert(file.getName.endsWith(".tfrecord.deflate"))
        val header = start(file)
        assert(header.head == 0x78 && (header.head * 256 + header(1)) % 31 == 0)
        assert(parsed(file) == messages)
      }
    }
  }

  for (option <- Seq("compression" -> "bzip2", "codec" -> s"$hadoop.BZip2Codec")) {
    test(s"${option._1}=${option._2} writes with Hadoop's codec", tags(option): _*) {
      withFile(option) { file =>
        assert(file.getName.endsWith(".tfrecord.bz2"))
        val input = new BZip2CompressorInputStream(
          new BufferedInputStream(Files.newInputStream(file.toPath))
        )
        try assert(readRecords(input).map(record => Example.parseFrom(record)) == messages)
        finally input.close()
      }
    }
  }

  test("a lower-case spelling of the options' names, and partitioned files") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      rows.selectExpr("n", "n % 2 AS part").coalesce(1).write.format(source)
        .option("COMPRESSION", "gzip").option("compressionlevel", 9)
        .partitionBy("part").save(out.getPath)
      val files = dataFiles(out)
      assert(files.forall(_.getName.endsWith(".tfrecord.gz")))
      assert(files.map(file => parsed(file).size) == Vector(50, 50))
    }
  }

  for (compression <- Seq("gzip", "zlib")) {
    test(s"compressionLevel decides how small $compression files are", LocalOnlyTest) {
      val random = new Random(3)
      val text = (0 until 3000).map { i =>
        s"user=${random.nextInt(500)} clicked item ${random.nextInt(5000)} at ${i * 37}"
      }.mkString("\n")
      val sizes = (1 to 9).map { level =>
        withTempDir { folder =>
          val out = new File(folder, "out")
          val options = Seq("compression" -> compression, "compressionLevel" -> level.toString)
          write(frame("s STRING", Row(text)), out, options: _*)
          assert(readExamples(out) == Vector(example("s" -> strings(text))))
          dataFiles(out).map(_.length).sum
        }
      }
      assert(sizes == sizes.sorted.reverse && sizes.distinct.size > 5, sizes)
    }

    for (level <- Seq("0", "10", "-1", "best", "")) {
      test(
        s"compressionLevel='$level' is refused for $compression before anything is written",
        LocalOnlyTest
      ) {
        withTempDir { folder =>
          val out = new File(folder, "out")
          assertFails("compressionLevel", level) {
            write(rows, out, "compression" -> compression, "compressionLevel" -> level)
          }
          assert(!Store.exists(out))
        }
      }
    }
  }

  for (
    (option, value) <- Seq(
      "compression" -> "lzip",
      "compression" -> "no.such.Codec",
      "codec" -> "no.such.Codec",
      "compression" -> "java.lang.String",
      "codec" -> "java.lang.String",
      "compression" -> "auto"
    )
  ) {
    test(s"$option=$value is refused before anything is written", LocalOnlyTest) {
      withTempDir { folder =>
        val out = new File(folder, "out")
        assertFails(option, value)(write(rows, out, option -> value))
        assert(!Store.exists(out))
      }
    }
  }

  for (
    (name, file) <- Seq(
      "data.tfrecord.gz" -> gzip _,
      "data.gz" -> gzip _,
      "data.tfrecord.deflate" -> zlib _,
      "data.tfrecord" -> gzip _,
      "data" -> gzip _,
      "data.tfrecord" -> zlib _,
      "data" -> zlib _,
      "zlib.tfrecord.gz" -> zlib _,
      "gzip.tfrecord.deflate" -> gzip _
    )
  ) {
    for (content <- Seq("100 records" -> messages, "no record" -> Vector.empty[Example])) {
      val start = if (file(Array.empty[Byte]).head == 0x1f) "gzip" else "zlib"
      test(s"a $start file of ${content._1} named $name is read by its ending or its first bytes") {
        withTempDir { folder =>
          val records = framed(content._2.map(_.toByteArray))
          writeFile(new File(folder, name), file(records))
          val found = read(folder, "n BIGINT, s STRING")
          assertRows(found, rows.collect().take(content._2.size).toSeq: _*)
          assert(found.count() == content._2.size)
        }
      }
    }
  }

  test("plain bytes are plain, whatever a file's name says") {
    withTempDir { folder =>
      val records = framed(messages.map(_.toByteArray))
      for (ending <- Seq("gz", "deflate", "bz2", "snappy", "zst")) {
        val file = writeFile(new File(folder, s"$ending/data.tfrecord.$ending"), records)
        assertRows(read(file, "n BIGINT, s STRING"), rows.collect().toSeq: _*)
        assert(read(file, "n BIGINT").count() == 100)
        assert(infer(file).columns.toSeq == Seq("n", "s"))
      }
    }
  }

  test("compressed and plain files of one folder, whatever their level") {
    withTempDir { folder =>
      val records = framed(messages.map(_.toByteArray))
      writeFile(new File(folder, "a.tfrecord"), records)
      writeFile(new File(folder, "b.tfrecord.gz"), gzip(records))
      for (level <- 0 to 9) {
        val deflater = new Deflater(level)
        writeFile(
          new File(folder, s"level$level"),
          through(records)(new DeflaterOutputStream(_, deflater))
        )
      }
      assert(infer(folder).count() == 1200)
      assert(shown(infer(folder).groupBy("n").count()).forall(_.endsWith("Long(12)}")))
    }
  }

  // As little-endian lengths these are the first bytes of gzip and zlib streams.
  for (length <- Seq(0x8b1f, 0x088b1f, 0x0178, 0x5e78, 0x9c78, 0xda78)) {
    test(f"a record of 0x$length%x bytes does not make its file look compressed", LocalOnlyTest) {
      withTempDir { folder =>
        def sized(text: Int) = example("s" -> strings("x" * text))
        val text = length - (sized(length).getSerializedSize - length)
        val message = Seq(text, text + 1, text + 2, text + 3, text + 4)
          .map(sized).find(_.getSerializedSize == length).get
        writeExamples(new File(folder, "data.tfrecord"), message, example("s" -> strings("y")))
        assert(infer(folder).selectExpr("length(s)").collect().map(_.getInt(0)).last == 1)
        assert(infer(folder).count() == 2)
      }
    }
  }

  test("a compression that the read names is taken at its word") {
    withTempDir { folder =>
      val records = framed(messages.map(_.toByteArray))
      writeFile(new File(folder, "zipped/data.tfrecord"), gzip(records))
      writeFile(new File(folder, "plain/data.tfrecord"), records)
      val zipped = new File(folder, "zipped")
      for (option <- Seq("compression" -> "gzip", "codec" -> s"$hadoop.GzipCodec")) {
        assertRows(read(zipped, "n BIGINT, s STRING", option), rows.collect().toSeq: _*)
        assert(infer(zipped, option).columns.toSeq == Seq("n", "s"))
      }
      assertFails("data.tfrecord")(read(zipped, "n BIGINT", "compression" -> "none").collect())
      assertFails("data.tfrecord") {
        read(new File(folder, "plain"), "n BIGINT", "compression" -> "gzip").collect()
      }
      assertFails("compression", "lzip") {
        read(zipped, "n BIGINT", "compression" -> "lzip").collect()
      }
    }
  }
}

package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row

import Records._

/** An option that cannot work is refused when the query is planned, by its own name. */
@LocalOnly
class OptionFaultsSuite extends TFRecordSuite {

  private val readFaults = Seq(
    "recordType" -> "Bogus",
    "mode" -> "LENIENT",
    "verifyChecksum" -> "maybe",
    "verifyChecksum" -> "1",
    "compression" -> "lzip",
    "compression" -> "java.lang.String",
    "codec" -> "no.such.Codec"
  )

  readFaults.foreach { case (option, value) =>
    test(s"reading with $option=$value") {
      withTempDir { folder =>
        val file = writeFile(new File(folder, "data.tfrecord"), Array.empty[Byte])
        assertFails(option, value)(read(folder, "n BIGINT", option -> value).collect())
        assertFails(option, value)(read(folder, "n BIGINT", option -> value).count())
        assertFails(option, value) {
          read(folder, "n BIGINT", option.toUpperCase -> value).collect()
        }
        writeExamples(file, example("n" -> int64s(1)))
        assertFails(option, value)(infer(folder, option -> value))
      }
    }
  }

  private val writeFaults = Seq(
    "recordType" -> "Bogus",
    "compression" -> "lzip",
    "codec" -> "no.such.Codec",
    "compressionLevel" -> "11",
    "compressionLevel" -> "fast",
    "inexact" -> "maybe"
  )

  writeFaults.foreach { case (option, value) =>
    test(s"writing with $option=$value") {
      withTempDir { folder =>
        val out = new File(folder, "out")
        val options = if (option == "compressionLevel") Seq("compression" -> "gzip") else Nil
        assertFails(option, value) {
          write(frame("n BIGINT", Row(1L)), out, options :+ (option -> value): _*)
        }
        assert(!Store.exists(out))
      }
    }
  }

  test("options that contradict each other are refused by both names") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val codec = "codec" -> "org.apache.hadoop.io.compress.BZip2Codec"
      for (
        (one, other) <- Seq(
          ("compression" -> "gzip", codec),
          ("compressionLevel" -> "3", "compression" -> "none"),
          ("compressionLevel" -> "3", "compression" -> "bzip2")
        )
      ) {
        assertFails(one._1, other._1)(write(frame("n BIGINT", Row(1L)), out, one, other))
        assert(!Store.exists(out))
      }
      assertFails("compressionLevel", "compression") {
        write(frame("n BIGINT", Row(1L)), out, "compressionLevel" -> "3")
      }
      val same = "compression" -> "org.apache.hadoop.io.compress.BZip2Codec"
      write(frame("n BIGINT", Row(1L)), out, codec, same)
      assertRows(read(out, "n BIGINT"), Row(1L))
    }
  }

  test("an option of the other direction is none: a write's of reads, and a read's of writes") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val ofReads = Seq(
        "mode" -> "overwrite",
        "verifyChecksum" -> "maybe",
        "samplingRatio" -> "2",
        "sampleRecords" -> "0",
        "ignoreCorruptFiles" -> "perhaps"
      )
      write(frame("n BIGINT", Row(1L)), out, ofReads: _*)
      val ofWrites = Seq(
        "featureLists" -> "none",
        "compressionLevel" -> "11",
        "writeLocality" -> "local",
        "inexact" -> "maybe"
      )
      assertRows(read(out, "n BIGINT", ofWrites: _*), Row(1L))
      assertRows(infer(out, ofWrites: _*), Row(1L))
    }
  }

  test("the defaults, spelt out in any case, are no fault") {
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), example("n" -> int64s(1)))
      val defaults = Seq(
        "recordtype" -> "AUTO",
        "MODE" -> "failfast",
        "verifychecksum" -> "TRUE",
        "Compression" -> "Auto",
        "samplingratio" -> "1.0",
        "SAMPLERECORDS" -> "1000"
      )
      assertRows(read(folder, "n BIGINT", defaults: _*), Row(1L))
      assertRows(infer(folder, defaults: _*), Row(1L))
      val out = new File(folder, "out")
      write(frame("n BIGINT", Row(2L)), out, "RECORDTYPE" -> "example", "compression" -> "None")
      assert(readExamples(out) == Vector(example("n" -> int64s(2))))
    }
  }
}

package io.sparktf.tfrecord

import java.io.File
import java.util.concurrent.{CountDownLatch, TimeUnit}
import java.util.concurrent.atomic.AtomicLong

import org.apache.spark.scheduler.{SparkListener, SparkListenerJobEnd, SparkListenerTaskEnd}
import org.apache.spark.sql.Row
import org.apache.spark.sql.types._
import org.scalacheck.Gen
import org.tensorflow.example.{Example, Feature}

import Records._
import Wire.{byteStrings, bytesKind, entry, features, floatKind, int64Kind}
import Wire.{packedFloats, packedInts}

/** The schema that is found in the files when the reader names none. */
class InferenceSuite extends TFRecordSuite {

  private val all = "samplingRatio" -> "1.0"

  private def schemaOf(messages: Example*): StructType = withTempDir { folder =>
    writeExamples(new File(folder, "data.tfrecord"), messages: _*)
    val found = infer(folder)
    assert(infer(folder, all).schema == found.schema)
    assert(found.collect().length == messages.size)
    found.schema
  }

  private def typeOf(values: Feature*): DataType =
    schemaOf(values.map(feature => example("it" -> feature)): _*).apply("it").dataType

  test(
    "int64 is a long, float a float, bytes a string: one value a scalar, several an array",
    LocalOnlyTest
  ) {
    assert(typeOf(int64s(1), int64s(-1)) == LongType)
    assert(typeOf(floats(1)) == FloatType)
    assert(typeOf(strings("a"), strings("")) == StringType)
    assert(typeOf(int64s(1, 2)) == ArrayType(LongType))
    assert(typeOf(floats(1), floats(1, 2), floats(3)) == ArrayType(FloatType))
    assert(typeOf(strings("a"), strings("b"), strings("c", "d")) == ArrayType(StringType))
    // Lists of no value among those of one leave a scalar.
    assert(typeOf(int64s(), int64s(1), noKind) == LongType)
    assert(typeOf(floats(1, 2), floats()) == ArrayType(FloatType))
  }

  test("bytes are a string only when every value is valid UTF-8", LocalOnlyTest) {
    def text(values: Int*): Feature = bytes(values.map(_.toByte).toArray)
    val valid = Seq(
      strings("naïve 数学 😀\u0000\uFFFD"),
      text(0xc2, 0x80),
      text(0xe0, 0xa0, 0x80),
      text(0xed, 0x9f, 0xbf),
      text(0xf0, 0x90, 0x80, 0x80),
      text(0xf4, 0x8f, 0xbf, 0xbf),
      text()
    )
    assert(typeOf(valid: _*) == StringType)
    val invalid = Seq(
      text(0x80),
      text(0xc3),
      text(0xc0, 0x80),
      text(0xc1, 0xbf),
      text(0xe0, 0x9f, 0xbf),
      text(0xe2, 0x82),
      text(0xed, 0xa0, 0x80),
      text(0xf0, 0x8f, 0xbf, 0xbf),
      text(0xf0, 0x9f, 0x98),
      text(0xf4, 0x90, 0x80, 0x80),
      text(0xf5, 0x80, 0x80, 0x80),
      text(0xff),
      text('a', 0xc3, 'b')
    )
    for (feature <- invalid) {
      withClue(feature.toString)(assert(typeOf(strings("a"), feature, strings("b")) == BinaryType))
    }
    assert(typeOf(bytes("a".getBytes, Array(0xff.toByte))) == ArrayType(BinaryType))
  }

  test("columns are in the order in which the features first appear", LocalOnlyTest) {
    def record(names: String*): Array[Byte] =
      features(names.map(name => entry(name, int64Kind(packedInts(1)))): _*)
    withTempDir { folder =>
      writeFile(
        new File(folder, "data.tfrecord"),
        framed(Seq(
          record("zeta", "beta"),
          record("alpha", "zeta"),
          record("beta", "gamma", "alpha")
        ))
      )
      assert(infer(folder).columns.toSeq == Seq("zeta", "beta", "alpha", "gamma"))
      assert(infer(folder, all).columns.toSeq == Seq("zeta", "beta", "alpha", "gamma"))
    }
  }

  test("a feature that is seen only empty is left out", LocalOnlyTest) {
    assert(schemaOf(
      example("n" -> int64s(1), "none" -> noKind, "no_ints" -> int64s(), "no_floats" -> floats()),
      example("no_bytes" -> bytes(), "no_ints" -> noKind)
    ).fieldNames.toSeq == Seq("n"))
  }

  test("only what protobuf would make of a record counts", LocalOnlyTest) {
    withTempDir { folder =>
      writeFile(
        new File(folder, "data.tfrecord"),
        framed(Seq(
          features(
            entry("last", bytesKind(byteStrings("overruled", "twice"))),
            entry("last", int64Kind(packedInts(1))),
            entry("kind", Wire.concat(floatKind(packedFloats(1f, 2f)), int64Kind(packedInts(1)))),
            entry("merged", Wire.concat(int64Kind(packedInts(1)), int64Kind(packedInts(2))))
          )
        ))
      )
      assert(infer(folder).schema.map(field => field.name -> field.dataType) == Seq(
        "last" -> LongType,
        "kind" -> LongType,
        "merged" -> ArrayType(LongType)
      ))
      assertRows(infer(folder), Row(1L, 1L, Seq(1L, 2L)))
    }
  }

  private val kinds = Seq("int64" -> int64s(1), "float" -> floats(1), "bytes" -> strings("a"))

  test("text and numbers disagree: an error that names the feature, both kinds and a file") {
    for (
      (one, first) <- kinds; (other, second) <- kinds
      if one != other && (one == "bytes" || other == "bytes")
    ) {
      withTempDir { folder =>
        writeExamples(new File(folder, "alpha.tfrecord"), example("clicks" -> first))
        writeExamples(new File(folder, "beta.tfrecord"), example("clicks" -> second))
        for (options <- Seq(Nil, Seq(all))) {
          assertFails("clicks", one, other, ".tfrecord")(infer(folder, options: _*))
        }
      }
      withTempDir { folder =>
        writeExamples(
          new File(folder, "alpha.tfrecord"),
          example("clicks" -> first),
          example("clicks" -> second)
        )
        assertFails("clicks", one, other, "alpha.tfrecord")(infer(folder))
      }
    }
  }

  test("whole numbers in some records and floats in others are doubles") {
    val (whole, real) = (int64s(1L << 40), floats(0.5f))
    assert(typeOf(whole, real) == DoubleType)
    assert(typeOf(real, int64s(1, 2), real) == ArrayType(DoubleType))
    for (options <- Seq(Nil, Seq(all))) {
      withTempDir { folder =>
        writeExamples(new File(folder, "alpha.tfrecord"), example("fare" -> whole))
        writeExamples(new File(folder, "beta.tfrecord"), example("fare" -> real))
        assert(infer(folder, options: _*).schema == new StructType().add("fare", DoubleType))
        assertSameRows(infer(folder, options: _*), Row((1L << 40).toDouble), Row(0.5))
        writeExamples(new File(folder, "gamma.tfrecord"), example("fare" -> strings("7")))
        assertFails("fare", "bytes_list", "gamma")(infer(folder, options: _*))
      }
    }
    withTempDir { folder =>
      val steps = Seq(whole, noKind, real)
      writeSequences(new File(folder, "data.tfrecord"), sequence()("x" -> steps))
      assertRows(infer(folder), Row(Seq(Seq((1L << 40).toDouble), Seq(), Seq(0.5))))
    }
  }

  test("what a job's tasks send to the driver is as large for many files as for some") {
    def sent(folder: File): Long = {
      val size = new AtomicLong
      val ended = new CountDownLatch(1)
      val listener = new SparkListener {
        override def onTaskEnd(task: SparkListenerTaskEnd): Unit =
          size.addAndGet(task.taskMetrics.resultSize)
        override def onJobEnd(job: SparkListenerJobEnd): Unit = ended.countDown()
      }
      spark.sparkContext.addSparkListener(listener)
      try {
        assert(infer(folder, all).columns.length == 50)
        assert(ended.await(1, TimeUnit.MINUTES))
        size.get
      } finally spark.sparkContext.removeSparkListener(listener)
    }
    withTempDir { folder =>
      val record = example((0 until 50).map(i => s"feature $i" -> int64s(i)): _*)
      for (i <- 1 to 320) {
        val name = if (i <= 32) s"some/$i.tfrecord" else s"many/$i.tfrecord"
        writeExamples(new File(folder, name), record)
      }
      assert(sent(new File(folder, "many")) < 1.1 * sent(new File(folder, "some")))
    }
  }

  test(
    "an empty list of another kind: what is inferred can be read, or nothing is inferred",
    LocalOnlyTest
  ) {
    for (
      (one, empty) <- Seq("int64" -> int64s(), "float" -> floats(), "bytes" -> bytes());
      (other, full) <- kinds if one != other
    ) withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("clicks" -> empty),
        example("clicks" -> full)
      )
      scala.util.Try(infer(folder)) match {
        case scala.util.Success(found) => assert(found.collect().length == 2)
        case _ => assertFails("clicks", one, other)(infer(folder))
      }
    }
  }

  test("every file is looked at, not the first alone") {
    withTempDir { folder =>
      for (i <- 10 until 50) {
        val usual = example("n" -> int64s(i.toLong))
        val rare = example("n" -> int64s(1, 2), "extra" -> floats(1))
        writeExamples(new File(folder, s"$i.tfrecord"), usual, if (i == 29) rare else usual)
      }
      val schema = new StructType().add("n", ArrayType(LongType)).add("extra", FloatType)
      assert(infer(folder).schema == schema)
      assert(infer(folder, all).schema == schema)
      assert(infer(folder).collect().length == 80)
    }
  }

  test("sampleRecords bounds what is looked at, samplingRatio=1.0 looks at everything") {
    withTempDir { folder =>
      val usual = example("n" -> int64s(1))
      val messages = Seq.fill(4000)(usual) :+ example("n" -> int64s(1), "late" -> floats(1))
      writeExamples(new File(folder, "data.tfrecord"), messages: _*)
      assert(infer(folder).columns.toSeq == Seq("n"))
      assert(infer(folder, "sampleRecords" -> "10").columns.toSeq == Seq("n"))
      assert(infer(folder, "sampleRecords" -> "4001").columns.toSeq == Seq("n", "late"))
      assert(infer(folder, all).columns.toSeq == Seq("n", "late"))
      val half = infer(folder, "samplingRatio" -> "0.5")
      assert(half.columns.head == "n" && half.collect().length == 4001)
    }
  }

  for (
    (option, value) <- Seq(
      "samplingRatio" -> "0",
      "samplingRatio" -> "-1",
      "samplingRatio" -> "1.5",
      "samplingRatio" -> "NaN",
      "samplingRatio" -> "all",
      "sampleRecords" -> "0",
      "sampleRecords" -> "-5",
      "sampleRecords" -> "many",
      "sampleRecords" -> "1.5"
    )
  ) {
    test(s"$option=$value is refused, with a schema and without", LocalOnlyTest) {
      withTempDir { folder =>
        writeFile(new File(folder, "data.tfrecord"), Array.empty[Byte])
        assertFails(option, value)(read(folder, "n BIGINT", option -> value).collect())
        writeExamples(new File(folder, "data.tfrecord"), example("n" -> int64s(1)))
        assertFails(option, value)(infer(folder, option -> value))
      }
    }
  }

  test("a later record that the sample did not foresee is an error that names the column") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("clicks" -> int64s(1)),
        example("clicks" -> int64s(1, 2))
      )
      val found = infer(folder, "sampleRecords" -> "1")
      assert(found.schema("clicks").dataType == LongType)
      assertFails("data.tfrecord", "clicks", 2)(found.collect())
    }
  }

  test("files that a query would not read do not count") {
    withTempDir { folder =>
      writeExamples(new File(folder, "good.tfrecord"), example("n" -> int64s(1)))
      writeFile(new File(folder, "_SUCCESS"), Array.empty[Byte])
      writeFile(new File(folder, "_notes"), "not records".getBytes)
      writeFile(new File(folder, ".good.tfrecord.crc"), "not records".getBytes)
      assert(infer(folder).columns.toSeq == Seq("n"))
      assertRows(infer(folder), Row(1L))
      writeFile(new File(folder, "notes.txt"), "not records".getBytes)
      assertFails("notes.txt")(infer(folder))
      assertRows(infer(folder, "pathGlobFilter" -> "*.tfrecord"), Row(1L))
      assertRows(infer(folder, "ignoreCorruptFiles" -> "true"), Row(1L))
    }
  }

  test("files below, and files from before or after a time", NotOnS3) {
    withTempDir { folder =>
      val old = writeExamples(new File(folder, "old.tfrecord"), example("then" -> int64s(1)))
      writeExamples(new File(folder, "new.tfrecord"), example("now" -> int64s(2)))
      writeExamples(new File(folder, "deep/er.tfrecord"), example("below" -> int64s(3)))
      Store.setLastModified(old, 1000000000000L) // September 2001
      val border = "2010-01-01T00:00:00"
      assertRows(infer(folder, "modifiedBefore" -> border), Row(1L))
      assert(infer(folder, "modifiedBefore" -> border).columns.toSeq == Seq("then"))
      assert(infer(folder, "modifiedAfter" -> border).columns.toSeq == Seq("now"))
      assert(infer(folder).columns.toSet == Set("then", "now"))
      val everything = infer(folder, "recursiveFileLookup" -> "true")
      assert(everything.columns.toSet == Set("then", "now", "below"))
      assert(everything.count() == 3)
    }
  }

  test("compressed files, and partition columns after those of the files") {
    withTempDir { folder =>
      val record = framed(Seq(example("n" -> int64s(1)).toByteArray))
      writeFile(new File(folder, "day=1/data.tfrecord.gz"), gzip(record))
      writeFile(new File(folder, "day=2/data"), zlib(record))
      writeFile(new File(folder, "day=3/data.tfrecord"), record)
      assert(infer(folder).columns.toSeq == Seq("n", "day"))
      assertSameRows(infer(folder), Row(1L, 1), Row(1L, 2), Row(1L, 3))
    }
  }

  test("a folder without a file is an error that asks for a schema, and names folders below") {
    withTempDir { folder =>
      assertFails("infer", "manually")(infer(folder))
      writeExamples(new File(folder, "deep/er.tfrecord"), example("n" -> int64s(1)))
      assertFails("infer", "recursiveFileLookup=true", "manually")(infer(folder))
      assertRows(infer(folder, "recursiveFileLookup" -> "true"), Row(1L))
      Store.delete(new File(folder, "deep"))
      assertRows(read(folder, "n BIGINT"))
    }
  }

  test("what is inferred from random Examples reads them all", LocalOnlyTest) {
    val count = Gen.choose(0, 3)
    val names = Gen.oneOf("a", "b", "特徴量", "with.dot")
    // One kind to a name within a folder, and another in the next.
    def feature(kind: Int): Gen[Feature] = count.map { size =>
      kind match {
        case 0 => int64s((0 until size).map(_.toLong): _*)
        case 1 => floats((0 until size).map(_.toFloat): _*)
        case 2 => strings((0 until size).map(i => "v" * i): _*)
        case _ => bytes((0 until size).map(i => Array.fill[Byte](i)(-1)): _*)
      }
    }
    val folders = for {
      offset <- Gen.choose(0, 3)
      records <- Gen.listOfN(
        5,
        Gen.listOfN(
          4,
          names.flatMap(name =>
            feature((name.length + offset) % 4).map(value => name -> value)
          )
        )
      )
    } yield records.map(entries => example(entries: _*))
    draw(20, folders).foreach { messages =>
      withTempDir { folder =>
        writeExamples(new File(folder, "data.tfrecord"), messages: _*)
        val found = infer(folder, all)
        assertRows(found, messages.map(message => Shown.expected(message, found.schema)): _*)
        val seen = messages.flatMap(message => filledNames(message)).toSet
        assert(found.columns.toSet == seen)
      }
    }
    def filledNames(message: Example): Seq[String] = {
      val filled = new java.util.ArrayList[String]
      message.getFeatures.getFeatureMap.forEach { (name, feature) =>
        val values = feature.getInt64List.getValueCount + feature.getFloatList.getValueCount +
          feature.getBytesList.getValueCount
        if (values > 0) filled.add(name)
      }
      filled.toArray(Array.empty[String]).toSeq
    }
  }
}

package io.sparktf.tfrecord

import java.io.{EOFException, IOException, UncheckedIOException}

import org.apache.hadoop.fs.Path
import org.apache.hadoop.io.compress.SnappyCodec
import org.apache.spark.sql.{DataFrame, Row}
import org.scalatest.concurrent.Eventually.{eventually, timeout}
import org.scalatest.time.SpanSugar._

import MemoryFileSystem.{failingAt, openStreams, withFile}
import Records._

/**
 * A file system that fails is no damaged file: its own error ends the query in every mode. And
 * however a query ends, its files are closed.
 */
@LocalOnly
class FileSystemFaultsSuite extends TFRecordSuite {

  private val schema = "n BIGINT, b BINARY"
  private val rows = (0 until 400).map(n => Row(n.toLong, Array.tabulate(n)(i => (i * n).toByte)))
  private val messages = rows.map { row =>
    example("n" -> int64s(row.getLong(0)), "b" -> bytes(row.getAs[Array[Byte]](1))).toByteArray
  }
  private val plain = framed(messages)

  /** The file's name, its bytes, and the options to read it with. */
  private val forms = Seq(
    ("data.tfrecord", plain, Nil),
    ("data.tfrecord.gz", gzip(plain), Nil),
    ("data.tfrecord.deflate", zlib(plain), Nil),
    ("data.tfrecord.bz2", bzip2(plain), Nil),
    ("data.tfrecord.snappy", through(classOf[SnappyCodec], plain), Nil),
    ("only-magic", gzip(plain), Nil),
    ("named", zlib(plain), Seq("compression" -> "zlib"))
  )

  private val modes = Seq("FAILFAST", "DROPMALFORMED", "PERMISSIVE")

  private val errors = Seq[() => Exception](
    () => new IOException("the datanode is gone"),
    () => new EOFException("the datanode is gone"),
    () => new UncheckedIOException(new IOException("the datanode is gone"))
  )

  private def load(file: Path, options: (String, String)*): DataFrame = {
    MemoryFileSystem.register(spark.sparkContext.hadoopConfiguration)
    spark.read.format(source).schema(schema).options(options.toMap).load(file.toString)
  }

  private def assertOwnError(body: => Any): Unit = {
    assertFails("the datanode is gone")(body)
    val error = intercept[Exception](body)
    val causes = Iterator.iterate[Throwable](error)(_.getCause).takeWhile(_ != null).toVector
    // The data source's own errors begin with the file.
    assert(!causes.exists(cause => String.valueOf(cause.getMessage).startsWith("memory:")), causes)
  }

  /** Other tasks of a query that has failed may be about to end. */
  private def assertClosed(): Unit = eventually(timeout(30.seconds))(assert(openStreams.get == 0))

  for ((name, bytes, options) <- forms) {
    test(s"the file system's own error ends the query, not the file: $name") {
      withFile(bytes, name) { file =>
        assertSameRows(load(file, options: _*), rows: _*)
        for (error <- errors; mode <- modes) failingAt(bytes.length / 2, error()) {
          val found = load(file, options :+ ("mode" -> mode): _*)
          assertOwnError(found.collect())
          if (name.contains(".gz")) assertOwnError(found.count())
        }
        failingAt(3, errors.head())(assertOwnError(load(file, options: _*).collect()))
        failingAt(bytes.length / 2, errors.head())(inSplits(15000) {
          assertOwnError(load(file, options: _*).collect())
        })
        assertClosed()
      }
    }
  }

  test("also where a codec takes it for the end, or has it when it is opened") {
    withFile("BZh91AY&SY".getBytes ++ new Array[Byte](1000), "data.tfrecord.bz2") { file =>
      for (offset <- Seq(0, 2, 4, 9)) failingAt(offset, errors.head()) {
        withClue(offset)(assertOwnError(load(file).collect()))
        assertOwnError(load(file, "mode" -> "DROPMALFORMED").collect())
      }
      assertFails("data.tfrecord.bz2")(load(file).collect())
      assertClosed()
    }
  }

  test("a read that gives no byte is not the file's end, nor that of a gzip member's file") {
    val members = messages.map(message => gzip(framed(Seq(message))))
    withFile(Wire.concat(members: _*), "data.tfrecord.gz") { file =>
      assertSameRows(load(file), rows: _*)
      assert(load(file).count() == rows.size)
    }
  }

  test("inference ends with it too") {
    for ((name, bytes, options) <- forms; mode <- modes) withFile(bytes, name) { file =>
      MemoryFileSystem.register(spark.sparkContext.hadoopConfiguration)
      failingAt(bytes.length / 2, errors.head()) {
        assertOwnError {
          spark.read.format(source).options(options.toMap).option("mode", mode)
            .load(file.toString)
        }
      }
      assertClosed()
    }
  }

  test("files are closed: read to the end, left early, damaged, and in splits") {
    for ((name, bytes, options) <- forms) withFile(bytes, name) { file =>
      inSplits(15000) {
        val found = load(file, options: _*)
        assertSameRows(found, rows: _*)
        assertClosed()
        assert(found.count() == rows.size)
        assertClosed()
        assert(found.limit(3).collect().length == 3)
        assertClosed()
        assert(found.where("n = 2").head().getLong(0) == 2)
        assertClosed()
      }
      val half = bytes.take(bytes.length / 2)
      withFile(half, name) { file =>
        for (mode <- modes; splits <- Seq(false, true)) {
          def count(): Long =
            load(file, options :+ ("mode" -> mode): _*).where("n >= 0").count()
          def attempt(): Any = if (mode == "FAILFAST") assertFails(name)(count()) else count()
          if (splits) inSplits(15000)(attempt()) else attempt()
          assertClosed()
        }
      }
    }
  }
}

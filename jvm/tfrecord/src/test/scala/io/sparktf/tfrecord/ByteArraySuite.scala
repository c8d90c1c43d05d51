package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row
import org.apache.spark.sql.functions.{col, length}

import Records._

/** Records as bytes that nobody looks into. */
@LocalOnly
class ByteArraySuite extends TFRecordSuite {

  private val byteArrays = "recordType" -> "ByteArray"
  private val payloads: Vector[Array[Byte]] = Vector(
    Array[Byte](1, 2, 3),
    Array.emptyByteArray,
    Array.tabulate[Byte](300000)(i => (i * 31).toByte),
    framed(Seq("nested".getBytes))
  )

  test("the records of any TFRecord file come back as they are, without a schema") {
    withTempDir { folder =>
      val file = writeFile(new File(folder, "data.tfrecord"), framed(payloads))
      val found = infer(file, byteArrays)
      assert(found.schema.toDDL == "byteArray BINARY")
      assertRows(found, payloads.map(bytes => Row(bytes)): _*)
      assert(found.count() == payloads.length)
      assertRows(found.select(length(col("byteArray"))), payloads.map(b => Row(b.length)): _*)
    }
  }

  test("binary and string columns of any name are written as they are, and read so") {
    withTempDir { folder =>
      val out = new File(folder, "binary")
      write(frame("payload BINARY", payloads.map(bytes => Row(bytes)): _*), out, byteArrays)
      assert(readFolder(out).map(_.toSeq) == payloads.map(_.toSeq))
      assertRows(read(out, "payload BINARY", byteArrays), payloads.map(bytes => Row(bytes)): _*)

      val texts = new File(folder, "text")
      write(frame("text STRING", Row("数"), Row("")), texts, byteArrays)
      assert(readFolder(texts).map(bytes => new String(bytes, "UTF-8")) == Vector("数", ""))
      assertRows(read(texts, "text STRING", byteArrays), Row("数"), Row(""))
    }
  }

  test("with partition columns, which may be selected alone") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val rows = frame(
        "part INT, byteArray BINARY, kind STRING",
        Row(1, Array[Byte](1), "a"),
        Row(1, Array[Byte](2), null),
        Row(2, Array[Byte](), "a")
      )
      rows.write.format(source).options(Map(byteArrays)).partitionBy("part", "kind")
        .save(out.getPath)
      val found = infer(out, byteArrays)
      assert(found.schema.toDDL == "byteArray BINARY,part INT,kind STRING")
      assertSameRows(
        found.select("part", "byteArray", "kind"),
        rows.collect().toSeq: _*
      )
      assertSameRows(found.select("part", "kind"), Row(1, "a"), Row(1, null), Row(2, "a"))
      assertRows(found.where("part = 2").select("byteArray"), Row(Array[Byte]()))
      assert(found.where("kind = 'a'").count() == 2)
    }
  }

  test("anything but one binary or string column is refused when the query is planned") {
    withTempDir { folder =>
      val file = writeFile(new File(folder, "data.tfrecord"), Array.emptyByteArray)
      for (ddl <- Seq("a BINARY, b BINARY", "n BIGINT", "a ARRAY<BINARY>")) {
        assertFails("ByteArray", "one column", ddl.split(' ').head.toLowerCase) {
          read(file, ddl, byteArrays).collect()
        }
        val out = new File(folder, "out")
        assertFails("ByteArray", "one column", ddl.split(' ').head.toLowerCase) {
          write(frame(ddl), out, byteArrays)
        }
        assert(!Store.exists(out))
      }
    }
  }

  test("a null has no place in a record") {
    withTempDir { folder =>
      assertFails("`payload`", "null", "ByteArray") {
        write(frame("payload BINARY", Row(null)), new File(folder, "out"), byteArrays)
      }
    }
  }

  test("damage is an error here as well") {
    withTempDir { folder =>
      val bytes = framed(payloads)
      val file = writeFile(new File(folder, "data.tfrecord"), bytes.updated(13, 77.toByte))
      assertFails("data.tfrecord", "offset", 0)(infer(file, byteArrays).collect())
    }
  }

  test("the alias of Spark-TensorFlow-Connector is the same source") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      frame("n BIGINT, s STRING", Row(1L, "x")).write.format("tfrecords").save(out.getPath)
      assertRows(infer(out), Row(1L, "x"))
      assertRows(spark.read.format("tfrecords").load(out.getPath), Row(1L, "x"))
      assertRows(spark.sql(s"SELECT s FROM tfrecords.`$out`"), Row("x"))
    }
  }
}

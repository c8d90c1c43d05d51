package io.sparktf.tfrecord

import java.io.File
import java.util.Collections.singletonMap

import io.sparktf.tfrecord.JavaCaller.Digit
import org.apache.spark.sql.Row

import Records._

/** What a program in Java writes and reads. */
@LocalOnly
class JavaCallerSuite extends TableSuite {

  test("beans, written to partitions and read back, with a schema and without") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      JavaCaller.write(spark, out.getPath, new Digit(3, "three", 0.5f, 1), new Digit(1, null))
      JavaCaller.write(spark, out.getPath, new Digit(2, "two", 2, 3, 4, 5))
      assert(readExamples(new File(out, "label=3")) ==
        Vector(example("name" -> strings("three"), "pixels" -> floats(0.5f, 1))))
      assert(pathsIn(out).forall(_.endsWith(".tfrecord.gz")))
      val found = JavaCaller.read(spark, out.getPath)
      assert(found.size == 2)
      assert(found.get(0).getLabel == 2 && found.get(0).getName == "two")
      assert(found.get(1).getPixels.toSeq == Seq(0.5f, 1f))
      assert(JavaCaller.meanSize(spark, out.getPath) == 2)
      val checkpoint = new File(folder, "checkpoint").getPath
      val options = singletonMap("maxFilesPerTrigger", "1")
      assert(JavaCaller.countStream(spark, out.getPath, checkpoint, options) == 3)
      assert(JavaCaller.countStream(spark, out.getPath, checkpoint, options) == 0)
    }
  }

  test("rows of a schema built by hand, through a table") {
    withTable("payloads") {
      val found = JavaCaller.throughTable(spark, "payloads", Array[Byte](1, -1), Array[Byte]())
      assert(Shown.show(Seq(found.get(0), found.get(1))) ==
        Shown.show(Seq(Row(Array[Byte](), 0), Row(Array[Byte](1, -1), 2))))
    }
  }
}

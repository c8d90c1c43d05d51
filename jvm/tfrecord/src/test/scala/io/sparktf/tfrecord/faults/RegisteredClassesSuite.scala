package io.sparktf.tfrecord.faults

import java.io.File

import io.sparktf.tfrecord.Records._

/** A cluster whose serializer takes only classes that were registered with it. */
class RegisteredClassesSuite extends FaultSuite {

  test("inference by a job sends nothing that Kryo would have to know") {
    withTempDir { folder =>
      for (i <- 10 until 30) {
        val record = example("n" -> int64s(i), s"s$i" -> strings("x"))
        writeExamples(new File(folder, s"$i.tfrecord"), record)
      }
      withSession(
        "spark.serializer" -> "org.apache.spark.serializer.KryoSerializer",
        "spark.kryo.registrationRequired" -> "true"
      ) {
        val columns = (10 until 30).map(i => s"s$i").toSet + "n"
        assert(infer(folder).columns.toSet == columns)
        assert(infer(folder, "samplingRatio" -> "1.0").columns.toSet == columns)
        writeExamples(new File(folder, "30.tfrecord"), example("n" -> strings("one")))
        assertFails("`n`", "int64_list", "bytes_list", "30.tfrecord")(infer(folder))
      }
    }
  }
}

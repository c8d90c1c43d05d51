package io.sparktf.tfrecord.faults

import java.io.File

import io.sparktf.tfrecord._

/** A disk without room for what is written. */
class FullDiskSuite extends FaultSuite {

  for (
    (when, count, kilobytes, compression) <- Seq(
      ("in the middle of a file", 3000, 400, "none"),
      ("in the middle of a compressed file", 3000, 400, "gzip"),
      // Less in each file than is kept back before the first byte of it is written.
      ("when a file is closed", 400, 150, "none"),
      ("when a compressed file is closed", 400, 100, "zlib")
    )
  ) {
    test(s"the disk is full $when") {
      withTempDir { folder =>
        SmallDisk.withDisk(new File(folder, "disk"), kilobytes) { disk =>
          val out = new File(folder, "disk/out")
          def save(): Unit = Gate.rows(spark, 0, count, 4).write.format("tfrecord")
            .option("compression", compression).mode("overwrite").save(out.getPath)
          assertFails("No space left on device")(save())
          awaitTasks()
          assert(files(out).isEmpty)
          disk.resize(kilobytes = 20000)
          save()
          assertExactly(out, 0 until count)
        }
      }
    }
  }
}

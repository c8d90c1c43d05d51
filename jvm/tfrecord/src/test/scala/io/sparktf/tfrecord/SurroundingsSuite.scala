package io.sparktf.tfrecord

import java.io.File

import io.sparktf.tfrecord.wire.RawBytes
import org.apache.hadoop.fs.Path
import org.apache.spark.SparkEnv
import org.apache.spark.sql.Row
import org.scalatest.{BeforeAndAfterAllConfigMap, ConfigMap}

import Records._

/** That the suites run where the build says that they run. */
class SurroundingsSuite extends TFRecordSuite with BeforeAndAfterAllConfigMap {

  private var place: String = _
  private var entrance: String = _
  private var isChecked = false

  override protected def beforeAll(told: ConfigMap): Unit = {
    place = told.getWithDefault("on", "local")
    entrance = told.getWithDefault("by", "tfrecord")
    isChecked = told.getWithDefault("checked", "false").toBoolean
  }

  test("whether accesses to memory are checked") {
    assert(RawBytes.CHECKED == isChecked)
    if (isChecked) {
      val bytes = new Array[Byte](11)
      RawBytes.putLong(bytes, 3, 1)
      assert(intercept[IndexOutOfBoundsException](RawBytes.putLong(bytes, 4, 1)).getMessage ==
        "8 bytes at 4 of an array of 11")
      intercept[IndexOutOfBoundsException](RawBytes.getInt(bytes, -1))
    }
  }

  test("which entrance to the data source reads") {
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), example("n" -> int64s(1)))
      val plan = infer(folder).queryExecution.executedPlan.toString
      assert(
        plan.contains(if (entrance == "tfrecordv2") "BatchScan tfrecordv2"
        else "FileScan tfrecord"),
        plan
      )
    }
  }

  test("where the tasks and the files are") {
    val executors = spark.sparkContext.parallelize(1 to 8, 8)
      .map(_ => SparkEnv.get.executorId).collect().toSet
    assert(executors == (if (place == "cluster") Set("0", "1") else Set("driver")))
    withTempDir { folder =>
      val file = writeExamples(new File(folder, "data.tfrecord"), example("n" -> int64s(1)))
      val found = infer(file).selectExpr("n", "_metadata.file_path").collect().head
      assert(found.getLong(0) == 1)
      val scheme = new Path(found.getString(1)).toUri.getScheme
      assert(scheme == Map("hdfs" -> "hdfs", "s3" -> "s3a").getOrElse(place, "file"))
      if (scheme != "file") {
        assert(file.delete())
        assertRows(infer(file), Row(1L))
      }
    }
  }
}

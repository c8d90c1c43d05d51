package io.sparktf.savedmodel

import java.io.FileNotFoundException

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path}
import org.scalatest.BeforeAndAfterAll

import io.sparktf.tfrecord.Hdfs

class HdfsSuite extends ScoringSuite with BeforeAndAfterAll {
  private val rows = Models.rows("rows")
  private lazy val hdfs = new Hdfs(temporaryFolder(), datanodes = 1)
  private lazy val fs = FileSystem.get(new Path(hdfs.uri).toUri, new Configuration())

  override protected def afterAll(): Unit = hdfs.close()

  private def upload(from: java.nio.file.Path, to: String): String = {
    val target = new Path(s"${hdfs.uri}$to")
    fs.delete(target, true)
    fs.copyFromLocalFile(new Path(from.toUri), target)
    target.toString
  }

  private def fetch(uri: String): ModelFiles = ModelFiles.fetch(uri, new Configuration())

  test("a model is copied from HDFS once, and again when it was replaced") {
    val uri = upload(java.nio.file.Paths.get(Models.path("linear")), "/models/linear")
    assertClose(SavedModel.load(uri).predict(rows).flatten, Models.floats("linear"))
    assert(fetch(uri) eq fetch(uri))
    val before = fetch(uri)
    upload(java.nio.file.Paths.get(Models.path("linear_other")), "/models/linear")
    assertClose(SavedModel.load(uri).predict(rows).flatten, Models.floats("linear_other"))
    assert(fetch(uri).fingerprint != before.fingerprint)
    val session = spark
    import session.implicits._
    val scored = SavedModel.load(uri).transform(rows.toSeq.toDF("features"))
    assertClose(
      scored.select("output_0").collect().map(_.getSeq[Float](0).head),
      Models.floats("linear_other")
    )
  }

  test("a zip in HDFS") {
    val zip = temporaryFolder().resolve("linear.zip")
    Models.zip("linear", zip, "linear/")
    val uri = upload(zip, "/models/linear.zip")
    assertClose(SavedModel.load(uri).predict(rows).flatten, Models.floats("linear"))
  }

  test("paths with blanks, percent signs and letters beyond ASCII") {
    val from = java.nio.file.Paths.get(Models.path("linear"))
    val zip = temporaryFolder().resolve("linear.zip")
    Models.zip("linear", zip, "linear/")
    for (name <- Seq("my models", "100%", "a%20b", "mödel é", "日本 #1?x=y", "a+b&c")) {
      for (what <- Seq(from, zip)) {
        val uri = upload(what, s"/models/$name/${what.getFileName}")
        for (shown <- Seq(uri, new Path(uri).toUri.toString)) {
          assertClose(SavedModel.load(shown).predict(rows).flatten, Models.floats("linear"))
        }
      }
    }
  }

  test("nothing there, and no model") {
    intercept[FileNotFoundException](SavedModel.load(s"${hdfs.uri}/no/such/model"))
    fs.mkdirs(new Path(s"${hdfs.uri}/empty"))
    assert(
      failure(SavedModel.load(s"${hdfs.uri}/empty")).contains("there is no saved_model.pb in it")
    )
  }
}

package io.sparktf.savedmodel

import java.io.FileNotFoundException
import java.nio.file.{Files, Path, Paths}
import java.nio.file.attribute.FileTime

import scala.collection.mutable

class LoadSuite extends ScoringSuite {
  private val rows = Models.rows("rows")

  test("a model says what it takes and gives") {
    assert(linear.inputs.map(_.toString) == Seq("features: float32[?, 2]"))
    assert(linear.outputs.map(_.toString) == Seq("output_0: float32[?, 1]"))
  }

  test("models are loaded once, whatever the path to them") {
    linear.predict(rows)
    val before = ModelCache.loads.get
    val folder = temporaryFolder()
    Models.copy("linear", folder)
    assertClose(SavedModel.load(folder.toString).predict(rows).flatten, Models.floats("linear"))
    assertClose(SavedModel.load(s"file://$folder").predict(rows).flatten, Models.floats("linear"))
    assert(ModelCache.loads.get == before)
  }

  test("a model that is replaced under its path is another one") {
    val folder = temporaryFolder().resolve("model")
    Models.copy("linear", folder)
    val old = SavedModel.load(folder.toString)
    Models.copy("linear_other", folder)
    val replaced = SavedModel.load(folder.toString)
    assert(replaced.fingerprint != old.fingerprint)
    assertClose(replaced.predict(rows).flatten, Models.floats("linear_other"))
    assertClose(old.predict(rows).flatten, Models.floats("linear"))
  }

  test("a model with the names, sizes and times of another is not taken for it") {
    val folder = temporaryFolder().resolve("model")
    def put(name: String, note: String): Unit = {
      ModelFiles.filesBelow(Paths.get(Models.path(name))).foreach { file =>
        val to = folder.resolve(Paths.get(Models.path(name)).relativize(file).toString)
        Files.createDirectories(to.getParent)
        Files.write(to, Files.readAllBytes(file)) // as a copy that keeps times, and the file
      }
      Files.createDirectories(folder.resolve("assets"))
      Files.write(folder.resolve("assets/words.txt"), note.getBytes)
      ModelFiles.filesBelow(folder).foreach(Files.setLastModifiedTime(_, FileTime.fromMillis(0)))
    }
    put("linear", "a")
    val first = SavedModel.load(folder.toString)
    assert(SavedModel.load(folder.toString) == first)
    put("linear", "a")
    assert(first.withSignature("serve").fingerprint == first.fingerprint) // as it was
    put("linear", "b")
    assert(SavedModel.load(folder.toString).fingerprint != first.fingerprint)
    assert(failure(first.withSignature("serve")).contains("was changed while it was read"))
  }

  test("a path may be a symbolic link, and lead to another model later") {
    val folder = temporaryFolder()
    Models.copy("linear", folder.resolve("1"))
    Models.copy("linear_other", folder.resolve("2"))
    def link(name: String, to: String): String = {
      val path = folder.resolve(name)
      Files.deleteIfExists(path)
      Files.createSymbolicLink(path, folder.resolve(to)).toString
    }
    val (one, other) = (SavedModel.load(link("a", "1")), SavedModel.load(link("b", "2")))
    assert(one.fingerprint == linear.fingerprint && other.fingerprint != one.fingerprint)
    assertClose(one.predict(rows).flatten, Models.floats("linear"))
    assertClose(other.predict(rows).flatten, Models.floats("linear_other"))
    val later = SavedModel.load(link("a", "2"))
    assertClose(later.predict(rows).flatten, Models.floats("linear_other"))
    assertClose(one.withSignature("serve").predict(rows).flatten, Models.floats("linear"))
    // Links in the folder, as to the parts of a mounted volume.
    Files.move(folder.resolve("1/variables"), folder.resolve("variables"))
    Files.createSymbolicLink(folder.resolve("1/variables"), folder.resolve("variables"))
    val parts = SavedModel.load(folder.resolve("1").toString)
    assert(parts.fingerprint == linear.fingerprint)
  }

  test("a model that is replaced while it is loaded is an error, and so are its other signatures") {
    val folder = temporaryFolder().resolve("model")
    val path = folder.toString
    Models.copy("linear", folder)
    val old = SavedModel.load(path)
    Models.copy("module", folder)
    val files = ModelFiles.fetch(path, new org.apache.hadoop.conf.Configuration())
    Models.copy("linear_other", folder)
    val loads = ModelCache.loads.get
    val changed = "was changed while it was read: load it again"
    assert(failure(SavedModel.of(path, files, "serving_default", Seq("serve"))).contains(changed))
    assert(failure(old.withSignature("serve")).contains(changed))
    assert(ModelCache.loads.get == loads)
    assertClose(old.predict(rows).flatten, Models.floats("linear"))
    assertClose(SavedModel.load(path).predict(rows).flatten, Models.floats("linear_other"))
  }

  for (within <- Seq("", "linear/"))
    test(s"a zip with the model in '$within'") {
      val zip = temporaryFolder().resolve("model.zip")
      Models.zip("linear", zip, within)
      assertClose(SavedModel.load(zip.toString).predict(rows).flatten, Models.floats("linear"))
    }

  test("paths with blanks, percent signs and letters beyond ASCII") {
    for (name <- Seq("my model", "100%", "a%20b", "mödel é", "日本 #1?x=y", "v:1", "a+b&c")) {
      val folder = temporaryFolder().resolve(name)
      Models.copy("linear", folder.resolve("linear"))
      val zip = folder.resolve(s"$name.zip")
      Models.zip("linear", zip, s"$name/")
      for (path <- Seq(folder.resolve("linear"), zip)) {
        // As it is, as Hadoop and Spark write it, and as Java does.
        for (shown <- Seq(path.toString, s"file://$path", s"file:$path", path.toUri.toString)) {
          val model = SavedModel.load(shown)
          assert(model.path == shown)
          assertClose(model.predict(rows).flatten, Models.floats("linear"))
        }
      }
    }
  }

  test("of a file: URI that names two, the one that is written so is meant") {
    val folder = temporaryFolder()
    Models.copy("linear", folder.resolve("a b"))
    Models.copy("linear_other", folder.resolve("a%20b"))
    val found = SavedModel.load(s"file://$folder/a%20b").predict(rows).flatten
    assertClose(found, Models.floats("linear_other"))
  }

  test("of a zip of several models, none is taken") {
    val folder = temporaryFolder()
    for (name <- Seq("1", "2")) Models.copy("linear", folder.resolve("all").resolve(name))
    val zip = folder.resolve("all.zip")
    Models.zip(folder.resolve("all").toString, zip, "versions/")
    assert(failure(SavedModel.load(zip.toString)).contains("one is needed: versions/1, versions/2"))
  }

  test("a zip whose names lead out of it is refused") {
    val zip = temporaryFolder().resolve("evil.zip")
    Models.zip("linear", zip, "../../evil/")
    assert(failure(SavedModel.load(zip.toString)).contains("leads out of the model"))
  }

  test("many threads load a model once") {
    val folder = temporaryFolder()
    Models.copy("cnn", folder)
    Files.write(folder.resolve("notes.txt"), Array[Byte](1)) // not the model of other tests
    val before = ModelCache.loads.get
    val threads = (1 to 8).map { _ =>
      val thread = new Thread(() => SavedModel.load(folder.toString).predict(Models.rows("pixels")))
      thread.start()
      thread
    }
    threads.foreach(_.join())
    assert(ModelCache.loads.get == before + 1)
  }

  test("a model is sent once to an application, and again where that has failed") {
    val key = ModelKey("/models/a", temporaryFolder().toString, Seq("serve"))
    val sent = new java.util.concurrent.atomic.AtomicInteger
    def ship(application: String): Unit =
      ModelShipping.once(application, key)(sent.incrementAndGet(): Unit)
    intercept[java.io.IOException](
      ModelShipping.once("one", key)(throw new java.io.IOException("no space left"))
    )
    ship("one")
    assert(sent.get == 1)
    ship("one")
    assert(sent.get == 1)
    // Who comes meanwhile goes on when it is there, and not before.
    val begun = new java.util.concurrent.CountDownLatch(1)
    val second = new Thread(() => {
      begun.await()
      ship("another")
      sent.incrementAndGet(): Unit
    })
    val first = new Thread(() =>
      ModelShipping.once("another", key) {
        begun.countDown()
        val left = Set(Thread.State.BLOCKED, Thread.State.TERMINATED)
        while (!left(second.getState)) Thread.`yield`()
        sent.set(100)
      }
    )
    Seq(second, first).foreach(_.start())
    Seq(first, second).foreach(_.join())
    assert(sent.get == 101)
  }

  test("signatures and tags that there are not") {
    val path = Models.path("linear")
    val signature = failure(SavedModel.load(path, signature = "predict"))
    assert(signature.contains("has no signature 'predict'; it has: 'serve', 'serving_default'"))
    val tags = failure(SavedModel.load(path, tags = Seq("serve", "gpu")))
    assert(tags.contains("no graph with the tags 'serve', 'gpu'; it has: 'serve'"))
    val none = failure(SavedModel.load(Models.path("no_signature")))
    assert(none.contains("no signature 'serving_default'; it has none. Save it with model.export"))
  }

  test("nothing, and what is no SavedModel") {
    intercept[FileNotFoundException](SavedModel.load("/no/such/model"))
    assert(failure(SavedModel.load("/no/such/model")).contains("hdfs://host/models/linear"))
    val folder = temporaryFolder()
    assert(failure(SavedModel.load(folder.toString)).contains("it is empty"))
    Files.write(folder.resolve("model.keras"), Array[Byte](1))
    val other = failure(SavedModel.load(folder.toString))
    assert(other.contains("is no SavedModel") && other.contains("it holds model.keras"))
    assert(other.contains("model.export(path)"))
    val file = folder.resolve("model.keras").toString
    assert(failure(SavedModel.load(file)).contains("neither a folder nor a zip"))
    Files.write(folder.resolve("saved_model.pb"), "no protobuf message".getBytes)
    assert(failure(SavedModel.load(folder.toString)).contains("saved_model.pb is damaged"))
  }

  test("a model of Keras 3 that only Python can restore names the repair") {
    val message = failure(SavedModel.load(Models.path("not_restored")))
    assert(message.contains("do not restore the variables"))
    assert(message.contains("model.export(path)"))
    assert(message.contains("sparktf.repair_saved_model(src, dst)"))
  }

  test("signatures that cannot be columns") {
    val path = Models.path("refused")
    def refusal(signature: String) = failure(SavedModel.load(path, signature))
    assert(refusal("one_row").contains("its batches have 1 rows, and must have any number"))
    assert(refusal("sum").contains("y: float32[] cannot be a column"))
    assert(refusal("nothing").contains("signature 'nothing' has no inputs"))
    assert(refusal("complex").contains("no type of Spark holds complex64"))
  }

  for (name <- Seq("module", "keras2"))
    test(s"a model that is not of Keras 3: $name") {
      val model = SavedModel.load(Models.path(name))
      assertClose(model.predict(rows).flatten, Models.floats("linear"))
    }

  test("copies of many models do not add up, and a failed one leaves none") {
    val folder = temporaryFolder()
    def copies = TemporaryFolders.current.count(Files.exists(_))
    val before = copies
    val paths = (1 to 20).map { i =>
      val zip = folder.resolve(s"$i.zip")
      Models.zip("module", zip, "")
      ModelFiles.fetch(zip.toString, new org.apache.hadoop.conf.Configuration())
      zip
    }
    val first = paths.last.toString
    def fetched = ModelFiles.fetch(first, new org.apache.hadoop.conf.Configuration())
    assert(fetched eq fetched)
    val deadline = System.nanoTime + 30L * 1000 * 1000 * 1000
    while (copies > before + 8 && System.nanoTime < deadline) {
      System.gc()
      Thread.`yield`()
    }
    assert(copies <= before + 8)
    val known = TemporaryFolders.current
    val broken = folder.resolve("broken.zip")
    Models.zip("module", broken, "../../evil/")
    failure(SavedModel.load(broken.toString))
    val other = folder.resolve("other.zip")
    Files.write(other, Array[Byte](1))
    failure(SavedModel.load(other.toString))
    assert((TemporaryFolders.current -- known).isEmpty)
  }

  test("a small heap sets no limit to the memory of models") {
    linear.predict(rows)
    assert(org.bytedeco.javacpp.Pointer.maxPhysicalBytes == 0)
  }

  test("copies and native memory go when nothing refers to them") {
    val folder = temporaryFolder()
    val zip = folder.resolve("model.zip")
    Models.zip("cnn", zip, "")
    SavedModel.load(zip.toString)
    val before = TemporaryFolders.current.size
    val made = mutable.Set.empty[Path]
    def copies = made.count(Files.exists(_))
    for (i <- 1 to 5) {
      Models.zip(if (i % 2 == 0) "cnn" else "module", zip, "")
      SavedModel.load(zip.toString)
      made ++= TemporaryFolders.current
    }
    assert(made.size > before)
    val deadline = System.nanoTime + 30L * 1000 * 1000 * 1000
    while (copies > before && System.nanoTime < deadline) {
      System.gc()
      Thread.`yield`()
    }
    assert(copies <= before)
  }
}

package io.sparktf.savedmodel

import java.io.File
import java.nio.file.{Files, Path, Paths, StandardCopyOption}
import java.util.zip.{ZipEntry, ZipOutputStream}

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}

/** The models that src/test/python/make_models.py has made, and what it expects of them. */
object Models {
  private val folder = Paths.get(sys.props("sparktf.test.models"))

  private val expected: JsonNode =
    new ObjectMapper().readTree(folder.resolve("expected.json").toFile)

  def path(name: String): String = folder.resolve(name).toString

  def floats(name: String): Array[Float] = floatsOf(expected.get(name))

  def rows(name: String): Array[Array[Float]] = {
    val node = expected.get(name)
    Array.tabulate(node.size)(i => floatsOf(node.get(i)))
  }

  def bytes(name: String): Array[Byte] = {
    val node = expected.get(name)
    Array.tabulate(node.size)(i => node.get(i).asInt.toByte)
  }

  private def floatsOf(node: JsonNode): Array[Float] =
    Array.tabulate(node.size)(i => node.get(i).floatValue)

  /** Puts a copy of a model at `to`, in the place of what is there. */
  def copy(name: String, to: Path): Unit = {
    delete(to.toFile)
    val from = folder.resolve(name)
    ModelFiles.filesBelow(from).foreach { file =>
      val target = to.resolve(from.relativize(file).toString)
      Files.createDirectories(target.getParent)
      Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING)
    }
  }

  /** @param within the folder in the zip that the model is in, or "" */
  def zip(name: String, to: Path, within: String): Unit = {
    val from = folder.resolve(name)
    val out = new ZipOutputStream(Files.newOutputStream(to))
    ModelFiles.filesBelow(from).foreach { file =>
      out.putNextEntry(new ZipEntry(s"$within${from.relativize(file)}"))
      Files.copy(file, out)
    }
    out.close()
  }

  private def delete(file: File): Unit = {
    Option(file.listFiles).toSeq.flatten.foreach(delete)
    file.delete()
  }
}

package io.sparktf.savedmodel

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.ConcurrentHashMap
import java.util.zip.{Deflater, ZipEntry, ZipOutputStream}

import org.apache.spark.{SparkContext, SparkFiles}

/**
 * Brings a model's files from the driver to the executors, once to each, by Spark's own file server.
 * Executors then need no access to where the model lives, and all score the version that the driver
 * has seen.
 */
private[savedmodel] object ModelShipping {
  private val shipped = ConcurrentHashMap.newKeySet[(String, String)]()

  /** To be called on the driver before a task needs the model. */
  def ship(context: SparkContext, key: ModelKey, files: ModelFiles): Unit =
    if (!context.isLocal && shipped.add((context.applicationId, key.fingerprint))) {
      val zip = TemporaryFolders.create().resolve(s"${name(key)}.zip")
      pack(files.folder, zip)
      if (ModelFiles.fingerprint(files.folder) != key.fingerprint) {
        shipped.remove((context.applicationId, key.fingerprint))
        throw new IOException(s"${key.path} has changed since it was loaded: load it again")
      }
      context.addArchive(s"${zip.toUri}#${name(key)}")
    }

  /** The model's folder on an executor. */
  def shippedFolder(key: ModelKey): Path = {
    val folder = Paths.get(SparkFiles.get(name(key)))
    if (!Files.isDirectory(folder)) {
      throw new IllegalStateException(
        s"the model ${key.path} is not on this executor: make its function, scorer or DataFrame in " +
          "the Spark application that uses it"
      )
    }
    folder
  }

  private def name(key: ModelKey): String = s"sparktf-model-${key.fingerprint}"

  private def pack(folder: Path, zip: Path): Unit = {
    val out = new ZipOutputStream(Files.newOutputStream(zip))
    try {
      out.setLevel(Deflater.NO_COMPRESSION) // weights do not become smaller
      ModelFiles.filesBelow(folder).foreach { file =>
        out.putNextEntry(new ZipEntry(folder.relativize(file).toString))
        Files.copy(file, out)
        out.closeEntry()
      }
    } finally out.close()
  }
}

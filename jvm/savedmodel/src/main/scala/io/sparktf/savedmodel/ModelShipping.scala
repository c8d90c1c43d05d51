package io.sparktf.savedmodel

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.ConcurrentHashMap
import java.util.zip.{Deflater, ZipEntry, ZipOutputStream}

import org.apache.spark.{SparkContext, SparkFiles}
import org.apache.spark.scheduler.{SparkListener, SparkListenerApplicationEnd}

/**
 * Brings a model's files from the driver to the executors, once to each, by Spark's own file server.
 * Executors then need no access to where the model lives, and all score the version that the driver
 * has seen.
 */
private[savedmodel] object ModelShipping {
  private val shipped = new ConcurrentHashMap[(String, String), java.lang.Boolean]()

  /** To be called on the driver before a task needs the model. */
  def ship(context: SparkContext, key: ModelKey, files: ModelFiles): Unit =
    if (!context.isLocal) once(context.applicationId, key)(send(context, key, files))

  /** Who comes while it is being sent waits for that, and where it fails the next one does it again. */
  def once(application: String, key: ModelKey)(send: => Unit): Unit =
    shipped.computeIfAbsent(
      (application, key.fingerprint),
      _ => {
        send
        true
      }
    ): Unit

  private def send(context: SparkContext, key: ModelKey, files: ModelFiles): Unit = {
    val folder = TemporaryFolders.create()
    try {
      val zip = folder.resolve(s"${name(key)}.zip")
      pack(files.folder, zip)
      if (ModelFiles.fingerprint(files.folder) != key.fingerprint) {
        throw new IOException(s"${key.path} has changed since it was loaded: load it again")
      }
      context.addArchive(s"${zip.toUri}#${name(key)}")
    } catch {
      case e: Throwable =>
        TemporaryFolders.remove(folder)
        throw e
    }
    // Until then executors may come and ask for it.
    context.addSparkListener(new SparkListener {
      override def onApplicationEnd(end: SparkListenerApplicationEnd): Unit =
        TemporaryFolders.remove(folder)
    })
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

package io.sparktf.savedmodel

import java.lang.ref.Cleaner
import java.nio.file.{Files, Path}
import java.util.Comparator
import java.util.concurrent.ConcurrentHashMap

/** Folders that are removed when the JVM ends, or before. */
private[savedmodel] object TemporaryFolders {
  private val cleaner = Cleaner.create()
  private val folders = ConcurrentHashMap.newKeySet[Path]()

  Runtime.getRuntime.addShutdownHook(new Thread(() => folders.forEach(delete(_))))

  def create(): Path = {
    val folder = Files.createTempDirectory("sparktf-model-")
    folders.add(folder)
    folder
  }

  /** Those that have been created and not removed. */
  def current: Set[Path] = folders.toArray.map(_.asInstanceOf[Path]).toSet

  /** Removes the folder when nothing refers to `owner` any more. */
  def removeWith(owner: AnyRef, folder: Path): Unit = {
    cleaner.register(owner, new Removal(folder))
  }

  def remove(folder: Path): Unit = {
    delete(folder)
    folders.remove(folder)
  }

  final private class Removal(folder: Path) extends Runnable {
    override def run(): Unit = remove(folder)
  }

  private def delete(folder: Path): Unit =
    if (Files.exists(folder)) {
      val walk = Files.walk(folder)
      try walk.sorted(Comparator.reverseOrder[Path]()).forEach(p => Files.deleteIfExists(p): Unit)
      finally walk.close()
    }
}

package io.sparktf.tfrecord

import java.io.File
import java.nio.file.Files

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, FileSystem, LocalFileSystem, Path}

/**
 * The files of the tests as Spark sees them. The references that make and read files do so on the
 * local disk. Where Spark's paths mean another file system, a file that was made is copied there
 * under the same path, and a folder is copied from there before it is read.
 */
object Store {

  private lazy val remote: Option[FileSystem] = {
    val conf = new Configuration()
    TestSession.surroundings.settings.foreach { case (key, value) =>
      if (key.startsWith("spark.hadoop.")) conf.set(key.stripPrefix("spark.hadoop."), value)
    }
    Option(FileSystem.get(conf)).filterNot(_.isInstanceOf[LocalFileSystem])
  }

  private def path(file: File): Path = new Path(file.getPath)

  def createFolder(folder: File): Unit = remote.foreach(_.mkdirs(path(folder)))

  /** After a file was made on the local disk. */
  def put(file: File): Unit = remote.foreach { fs =>
    val out = fs.create(path(file), true)
    try Files.copy(file.toPath, out)
    finally out.close()
  }

  /** Before the local disk is looked at for what Spark wrote: a file, or a folder and all in it. */
  def fetch(file: File): Unit = remote.foreach { fs =>
    TestSession.delete(file.toPath)
    if (fs.exists(path(file))) copyFrom(fs, fs.getFileStatus(path(file)), file)
  }

  private def copyFrom(fs: FileSystem, from: FileStatus, to: File): Unit =
    if (from.isDirectory) {
      to.mkdirs()
      fs.listStatus(from.getPath).foreach(s => copyFrom(fs, s, new File(to, s.getPath.getName)))
    } else {
      to.getParentFile.mkdirs()
      val in = fs.open(from.getPath)
      try Files.copy(in, to.toPath)
      finally in.close()
    }

  def exists(file: File): Boolean = {
    fetch(file)
    file.exists
  }

  /** The names in a folder, hidden ones left out. */
  def list(folder: File): Seq[String] = {
    fetch(folder)
    folder.list().filterNot(_.startsWith(".")).sorted.toSeq
  }

  def delete(file: File): Unit = {
    TestSession.delete(file.toPath)
    remote.foreach(_.delete(path(file), true))
  }

  /** @param time in milliseconds since the epoch */
  def setLastModified(file: File, time: Long): Unit = {
    require(file.setLastModified(time), file)
    remote.foreach(_.setTimes(path(file), time, -1))
  }
}

package io.sparktf.savedmodel

import java.io.{FileNotFoundException, IOException, InputStream}
import java.math.BigInteger
import java.net.URI
import java.nio.file.{Files, NoSuchFileException, Path, Paths}
import java.nio.file.attribute.BasicFileAttributes
import java.security.MessageDigest
import java.util.concurrent.ConcurrentHashMap
import java.util.stream.Stream
import java.util.zip.ZipInputStream

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path => HadoopPath}

/**
 * A model's files on this machine. A copy is removed when nothing refers to this object any more,
 * or when the JVM ends.
 *
 * @param folder holds `saved_model.pb`
 * @param fingerprint of the names and contents of all its files
 */
final private[savedmodel] class ModelFiles private (val folder: Path, val fingerprint: String)

/**
 * Brings models to this machine: a folder of it is used where it is, one that Hadoop's file systems
 * have (hdfs, s3a, …) and a zip are copied once. They are copied again when what they are listed as
 * (names, lengths, times) has changed.
 */
private[savedmodel] object ModelFiles {
  final private case class Known(stamp: String, files: ModelFiles)

  private val known = new ConcurrentHashMap[String, Known]()

  /**
   * @param path a folder or a zip of one: a path of this machine, or a URI that Hadoop opens
   * @throws java.io.FileNotFoundException if there is nothing
   * @throws IllegalArgumentException if what is there is no SavedModel
   */
  def fetch(path: String, hadoop: => Configuration): ModelFiles = {
    val source = sourceOf(path, hadoop)
    known.compute(
      path,
      (_, before) => {
        val stamp = source.stamp()
        if (before != null && before.stamp == stamp && Files.isDirectory(before.files.folder)) {
          before
        } else {
          val found = source.find()
          val folder = found.folder
          if (!Files.isRegularFile(folder.resolve("saved_model.pb"))) noModel(path, folder)
          val files = new ModelFiles(folder, fingerprint(folder))
          found.copy.foreach(TemporaryFolders.removeWith(files, _))
          if (source.stamp() != stamp) {
            throw new IOException(s"$path was changed while it was read: load it again")
          }
          Known(stamp, files)
        }
      }
    ).files
  }

  /** Of the names and contents of all files below the folder. */
  def fingerprint(folder: Path): String = {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = new Array[Byte](1 << 20)
    filesBelow(folder).foreach { file =>
      digest.update(s"${folder.relativize(file)}\n${Files.size(file)}\n".getBytes("UTF-8"))
      val in = Files.newInputStream(file)
      try Iterator.continually(in.read(buffer)).takeWhile(_ >= 0).foreach { n =>
          digest.update(buffer, 0, n)
        }
      finally in.close()
    }
    String.format("%064x", new BigInteger(1, digest.digest())).take(32)
  }

  def filesBelow(folder: Path): Seq[Path] =
    paths(Files.walk(folder)).filter(Files.isRegularFile(_))

  private def paths(stream: Stream[Path]): Seq[Path] =
    try stream.toArray.toSeq.map(_.asInstanceOf[Path]).sortBy(_.toString)
    finally stream.close()

  private trait Source {

    /** Changes whenever the files do. */
    def stamp(): String

    def find(): Found
  }

  /** @param copy the folder of the copy, if it is one */
  final private case class Found(folder: Path, copy: Option[Path])

  private def sourceOf(path: String, hadoop: => Configuration): Source = {
    val scheme =
      try Option(new URI(path).getScheme).filter(_.length > 1) // C: is a drive
      catch { case _: java.net.URISyntaxException => None }
    scheme match {
      case None => local(path, Paths.get(path))
      case Some("file") => local(path, Paths.get(new URI(path).getPath))
      case _ => new Remote(path, hadoop)
    }
  }

  private def local(path: String, file: Path): Source = {
    if (!Files.exists(file)) {
      throw new FileNotFoundException(
        s"$path does not exist on this machine. A model elsewhere is named with its scheme, as in " +
          "hdfs://host/models/linear or s3a://bucket/linear"
      )
    }
    new Local(path, file.toAbsolutePath)
  }

  final private class Local(path: String, file: Path) extends Source {
    override def stamp(): String =
      (if (Files.isDirectory(file)) filesBelow(file) else Seq(file)).map { f =>
        try {
          val is = Files.readAttributes(f, classOf[BasicFileAttributes])
          s"$f ${is.size} ${is.lastModifiedTime.to(java.util.concurrent.TimeUnit.NANOSECONDS)} " +
            is.fileKey
        } catch {
          case _: NoSuchFileException => s"$f is gone"
        }
      }.mkString("\n")

    override def find(): Found =
      if (Files.isDirectory(file)) Found(file, None) else unzip(path, Files.newInputStream(file))
  }

  final private class Remote(path: String, conf: Configuration) extends Source {
    private val root = new HadoopPath(path)
    private val fs: FileSystem = root.getFileSystem(conf)
    private val qualified = fs.makeQualified(root)

    private def list() = {
      val status = fs.getFileStatus(root) // FileNotFoundException where there is nothing
      val files = fs.listFiles(root, true)
      Iterator.continually(files).takeWhile(_.hasNext).map(_.next()).toList
        .sortBy(_.getPath.toString) -> status.isDirectory
    }

    override def stamp(): String =
      list()._1.map(f => s"${f.getPath} ${f.getLen} ${f.getModificationTime}").mkString("\n")

    override def find(): Found = {
      val (files, isFolder) = list()
      if (!isFolder) unzip(path, fs.open(root))
      else {
        val folder = TemporaryFolders.create()
        files.foreach { status =>
          val name = qualified.toUri.relativize(fs.makeQualified(status.getPath).toUri).getPath
          val to = inside(folder, name, path)
          Files.createDirectories(to.getParent)
          val in = fs.open(status.getPath)
          try Files.copy(in, to)
          finally in.close()
        }
        Found(folder, Some(folder))
      }
    }
  }

  /** The folder in it that holds `saved_model.pb`, which may be one further down. */
  private def unzip(path: String, in: InputStream): Found = {
    val folder = TemporaryFolders.create()
    val zip = new ZipInputStream(in)
    var entries = 0
    try {
      Iterator.continually(zip.getNextEntry).takeWhile(_ != null).foreach { entry =>
        entries += 1
        val to = inside(folder, entry.getName, path)
        if (entry.isDirectory) Files.createDirectories(to)
        else {
          Files.createDirectories(to.getParent)
          Files.copy(zip, to)
        }
      }
    } finally zip.close()
    if (entries == 0) {
      throw new IllegalArgumentException(
        s"$path is neither a folder nor a zip of a SavedModel: give the folder that holds " +
          "saved_model.pb"
      )
    }
    val models = filesBelow(folder).filter(_.getFileName.toString == "saved_model.pb")
    val model = models.sortBy(_.getNameCount).headOption.getOrElse(noModel(path, folder))
    Found(model.getParent, Some(folder))
  }

  private def inside(folder: Path, name: String, path: String): Path = {
    val to = folder.resolve(name).normalize
    if (!to.startsWith(folder)) throw new IOException(s"$path: '$name' leads out of the model")
    to
  }

  private def noModel(path: String, folder: Path): Nothing = {
    val names = paths(Files.list(folder)).map(_.getFileName.toString).take(10)
    val has = if (names.isEmpty) "it is empty" else s"it holds ${names.mkString(", ")}"
    throw new IllegalArgumentException(
      s"$path is no SavedModel: there is no saved_model.pb in it, $has. A Keras model becomes one " +
        "by model.export(path), a tf.Module by tf.saved_model.save(module, path, signatures=…)"
    )
  }
}

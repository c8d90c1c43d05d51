package io.sparktf.savedmodel

import java.io.{FileNotFoundException, IOException, InputStream}
import java.lang.ref.WeakReference
import java.math.BigInteger
import java.net.{URI, URISyntaxException}
import java.nio.file.{Files, FileVisitOption, NoSuchFileException, Path, Paths}
import java.nio.file.attribute.{BasicFileAttributes, FileTime}
import java.security.MessageDigest
import java.util.concurrent.{ConcurrentHashMap, TimeUnit}
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
 * @param isSame whether they are still the files that the fingerprint is of
 */
final private[savedmodel] class ModelFiles private (
    path: String,
    val folder: Path,
    val fingerprint: String,
    isSame: () => Boolean
) {

  /**
   * What is read of the folder.
   *
   * @throws IOException if the files are others than those of the fingerprint
   */
  def read[R](from: Path => R): R = {
    val found = from(folder)
    if (!isSame()) throw new IOException(s"$path was changed while it was read: load it again")
    found
  }
}

/**
 * Brings models to this machine: a folder of it is used where it is, one that Hadoop's file systems
 * have (hdfs, s3a, …) and a zip are copied once. They are copied again when what they are listed as
 * (names, lengths, times) has changed. The last few copies used stay; others go when nothing refers to
 * them.
 */
private[savedmodel] object ModelFiles {
  final private case class Known(stamp: String, files: WeakReference[ModelFiles])

  private val known = new ConcurrentHashMap[String, Known]()
  private val kept = new LastUsed[String, ModelFiles]

  /**
   * @param path a folder or a zip of one: a path of this machine, or a URI that Hadoop opens, with its
   *   letters as they are or as in a URI (`%20`)
   * @throws java.io.FileNotFoundException if there is nothing
   * @throws IllegalArgumentException if what is there is no SavedModel
   */
  def fetch(path: String, hadoop: => Configuration): ModelFiles = {
    val source = sourceOf(path, hadoop)
    var files: ModelFiles = null
    known.compute(
      path,
      (_, before) => {
        val stamp = source.stamp()
        files = if (before != null && before.stamp == stamp) before.files.get else null
        if (files != null && Files.isDirectory(files.folder)) before
        else {
          files = read(path, source, stamp)
          Known(stamp, new WeakReference(files))
        }
      }
    )
    kept.use(path, files)
    known.values.removeIf(_.files.get == null)
    files
  }

  private def read(path: String, source: Source, stamp: String): ModelFiles = {
    var copy: Option[Path] = None
    try {
      val folder = source.find { () =>
        copy = Some(TemporaryFolders.create())
        copy.get
      }
      if (!Files.isRegularFile(folder.resolve("saved_model.pb"))) noModel(path, folder)
      def isSame = source.stamp() == stamp
      val ofCopy = copy.isDefined // which nobody changes
      val found = fingerprint(folder)
      // Other times are not other files.
      def isFound = ofCopy || isSame || fingerprint(folder) == found
      val files = new ModelFiles(path, folder, found, () => isFound)
      if (!isSame) throw new IOException(s"$path was changed while it was read: load it again")
      copy.foreach(TemporaryFolders.removeWith(files, _))
      files
    } catch {
      case e: Throwable =>
        copy.foreach(TemporaryFolders.remove)
        throw e
    }
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

  /** Also where the folder, or one in it, is a symbolic link. */
  def filesBelow(folder: Path): Seq[Path] =
    paths(Files.walk(folder, FileVisitOption.FOLLOW_LINKS)).filter(Files.isRegularFile(_))

  private def paths(stream: Stream[Path]): Seq[Path] =
    try stream.toArray.toSeq.map(_.asInstanceOf[Path]).sortBy(_.toString)
    finally stream.close()

  private trait Source {

    /** Changes whenever the files do. */
    def stamp(): String

    /**
     * The model's folder on this machine.
     *
     * @param newFolder makes a folder for a copy
     */
    def find(newFolder: () => Path): Path
  }

  /** Two letters at least: C: is a drive. */
  private val WithScheme = "([A-Za-z][A-Za-z0-9+.-]+):/+(.*)".r

  private def sourceOf(path: String, hadoop: => Configuration): Source = path match {
    // Spark and Hadoop write "file:/a b", Java "file:///a%20b".
    case WithScheme("file", rest) =>
      val written = Paths.get(s"/$rest")
      local(path, if (Files.exists(written)) written else decoded(path, written)(Paths.get(_)))
    case WithScheme(_, _) => new Remote(path, hadoop)
    case _ => local(path, Paths.get(path))
  }

  /** What the path names if it is written as a URI. */
  private def decoded[P](path: String, otherwise: P)(named: String => P): P =
    if (!path.contains('%')) otherwise
    else
      try named(new URI(path).getPath)
      catch { case _: URISyntaxException => otherwise }

  private def local(path: String, file: Path): Source = {
    if (!Files.exists(file)) {
      throw new FileNotFoundException(
        s"$path does not exist on this machine. A model elsewhere is named with its scheme, as in " +
          "hdfs://host/models/linear or s3a://bucket/linear"
      )
    }
    new Local(path, file.toRealPath()) // a link may lead to another model later
  }

  final private class Local(path: String, file: Path) extends Source {
    override def stamp(): String =
      (if (Files.isDirectory(file)) filesBelow(file) else Seq(file)).map { f =>
        try {
          val is = Files.readAttributes(f, classOf[BasicFileAttributes])
          // The time of change may be that of an archive's entry or of a copy's original; the one at
          // which it got that is the system's own.
          val own = if (f.getFileSystem.supportedFileAttributeViews.contains("unix"))
            Files.getAttribute(f, "unix:ctime").asInstanceOf[FileTime]
          else is.creationTime
          s"$f ${is.size} ${nanoseconds(is.lastModifiedTime)} ${nanoseconds(own)} ${is.fileKey}"
        } catch {
          case _: NoSuchFileException => s"$f is gone"
        }
      }.mkString("\n")

    private def nanoseconds(time: FileTime): Long = time.to(TimeUnit.NANOSECONDS)

    override def find(newFolder: () => Path): Path =
      if (Files.isDirectory(file)) file else unzip(path, Files.newInputStream(file), newFolder())
  }

  final private class Remote(path: String, conf: Configuration) extends Source {
    private val written = new HadoopPath(path)
    private val fs: FileSystem = written.getFileSystem(conf)
    private val root =
      if (!path.contains('%') || fs.exists(written)) written
      else decoded(path, written)(new HadoopPath(written, _))

    private def list() = {
      val status = fs.getFileStatus(root) // FileNotFoundException where there is nothing
      val files = fs.listFiles(root, true)
      Iterator.continually(files).takeWhile(_.hasNext).map(_.next()).toList
        .sortBy(_.getPath.toString) -> status.isDirectory
    }

    override def stamp(): String =
      list()._1.map(f => s"${f.getPath} ${f.getLen} ${f.getModificationTime}").mkString("\n")

    override def find(newFolder: () => Path): Path = {
      val (files, isFolder) = list()
      val folder = newFolder()
      if (!isFolder) unzip(path, fs.open(root), folder)
      else {
        val above = fs.makeQualified(root).toUri.getPath
        files.foreach { status =>
          val name = fs.makeQualified(status.getPath).toUri.getPath.stripPrefix(above)
          val to = inside(folder, name.stripPrefix("/"), path)
          Files.createDirectories(to.getParent)
          val in = fs.open(status.getPath)
          try Files.copy(in, to)
          finally in.close()
        }
        folder
      }
    }
  }

  /** Unpacks it into the folder. What holds `saved_model.pb` may be one further down. */
  private def unzip(path: String, in: InputStream, folder: Path): Path = {
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
    val graphs = filesBelow(folder).filter(_.getFileName.toString == "saved_model.pb")
    if (graphs.isEmpty) noModel(path, folder)
    val models = graphs.filter(_.getNameCount == graphs.map(_.getNameCount).min).map(_.getParent)
    if (models.length > 1) {
      val names = models.map(folder.relativize(_)).mkString(", ")
      throw new IllegalArgumentException(
        s"$path holds several models, of which one is needed: $names"
      )
    }
    models.head
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

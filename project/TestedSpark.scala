import java.io.File

import sbt._

/**
 * A Spark that the jars run on in the tests.
 *
 * @param name of the rows of tests on it, behind that of their module
 * @param jars the folder of its jars; without one they come from Maven, and have no spark-mllib
 * @param compiler options of the JVMs about compiling
 */
final case class TestedSpark(
    name: String,
    version: String,
    scala: String,
    jars: Option[File],
    compiler: Seq[String]
)

object TestedSpark {

  /** Without the optimizing compiler: most of what these tests run, they run a few times. */
  val startsFast: Seq[String] = Seq("-XX:TieredStopAtLevel=1")

  /** As project/sparks has them, the newest last. */
  val versions: Seq[String] =
    IO.readLines(file("project/sparks")).map(_.trim).filterNot(l => l.isEmpty || l.startsWith("#"))

  private def version(line: String): String = versions.find(_.startsWith(s"$line."))
    .getOrElse(throw new MessageOnlyException(s"project/sparks has no version of Spark $line"))

  // The folders of jars that pyspark brings.
  private def installed(version: String): File =
    if (version == versions.last) ofVenv
    else file(".spark").getAbsoluteFile / version / "pyspark" / "jars"

  private def ofVenv: File = {
    val lib = file(".venv").getAbsoluteFile / "lib"
    (lib * "python3*" / "site-packages" / "pyspark" / "jars").get.headOption
      .getOrElse(lib / "python3" / "site-packages" / "pyspark" / "jars")
  }

  private def row(line: String): TestedSpark = {
    val found = version(line)
    // With the optimizing compiler, as users run it.
    val compiler = if (found == versions.last) Nil else startsFast
    TestedSpark(
      line.replace(".", ""),
      found,
      ScalaVersions.scala213,
      Some(installed(found)),
      compiler
    )
  }

  val spark35_212: TestedSpark =
    row("3.5").copy(name = "35_212", scala = ScalaVersions.scala212)
  val spark35_213: TestedSpark = row("3.5").copy(name = "35_213", jars = None)
  val spark40: TestedSpark = row("4.0")
  val spark41: TestedSpark = row("4.1")
  val spark42: TestedSpark = row("4.2")
  val spark43: TestedSpark = row("4.3")

  /** The jars of `folder` in the order of their names: every run has the same class path. */
  def jarsIn(folder: File): Seq[File] = {
    val jars = (folder * "*.jar").get.sortBy(_.getName)
    if (jars.isEmpty) {
      throw new MessageOnlyException(s"No Spark jars in $folder: `make setup` puts them there.")
    }
    jars
  }
}

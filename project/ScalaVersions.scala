import sbt._

/** The compilers, and what they are told, in all projects alike. */
object ScalaVersions {
  // The oldest Scala of each line that a supported Spark ships (3.5's own versions). The one 2.13 jar
  // runs on Spark 3.5 to 4.3, so it may use nothing that later 2.13 libraries added.
  val scala212 = "2.12.18"
  val scala213 = "2.13.8"

  /** Test libraries ask for later ones, and a compiler must not meet a library newer than itself. */
  def scalaOf(version: String): Seq[ModuleID] =
    Seq("scala-library", "scala-reflect").map("org.scala-lang" % _ % version)

  def lints(scalaBinary: String): Seq[String] =
    Seq("-encoding", "UTF-8", "-deprecation", "-feature", "-unchecked", "-Xfatal-warnings") :+
      (if (scalaBinary == "2.12") "-Ywarn-unused:imports" else "-Wunused:imports")
}

import ScalaVersions._
import SparkTests._

val sparkBaseVersion = "3.5.9"

// Test and benchmark references: the tf.Example messages as Google's compiler made them, and
// TensorFlow's own Hadoop formats. Both were built with protobuf 3; 3.25 is the last of that line.
val references = Seq(
  "com.google.protobuf" % "protobuf-java" % "3.25.8",
  "org.tensorflow" % "proto" % "1.15.0",
  "org.tensorflow" % "tensorflow-hadoop" % "1.15.0" excludeAll ExclusionRule("org.apache.hadoop")
)

// pyproject.toml is where the version stands, once for the wheel and for the jars.
ThisBuild / version := {
  val Version = """version = "([^"]+)"""".r
  IO.readLines(file("pyproject.toml"))
    .collectFirst { case Version(v) => v }
    .getOrElse(throw new MessageOnlyException("pyproject.toml has no line `version = \"…\"`"))
}
ThisBuild / organization := "io.github.sparktf"
ThisBuild / organizationName := "sparktf contributors"
ThisBuild / homepage := Some(url("https://github.com/sparktf/sparktf"))
ThisBuild / licenses := Seq("Apache-2.0" -> url("https://www.apache.org/licenses/LICENSE-2.0.txt"))
ThisBuild / scmInfo := Some(
  ScmInfo(
    url("https://github.com/sparktf/sparktf"),
    "scm:git:https://github.com/sparktf/sparktf.git",
    "scm:git:ssh://git@github.com/sparktf/sparktf.git"
  )
)
ThisBuild / developers := List(
  Developer("sparktf", "sparktf contributors", "", url("https://github.com/sparktf"))
)
ThisBuild / versionScheme := Some("early-semver")
ThisBuild / scalaVersion := scala213

val releasedVersions = settingKey[Seq[String]]("The versions that CHANGELOG.md dates, newest first")
ThisBuild / releasedVersions := {
  val Released = """## (\S+), \d{4}-\d\d-\d\d""".r
  val dated = IO.readLines(file("CHANGELOG.md")).collect { case Released(v) => v }
  dated.filterNot(_ == (ThisBuild / version).value) // dated already, and about to be released
}

// One Spark at a time: each test JVM takes up to 2 GiB and all cores.
Global / concurrentRestrictions += Tags.limit(Tags.ForkedTestGroup, 1)

/** A jar that users have beside Spark's own. */
val publishedJar: Seq[Setting[_]] = Seq(
  // Spark brings the Scala library, so the published POM need not name it.
  autoScalaLibrary := false,
  // The local repository is where one tries out a version again and again.
  publishM2Configuration := publishM2Configuration.value.withOverwrite(true),
  libraryDependencies += "org.apache.spark" %% "spark-sql" % sparkBaseVersion % Provided,
  scalacOptions ++= lints(scalaBinaryVersion.value),
  Compile / packageBin / mappings += file("LICENSE").getAbsoluteFile -> "META-INF/LICENSE",
  // What was compiled against the last release must go on running: see `binaryCompatibility`.
  mimaPreviousArtifacts :=
    releasedVersions.value.take(1).map(organization.value %% moduleName.value % _).toSet,
  // It takes a minute, and is for releases: `make release-check` sets the property.
  Compile / packageDoc / publishArtifact := java.lang.Boolean.getBoolean("sparktf.release"),
  // Scaladoc cannot follow a link into Spark's classes, which is no fault of the sources.
  Compile / doc / scalacOptions -= "-Xfatal-warnings",
  // What is private in Scala; but Java's classes must be public for other packages to see them.
  Compile / doc / scalacOptions ++= Seq("-skip-packages", "io.sparktf.tfrecord.wire"),
  // The tests run on the packaged jars, once per Spark: here they are formatted only.
  Test / compile / sources := Nil,
  Test / definedTests := Nil
)

// ------------------------------------------------------------------ the data source, two jars

lazy val tfrecord = (projectMatrix in file("jvm/tfrecord"))
  .jvmPlatform(scalaVersions = Seq(scala213, scala212))
  .settings(
    name := "sparktf-tfrecord",
    description := "TFRecord files as a data source of Apache Spark",
    publishedJar,
    scalacOptions ++= Seq("-release", "8"),
    javacOptions ++= Seq("--release", "8"),
    // Where a class of the jar, ScalaVersion, finds it.
    Compile / resourceGenerators += Def.task {
      val written = (Compile / resourceManaged).value / "io" / "sparktf" / "tfrecord" /
        "scala-version"
      val version = scalaBinaryVersion.value
      if (!written.exists || IO.read(written) != version) IO.write(written, version)
      Seq(written)
    }.taskValue,
    Test / unmanagedSourceDirectories +=
      file("jvm/tfrecord/src/test/scala-mllib").getAbsoluteFile
  )

// ------------------------------------------------------------------ scoring, two jars

// TensorFlow's C API for the JVM and, in the jar of a platform, TensorFlow itself. The classes above
// it (tensorflow-core-api) need a protobuf-java, of which Spark's class path may have another.
val tensorflowVersion = "1.1.0"
val tensorflow = Seq(
  "org.tensorflow" % "tensorflow-core-native" % tensorflowVersion
    exclude ("com.google.protobuf", "protobuf-java"),
  "org.tensorflow" % "tensorflow-core-native" % tensorflowVersion classifier "linux-x86_64"
    exclude ("com.google.protobuf", "protobuf-java")
)

lazy val savedmodel = (projectMatrix in file("jvm/savedmodel"))
  .jvmPlatform(scalaVersions = Seq(scala213, scala212))
  .settings(
    name := "sparktf-savedmodel",
    description := "TensorFlow SavedModels as functions of Apache Spark",
    publishedJar,
    libraryDependencies ++= tensorflow,
    scalacOptions ++= Seq("-release", "11"), // as TensorFlow's classes
    javacOptions ++= Seq("--release", "11"),
    Test / unmanagedSourceDirectories ++= Seq("scala-mllib", "scala-hdfs")
      .map(file("jvm/savedmodel/src/test").getAbsoluteFile / _)
  )

// ------------------------------------------------------------------ the tests, one row per Spark

def sourceTests(on: TestedSpark, skipped: Tests.Argument*): Project =
  SparkTests.sourceRow(tfrecord, "jvm/tfrecord", references)(on, skipped: _*)

lazy val spark35_212 = sourceTests(TestedSpark.spark35_212).settings(checked)
lazy val spark35_213 = sourceTests(TestedSpark.spark35_213, formatOnly)
lazy val spark40 = sourceTests(TestedSpark.spark40, formatOnly)
lazy val spark41 = sourceTests(TestedSpark.spark41, formatOnly)
lazy val spark42 = sourceTests(TestedSpark.spark42, formatOnly)
lazy val spark43 = sourceTests(TestedSpark.spark43)
  .configs(HdfsServer, S3Client, OnHdfs, OnS3, OnCluster, UnderFaults)
  .settings(elsewhere("spark43"), whatDiffersByV2)

// The models that the suites of jvm/savedmodel load, and what TensorFlow's Python computes with them.
lazy val testModels = taskKey[File]("Makes the models of the tests, once for all rows")
ThisBuild / testModels := {
  val made = file("target/test-models").getAbsoluteFile
  val script = file("jvm/savedmodel/src/test/python/make_models.py").getAbsoluteFile
  val make = FileFunction.cached(file("target/test-models.cache"), FilesInfo.hash) { _ =>
    IO.delete(made)
    val python = file(".venv/bin/python").getAbsolutePath
    val log = new java.io.File(made.getPath + ".log")
    val process = new ProcessBuilder(python, script.getPath, made.getPath)
      .redirectErrorStream(true)
      .redirectOutput(log)
    if (process.start().waitFor() != 0) {
      throw new MessageOnlyException(s"${script.getName} failed:\n${IO.read(log)}")
    }
    Set(made / "expected.json")
  }
  make(Set(script))
  made
}

def scoringTests(on: TestedSpark): Project =
  SparkTests.row(savedmodel, "jvm/savedmodel", "scoring", tensorflow)(on).settings(
    Test / javaOptions ++= Seq(
      s"-Dsparktf.test.models=${(ThisBuild / testModels).value}",
      // TensorFlow unpacks 680 MB when it is first loaded: into one place for all rows.
      s"-Dorg.bytedeco.javacpp.cachedir=${file("target/javacpp").getAbsolutePath}"
    )
  )

lazy val scoring35_212 = scoringTests(TestedSpark.spark35_212)
lazy val scoring35_213 = scoringTests(TestedSpark.spark35_213)
lazy val scoring40 = scoringTests(TestedSpark.spark40)
lazy val scoring41 = scoringTests(TestedSpark.spark41)
lazy val scoring42 = scoringTests(TestedSpark.spark42)
lazy val scoring43 = scoringTests(TestedSpark.spark43)
  .configs(HdfsServer)
  .dependsOn(spark43 % "test->test") // has an HDFS to start
  .settings(
    libraryDependencies ++= hdfsServer.map(_ % HdfsServer),
    Test / unmanagedSourceDirectories +=
      file("jvm/savedmodel/src/test/scala-hdfs").getAbsoluteFile,
    Test / javaOptions ++= hdfsOptions.value
  )

// Jazzer, which finds its way through GuidedFuzz by what code it reaches. In none of the aggregates:
// nothing but `make fuzz-guided` needs it.
lazy val guidedFuzz = Project("guidedFuzz", file("jvm/tfrecord/target/guidedFuzz"))
  .disablePlugins(ScalafmtPlugin)
  .settings(
    publish / skip := true,
    scalaVersion := scala213,
    autoScalaLibrary := false,
    libraryDependencies += "com.code-intelligence" % "jazzer" % "0.24.0",
    Runtime / unmanagedClasspath := (spark43 / Test / fullClasspath).value.filter(_.data.exists),
    Compile / run / fork := true,
    Compile / run / baseDirectory := file("target").getAbsoluteFile,
    Compile / run / javaOptions ++= openedPackages :+ "-Xmx2g",
    Compile / mainClass := Some("com.code_intelligence.jazzer.Jazzer")
  )

// ------------------------------------------------------------------ benchmarks

// What benchmarks/run.py and scoring.py run in the JVM of the Spark that they measure.
lazy val benchmarks = (projectMatrix in file("benchmarks/spark"))
  .jvmPlatform(scalaVersions = Seq(scala213, scala212))
  .dependsOn(tfrecord, savedmodel)
  .settings(
    name := "sparktf-benchmarks",
    publish / skip := true,
    autoScalaLibrary := false,
    libraryDependencies ++= references :+ "org.apache.spark" %% "spark-sql" % sparkBaseVersion,
    dependencyOverrides ++= scalaOf(scalaVersion.value),
    scalacOptions ++= lints(scalaBinaryVersion.value)
  )

lazy val benchmarkJars =
  taskKey[Unit]("Copies the jars that benchmarks/run.py and scoring.py give to Spark")

lazy val jmh = (project in file("benchmarks/jmh"))
  .enablePlugins(JmhPlugin)
  .dependsOn(tfrecord.jvm(scala213))
  .settings(
    publish / skip := true,
    autoScalaLibrary := false,
    libraryDependencies ++= references :+ "org.apache.spark" %% "spark-sql" % sparkBaseVersion,
    dependencyOverrides ++= scalaOf(scala213),
    scalacOptions ++= lints(scalaBinaryVersion.value),
    Jmh / javaOptions ++= openedPackages
  )

// ------------------------------------------------------------------ all together

lazy val copyJars = taskKey[Unit]("Copies the data source's jars into the Python package")

lazy val root = (project in file("."))
  .aggregate(tfrecord.projectRefs ++ savedmodel.projectRefs ++ benchmarks.projectRefs: _*)
  .aggregate(spark35_212, spark35_213, spark40, spark41, spark42, spark43, jmh)
  .aggregate(scoring35_212, scoring35_213, scoring40, scoring41, scoring42, scoring43)
  .settings(
    commands += lanes,
    publish / skip := true,
    copyJars := {
      val jar213 = (tfrecord.jvm(scala213) / Compile / packageBin).value
      val jar212 = (tfrecord.jvm(scala212) / Compile / packageBin).value
      val folder = baseDirectory.value / "python" / "sparktf" / "jars"
      IO.delete((folder * "*.jar").get) // a change of version leaves none of the old ones
      Seq(jar213, jar212).foreach(jar => IO.copyFile(jar, folder / jar.getName))
    },
    benchmarkJars := {
      val own = Seq(
        (benchmarks.jvm(scala213) / Compile / packageBin).value,
        (benchmarks.jvm(scala212) / Compile / packageBin).value
      )
      val scoring = Seq(
        (savedmodel.jvm(scala213) / Compile / packageBin).value,
        (savedmodel.jvm(scala212) / Compile / packageBin).value
      ) ++ (savedmodel.jvm(scala213) / Runtime / managedClasspath).value.map(_.data)
      val modules = references.map(_.name)
      val libraries = (benchmarks.jvm(scala213) / Runtime / managedClasspath).value
        .map(_.data)
        .filter(jar => modules.exists(module => jar.getName.matches(s"$module-[0-9.]+jar")))
      val folder = baseDirectory.value / "benchmarks" / "target"
      Seq("jars" -> (own ++ libraries), "scoring" -> (own ++ scoring)).foreach {
        case (name, jars) =>
          IO.delete(folder / name)
          jars.foreach(jar => IO.copyFile(jar, folder / name / jar.getName))
      }
    }
  )

addCommandAlias("jars", "root/copyJars")
// Not `mimaReportBinaryIssues` alone: the other projects are not published, and have no release.
addCommandAlias(
  "binaryCompatibility",
  Seq("tfrecord", "tfrecord2_12", "savedmodel", "savedmodel2_12")
    .map(row => s"$row/mimaReportBinaryIssues")
    .mkString("; ")
)
addCommandAlias("serverJars", "spark43/serverJars")

// Not `scalafmtAll`: it would let the two rows of the data source write the same files at once.
addCommandAlias(
  "format",
  "tfrecord/scalafmt; tfrecord/Test/scalafmt; savedmodel/scalafmt; savedmodel/Test/scalafmt; " +
    "benchmarks/scalafmt; jmh/scalafmt; scalafmtSbt"
)
addCommandAlias(
  "formatCheck",
  "tfrecord/scalafmtCheck; tfrecord/Test/scalafmtCheck; " +
    "savedmodel/scalafmtCheck; savedmodel/Test/scalafmtCheck; " +
    "benchmarks/scalafmtCheck; jmh/scalafmtCheck; scalafmtSbtCheck"
)

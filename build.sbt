// The oldest Scala of each line that a supported Spark ships (3.5's own versions). The one 2.13 jar
// runs on Spark 3.5 to 4.2, so it may use nothing that later 2.13 libraries added.
val scala212 = "2.12.18"
val scala213 = "2.13.8"

val sparkBaseVersion = "3.5.9"

// Test and benchmark references: the tf.Example messages as Google's compiler made them, and
// TensorFlow's own Hadoop formats. Both were built with protobuf 3; 3.25 is the last of that line.
val references = Seq(
  "com.google.protobuf" % "protobuf-java" % "3.25.8",
  "org.tensorflow" % "proto" % "1.15.0",
  "org.tensorflow" % "tensorflow-hadoop" % "1.15.0" excludeAll ExclusionRule("org.apache.hadoop")
)

// Test libraries ask for later ones, and a compiler must not meet a library newer than itself.
def scalaOf(version: String): Seq[ModuleID] =
  Seq("scala-library", "scala-reflect").map("org.scala-lang" % _ % version)

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

val lints = Seq("-encoding", "UTF-8", "-deprecation", "-feature", "-unchecked", "-Xfatal-warnings")

def unusedImports(scalaBinary: String): String =
  if (scalaBinary == "2.12") "-Ywarn-unused:imports" else "-Wunused:imports"

/** A jar that users have beside Spark's own. */
val publishedJar: Seq[Setting[_]] = Seq(
  // Spark brings the Scala library, so the published POM need not name it.
  autoScalaLibrary := false,
  // The local repository is where one tries out a version again and again.
  publishM2Configuration := publishM2Configuration.value.withOverwrite(true),
  libraryDependencies += "org.apache.spark" %% "spark-sql" % sparkBaseVersion % Provided,
  scalacOptions ++= lints :+ unusedImports(scalaBinaryVersion.value),
  Compile / packageBin / mappings += file("LICENSE").getAbsoluteFile -> "META-INF/LICENSE",
  // What was compiled against the last release must go on running: see `binaryCompatibility`.
  mimaPreviousArtifacts :=
    releasedVersions.value.take(1).map(organization.value %% moduleName.value % _).toSet,
  // Scaladoc cannot follow a link into Spark's classes, which is no fault of the sources.
  Compile / doc / scalacOptions -= "-Xfatal-warnings",
  // The tests run on the packaged jars, once per Spark: here they are formatted only.
  Test / compile / sources := Nil,
  Test / definedTests := Nil
)

// ------------------------------------------------------------------ the data source, two jars

val suites = file("jvm/tfrecord/src/test").getAbsoluteFile

lazy val tfrecord = (projectMatrix in file("jvm/tfrecord"))
  .jvmPlatform(scalaVersions = Seq(scala213, scala212))
  .settings(
    name := "sparktf-tfrecord",
    description := "TFRecord files as a data source of Apache Spark",
    publishedJar,
    scalacOptions ++= Seq("-release", "8"),
    javacOptions ++= Seq("--release", "8"),
    Test / unmanagedSourceDirectories += suites / "scala-mllib"
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

// What Spark's own launcher opens on Java 17 (its JavaModuleOptions).
val openedPackages = Seq(
  "java.lang",
  "java.lang.invoke",
  "java.lang.reflect",
  "java.io",
  "java.net",
  "java.nio",
  "java.util",
  "java.util.concurrent",
  "java.util.concurrent.atomic",
  "sun.nio.ch",
  "sun.nio.cs",
  "sun.security.action",
  "sun.util.calendar"
).map(name => s"--add-opens=java.base/$name=ALL-UNNAMED")

// The folders of jars that pyspark brings. (A file in project/ would be the usual place for these
// lines, and would make a fresh machine compile a compiler bridge for the build alone: 30 seconds.)
def jarsOfSpark(version: String): File =
  file(".spark").getAbsoluteFile / version / "pyspark" / "jars"

def jarsOfVenv: File = {
  val lib = file(".venv").getAbsoluteFile / "lib"
  (lib * "python3*" / "site-packages" / "pyspark" / "jars").get.headOption
    .getOrElse(lib / "python3" / "site-packages" / "pyspark" / "jars")
}

/** The jars of `folder` in the order of their names: every run has the same class path. */
def jarsIn(folder: File): Seq[File] = {
  val jars = (folder * "*.jar").get.sortBy(_.getName)
  if (jars.isEmpty) {
    throw new MessageOnlyException(s"No Spark jars in $folder: `make setup` puts them there.")
  }
  jars
}

// The same suites by the other entrance to the data source, that of Data Source V2.
val ByV2 = config("by-v2").extend(Test)

// The same suites with their files in HDFS or S3, and with their tasks in the executors of a
// cluster; and suites of their own about what a cluster loses.
val OnHdfs = config("on-hdfs").extend(Test)
val OnS3 = config("on-s3").extend(Test)
val OnCluster = config("on-cluster").extend(Test)
val UnderFaults = config("under-faults").extend(Test)

// What an HDFS of one's own runs on, in a JVM apart: its classes are not those of Spark's Hadoop.
val HdfsServer = config("hdfs-server").hide
val hdfsServer = Seq(
  "org.apache.hadoop" % "hadoop-client-minicluster" % "3.4.2",
  "org.apache.hadoop" % "hadoop-client-api" % "3.4.2",
  "org.apache.hadoop" % "hadoop-client-runtime" % "3.4.2",
  "org.mockito" % "mockito-core" % "2.28.2",
  "junit" % "junit" % "4.13.2",
  "org.slf4j" % "slf4j-api" % "1.7.36",
  "commons-logging" % "commons-logging" % "1.2"
)

// S3A and the modules of Amazon's SDK that it uses; the bundle that it asks for has 690 MB. Netty is
// Spark's. For Spark 4.2 there is no spark-hadoop-cloud in every registry; the class of it that the
// tests use is the same in 4.1.
val S3Client = config("s3-client").hide
val s3Client = Seq(
  "org.apache.spark" %% "spark-hadoop-cloud" % "4.1.2" intransitive (),
  "org.apache.hadoop" % "hadoop-aws" % "3.5.0" intransitive (),
  "software.amazon.s3.analyticsaccelerator" % "analyticsaccelerator-s3" % "1.3.1" intransitive ()
) ++ Seq("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client").map { module =>
  "software.amazon.awssdk" % module % "2.35.4" excludeAll ExclusionRule("io.netty")
}

val serverJars = taskKey[Unit]("Writes into target/servers which jars tests/hadoop_servers.py runs")

val report = "-oDSI"
val scalaTestReport = Tests.Argument(TestFrameworks.ScalaTest, report)
def tagged(option: String, tag: String) =
  Tests.Argument(TestFrameworks.ScalaTest, option, s"io.sparktf.tfrecord.$tag")
def only(tag: String) = tagged("-n", tag)
def without(tag: String) = tagged("-l", tag)
val localOnly = without("LocalOnly")
val formatOnly = without("FormatOnly")

val runFile = taskKey[Unit]("Writes target/tests/NAME/run, with which `java @…` runs these tests")

/** The same suites with the same options as those of sbt's own `test`, in the scope it is set in. */
def runFileOf(name: String): Setting[_] = runFile := {
  val folder = file("target/tests").getAbsoluteFile / name
  val chosen = (runFile / testOptions).value
  val filters = chosen.collect { case Tests.Filter(accepts) => accepts }
  val suites = definedTests.value.map(_.name).filter(suite => filters.forall(_(suite))).sorted
  val arguments = chosen.collect { case Tests.Argument(_, some) => some }.flatten
  val words = javaOptions.value ++
    Seq("-cp", fullClasspath.value.files.mkString(java.io.File.pathSeparator)) ++
    Seq("org.scalatest.tools.Runner", "-u", s"$folder/reports") ++
    arguments.map(argument => if (argument == report) report + "W" else argument) ++ // no colours
    suites.flatMap(Seq("-s", _))
  IO.writeLines(folder / "run", words.map(word => "\"" + word.replace("\\", "\\\\") + "\""))
}

def isFaultSuite(name: String): Boolean = name.startsWith("io.sparktf.tfrecord.faults.")

/** What lets suites start an HDFS of their own. */
val hdfsOptions = Def.task {
  val jars = update.value.select(configurationFilter(HdfsServer.name))
  Seq(
    s"-Dsparktf.test.hdfs.classpath=${jars.mkString(java.io.File.pathSeparator)}",
    s"-Dsparktf.test.hdfs.server=${suites / "hdfs" / "HdfsServer.java"}"
  )
}

/** Without the optimizing compiler: most of what these tests run, they run a few times. */
val startsFast = Seq("-XX:TieredStopAtLevel=1")

/** The suites of Test once more, in another way. */
def testsOnceMore(row: String, way: Configuration)(settings: Setting[_]*): Seq[Setting[_]] =
  inConfig(way)(
    Defaults.testTasks ++ Seq(javaOptions ++= startsFast) ++ settings ++ Seq(
      // Left to itself it would be that of Test, with the options of Test.
      forkOptions := (Test / forkOptions).value.withRunJVMOptions(javaOptions.value.toVector),
      runFileOf(s"$row-${way.name}")
    )
  )

// By another way than the JVM's options, so that a suite notices when those do not arrive.
def told(what: String, value: String) = Tests.Argument(TestFrameworks.ScalaTest, s"-D$what=$value")

// They ask of a file system what the other suites ask too, and by S3's requests it takes minutes.
val manyRequests = Set("Execution", "Inference", "Modes", "SplitQuery", "Sql", "StreamingSource")
  .map(name => s"io.sparktf.tfrecord.${name}Suite")

val byV2 = told("by", "tfrecordv2")
val sourceV2 = "-Dsparktf.test.source=tfrecordv2"

// Each access to memory that Java leaves unchecked is compared with its array's bounds, and all
// buffers are too small: see RawBytes.
val checkedMemory = told("checked", "true")
val checksMemory = "-Dsparktf.tfrecord.checked=true"

/** The rows whose tests also run on HDFS, on S3, on a cluster and under faults. */
val elsewhere: Seq[Setting[_]] = {
  def tests(where: Configuration)(settings: Setting[_]*): Seq[Setting[_]] =
    testsOnceMore("spark42", where)(settings: _*)
  Seq(
    libraryDependencies ++= hdfsServer.map(_ % HdfsServer) ++ s3Client.map(_ % S3Client),
    serverJars := Seq("hdfs" -> HdfsServer, "s3a" -> S3Client).foreach { case (name, jars) =>
      val paths = update.value.select(configurationFilter(jars.name)).map(_.getPath)
      IO.writeLines(file("target/servers").getAbsoluteFile / name, paths)
    }
  ) ++
    tests(OnHdfs)(
      testOptions ++= Seq(localOnly, told("on", "hdfs"), byV2),
      javaOptions ++= Seq("-Dsparktf.test.on=hdfs", sourceV2) ++ hdfsOptions.value
    ) ++
    tests(OnS3)(
      testOptions ++= Seq(
        localOnly,
        formatOnly,
        without("NotOnS3"),
        told("on", "s3"),
        Tests.Filter(!manyRequests(_))
      ),
      fullClasspath ++= Attributed.blankSeq(
        update.value.select(configurationFilter(S3Client.name))
      ),
      javaOptions ++= Seq(
        "-Dsparktf.test.on=s3",
        s"-Dsparktf.test.python=${file(".venv/bin/python").getAbsolutePath}",
        s"-Dsparktf.test.s3.server=${suites / "s3" / "s3_server.py"}"
      )
    ) ++
    tests(OnCluster)(
      testOptions ++= Seq(localOnly, formatOnly, told("on", "cluster"), byV2),
      javaOptions ++= Seq("-Dsparktf.test.on=cluster", sourceV2)
    ) ++
    tests(UnderFaults)(
      testOptions := Seq(scalaTestReport, Tests.Filter(isFaultSuite)),
      javaOptions ++= hdfsOptions.value :+ s"-Dsparktf.test.opens=${openedPackages.mkString(" ")}"
    )
}

val on35_212 = TestedSpark("35_212", "3.5.9", scala212, Some(jarsOfSpark("3.5.9")), startsFast)
val on35_213 = TestedSpark("35_213", "3.5.9", scala213, None, startsFast)
val on40 = TestedSpark("40", "4.0.5", scala213, Some(jarsOfSpark("4.0.5")), startsFast)
val on41 = TestedSpark("41", "4.1.4", scala213, Some(jarsOfSpark("4.1.4")), startsFast)
// With the optimizing compiler, as users run it.
val on42 = TestedSpark("42", "4.2.1", scala213, Some(jarsOfVenv), Nil)

/**
 * The suites of a module, compiled against one Spark and run on it with the module's packaged jar.
 *
 * @param folder the module's
 * @param prefix of the row's name
 * @param libraries the module's own at run time, and those that its suites compare with
 */
def sparkTests(
    module: sbt.internal.ProjectMatrix,
    folder: String,
    prefix: String,
    libraries: Seq[ModuleID]
)(on: TestedSpark, skipped: Seq[Tests.Argument]): Project = {
  import on.{jars => sparkJars, scala, version => spark}
  val id = prefix + on.name
  val sparkFromMaven = "org.apache.spark" %% "spark-sql" % spark % Test
  val suites = file(folder).getAbsoluteFile / "src" / "test"
  Project(id, file(s"$folder/target/$id"))
    .disablePlugins(ScalafmtPlugin) // five rows share their sources: see the alias `format`
    .settings(
      publish / skip := true,
      scalaVersion := scala,
      autoScalaLibrary := false,
      libraryDependencies ++= libraries.map(_ % Test) ++ Seq(
        "org.scalatest" %% "scalatest" % "3.2.19" % Test,
        "org.scalacheck" %% "scalacheck" % "1.18.1" % Test
      ) ++ (if (sparkJars.isEmpty) Seq(sparkFromMaven) else Nil),
      dependencyOverrides ++= scalaOf(scala),
      scalacOptions ++= lints ++ Seq(
        "-Wconf:cat=deprecation:s", // what one Spark deprecates, another cannot yet replace
        unusedImports(scalaBinaryVersion.value)
      ),
      // The tests' own libraries first: Spark's jars may hold older ones of the same name.
      Test / externalDependencyClasspath := {
        val jar = (module.jvm(scala) / Compile / packageBin).value
        val fromMaven = (Test / managedClasspath).value
        val ownLibraries =
          if (sparkJars.isEmpty) fromMaven
          else fromMaven.filterNot(_.data.getName.startsWith("scala-library"))
        ownLibraries ++ Attributed.blankSeq(jar +: sparkJars.toSeq.flatMap(jarsIn))
      },
      Test / unmanagedSourceDirectories := {
        val hasMllib = sparkJars.toSeq.flatMap(jars => (jars * "spark-mllib_*.jar").get).nonEmpty
        Seq(suites / "scala", suites / "java") ++
          (if (hasMllib) Seq(suites / "scala-mllib") else Nil)
      },
      Test / unmanagedResourceDirectories := Seq(suites / "resources"),
      Test / fork := true,
      Test / parallelExecution := false,
      Test / testOptions ++=
        Seq(scalaTestReport, Tests.Filter(name => !isFaultSuite(name))) ++ skipped,
      Test / javaOptions ++=
        openedPackages ++ on.compiler ++ Seq("-Xmx2g", "-Dspark.ui.enabled=false"),
      Test / forkOptions := {
        val folder = target.value / "work" // takes spark-warehouse and the like
        IO.createDirectory(folder)
        (Test / forkOptions).value.withWorkingDirectory(folder)
      },
      inConfig(Test)(runFileOf(id))
    )
}

// By Data Source V2 `make test` runs the suites on HDFS and on a cluster; on the newest Spark those of
// what plans a read that neither has; and on the oldest Spark those of its second Scala, 2.13, which
// runs by V1 on all Sparks after it. What Spark hands over to the FileFormat, and bytes in files, are
// the same there. PushDownSuite reads by both on all. `testByV2` runs all on all Sparks.
val plansReads = Set(
  "ByteArray",
  "ColumnNames",
  "Execution",
  "FileSource",
  "Inference",
  "Metadata",
  "Migration",
  "Modes",
  "OpenFiles",
  "Partition",
  "ReadExample",
  "SequenceExample",
  "SplitQuery",
  "Sql",
  "Surroundings",
  "UserSchema",
  "Vector"
).map(name => s"io.sparktf.tfrecord.${name}Suite")

def tfrecordTests(on: TestedSpark, skipped: Seq[Tests.Argument]): Project =
  sparkTests(tfrecord, "jvm/tfrecord", "spark", references)(on, skipped)
    .configs(ByV2)
    .settings(testsOnceMore(s"spark${on.name}", ByV2)(
      testOptions += byV2,
      javaOptions += sourceV2
    ))

lazy val spark35_212 = tfrecordTests(on35_212, Seq(checkedMemory))
  .settings(Test / javaOptions += checksMemory)
lazy val spark35_213 = tfrecordTests(on35_213, Seq(formatOnly))
lazy val spark40 = tfrecordTests(on40, Seq(formatOnly))
lazy val spark41 = tfrecordTests(on41, Seq(formatOnly))
lazy val spark42 = tfrecordTests(on42, Nil)
  .configs(HdfsServer, S3Client, OnHdfs, OnS3, OnCluster, UnderFaults)
  .settings(elsewhere)
  .settings(
    inConfig(ByV2)(
      runFile / testOptions := testOptions.value ++ Seq(only("LocalOnly"), Tests.Filter(plansReads))
    )
  )

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
  sparkTests(savedmodel, "jvm/savedmodel", "scoring", tensorflow)(on, Nil).settings(
    Test / javaOptions ++= Seq(
      s"-Dsparktf.test.models=${(ThisBuild / testModels).value}",
      // TensorFlow unpacks 680 MB when it is first loaded: into one place for all rows.
      s"-Dorg.bytedeco.javacpp.cachedir=${file("target/javacpp").getAbsolutePath}"
    )
  )

lazy val scoring35_212 = scoringTests(on35_212)
lazy val scoring35_213 = scoringTests(on35_213)
lazy val scoring40 = scoringTests(on40)
lazy val scoring41 = scoringTests(on41)
lazy val scoring42 = scoringTests(on42)
  .configs(HdfsServer)
  .dependsOn(spark42 % "test->test") // has an HDFS to start
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
    Runtime / unmanagedClasspath := (spark42 / Test / fullClasspath).value.filter(_.data.exists),
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
    scalacOptions ++= lints :+ unusedImports(scalaBinaryVersion.value)
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
    scalacOptions ++= lints :+ unusedImports(scalaBinaryVersion.value),
    Jmh / javaOptions ++= openedPackages
  )

// ------------------------------------------------------------------ all together

lazy val copyJars = taskKey[Unit]("Copies the data source's jars into the Python package")

lazy val root = (project in file("."))
  .aggregate(tfrecord.projectRefs ++ savedmodel.projectRefs ++ benchmarks.projectRefs: _*)
  .aggregate(spark35_212, spark35_213, spark40, spark41, spark42, jmh)
  .aggregate(scoring35_212, scoring35_213, scoring40, scoring41, scoring42)
  .settings(
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
val rows = Seq(on35_212, on35_213, on40, on41, on42).map(_.name)
// What `make test` runs, several at a time.
addCommandAlias(
  "runFiles",
  (rows.map(row => s"scoring$row/Test") ++
    rows.filterNot(_ == on35_213.name).map(row => s"spark$row/Test") ++
    Seq(on35_213, on42).map(on => s"spark${on.name}/ByV2") ++
    Seq("OnHdfs", "OnS3", "OnCluster", "UnderFaults").map(where => s"spark42/$where"))
    .map(tests => s"$tests/runFile; ")
    .mkString + "serverJars"
)
addCommandAlias("serverJars", "spark42/serverJars")
addCommandAlias("testSpark35_212", "spark35_212/test")
addCommandAlias("testSpark35_213", "spark35_213/test")
addCommandAlias("testSpark40", "spark40/test")
addCommandAlias("testSpark41", "spark41/test")
addCommandAlias("testSpark42", "spark42/test")
addCommandAlias("testByV2", rows.map(row => s"spark$row/ByV2/test").mkString("; "))
addCommandAlias("testScoring", "scoring42/test")
addCommandAlias("testHdfs", "spark42/OnHdfs/test")
addCommandAlias("testS3", "spark42/OnS3/test")
addCommandAlias("testCluster", "spark42/OnCluster/test")
addCommandAlias("testFaults", "spark42/UnderFaults/test")

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

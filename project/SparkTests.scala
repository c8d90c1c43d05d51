import java.io.File

import org.scalafmt.sbt.ScalafmtPlugin
import sbt._
import sbt.Keys._
import sbt.internal.ProjectMatrix

import ScalaVersions._
import TestedSpark.{jarsIn, startsFast}

/**
 * The suites of a module, compiled against one Spark and run on it with the module's packaged jar:
 * a row of the tests. A row may run again in another way, which is a configuration of its own.
 */
object SparkTests {

  /** What the whole suites are by Data Source V2, with all of it or with what differs there. */
  val ByV2: Configuration = config("by-v2").extend(Test)

  /** What reads and writes, seen from outside: of the Sparks that `make test` does not run in full. */
  val Core: Configuration = config("core").extend(Test)

  /** On a newer Java than the one that sbt runs on, which the Makefile names. */
  val Java21: Configuration = config("java21").extend(Test)

  // The same suites with their files in HDFS or S3, and with their tasks in the executors of a
  // cluster; and suites of their own about what a cluster loses.
  val OnHdfs: Configuration = config("on-hdfs").extend(Test)
  val OnS3: Configuration = config("on-s3").extend(Test)
  val OnCluster: Configuration = config("on-cluster").extend(Test)
  val UnderFaults: Configuration = config("under-faults").extend(Test)

  // What an HDFS of one's own runs on, in a JVM apart: its classes are not those of Spark's Hadoop.
  val HdfsServer: Configuration = Configuration.of("HdfsServer", "hdfs-server").hide
  val hdfsServer: Seq[ModuleID] = Seq(
    "org.apache.hadoop" % "hadoop-client-minicluster" % "3.4.2",
    "org.apache.hadoop" % "hadoop-client-api" % "3.4.2",
    "org.apache.hadoop" % "hadoop-client-runtime" % "3.4.2",
    "org.mockito" % "mockito-core" % "2.28.2",
    "junit" % "junit" % "4.13.2",
    "org.slf4j" % "slf4j-api" % "1.7.36",
    "commons-logging" % "commons-logging" % "1.2"
  )

  // S3A and the modules of Amazon's SDK that it uses; the bundle that it asks for has 690 MB. Netty
  // is Spark's. There is no spark-hadoop-cloud of the newest Sparks in every registry; the class of
  // it that the tests use is the same in 4.1.
  val S3Client: Configuration = Configuration.of("S3Client", "s3-client").hide
  val s3Client: Seq[ModuleID] = Seq(
    "org.apache.spark" %% "spark-hadoop-cloud" % "4.1.2" intransitive (),
    "org.apache.hadoop" % "hadoop-aws" % "3.5.0" intransitive (),
    "software.amazon.s3.analyticsaccelerator" % "analyticsaccelerator-s3" % "1.3.1" intransitive ()
  ) ++ Seq("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client").map { module =>
    "software.amazon.awssdk" % module % "2.35.4" excludeAll ExclusionRule("io.netty")
  }

  val serverJars =
    taskKey[Unit]("Writes into target/servers which jars tests/hadoop_servers.py runs")

  val runFile = taskKey[Unit]("Writes target/tests/NAME/run, with which `java @…` runs these tests")

  // What Spark's own launcher opens on Java 17 (its JavaModuleOptions).
  val openedPackages: Seq[String] = Seq(
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

  // ---------------------------------------------------------------- which suites, and how

  private val suites = file("jvm/tfrecord/src/test").getAbsoluteFile
  private val report = "-oDSI"
  private val scalaTestReport = argument(report)

  private def argument(words: String*) = Tests.Argument(TestFrameworks.ScalaTest, words: _*)
  private def only(tag: String) = argument("-n", s"io.sparktf.tfrecord.$tag")
  private def without(tag: String) = argument("-l", s"io.sparktf.tfrecord.$tag")
  private val localOnly = without("LocalOnly")
  val formatOnly: Tests.Argument = without("FormatOnly")

  // By another way than the JVM's options, so that a suite notices when those do not arrive.
  private def told(what: String, value: String) = argument(s"-D$what=$value")

  private val byV2 = told("by", "tfrecordv2")
  private val sourceV2 = "-Dsparktf.test.source=tfrecordv2"

  private def named(names: String*): Set[String] =
    names.map(name => s"io.sparktf.tfrecord.${name}Suite").toSet

  private def isFaultSuite(name: String): Boolean = name.startsWith("io.sparktf.tfrecord.faults.")

  // They ask of a file system what the other suites ask too, and by S3's requests it takes minutes.
  private val manyRequests =
    named("Execution", "Inference", "Modes", "SplitQuery", "Sql", "StreamingSource")

  // By Data Source V2 all suites run on HDFS and on a cluster; and on the newest Spark those of what
  // plans a read that neither has. What Spark hands over to the FileFormat, and bytes in files, are
  // the same there. PushDownSuite reads by both on all.
  private val plansReads = named(
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
  )

  // A Spark may break how rows and files are handed over, not what bytes mean.
  private val core = named(
    "ByteArray",
    "Catalog",
    "FileSource",
    "Inference",
    "Metadata",
    "Modes",
    "Partition",
    "PushDown",
    "ReadExample",
    "SequenceExample",
    "SplitQuery",
    "StreamingSource",
    "Surroundings",
    "UserSchema",
    "Vector",
    "WriteExample"
  )

  /**
   * Each access to memory that Java leaves unchecked is compared with its array's bounds, and all
   * buffers are too small: see RawBytes.
   */
  val checked: Seq[Setting[_]] = Seq(
    Test / testOptions += told("checked", "true"),
    Test / javaOptions += "-Dsparktf.tfrecord.checked=true"
  )

  /** The same suites with the same options as those of sbt's own `test`, in the scope it is set in. */
  private def runFileOf(name: String): Setting[_] = runFile := {
    val folder = file("target/tests").getAbsoluteFile / name
    val chosen = (runFile / testOptions).value
    val filters = chosen.collect { case Tests.Filter(accepts) => accepts }
    val suites = definedTests.value.map(_.name).filter(suite => filters.forall(_(suite))).sorted
    val arguments = chosen.collect { case Tests.Argument(_, some) => some }.flatten
    val words = javaOptions.value ++
      Seq("-cp", fullClasspath.value.files.mkString(File.pathSeparator)) ++
      Seq("org.scalatest.tools.Runner", "-u", s"$folder/reports") ++
      arguments.map(argument => if (argument == report) report + "W" else argument) ++ // no colours
      suites.flatMap(Seq("-s", _))
    IO.writeLines(folder / "run", words.map(word => "\"" + word.replace("\\", "\\\\") + "\""))
  }

  /** What lets suites start an HDFS of their own. */
  val hdfsOptions: Def.Initialize[Task[Seq[String]]] = Def.task {
    val jars = update.value.select(configurationFilter(HdfsServer.name))
    Seq(
      s"-Dsparktf.test.hdfs.classpath=${jars.mkString(File.pathSeparator)}",
      s"-Dsparktf.test.hdfs.server=${suites / "hdfs" / "HdfsServer.java"}"
    )
  }

  /** The suites of Test once more, in another way. */
  private def onceMore(row: String, way: Configuration)(settings: Setting[_]*): Seq[Setting[_]] =
    inConfig(way)(
      Defaults.testTasks ++ Seq(javaOptions ++= startsFast) ++ settings ++ Seq(
        // Left to itself it would be that of Test, with the options of Test.
        forkOptions := (Test / forkOptions).value.withRunJVMOptions(javaOptions.value.toVector),
        runFileOf(s"$row-${way.name}")
      )
    )

  /** What lets a row of the data source also run on HDFS, on S3, on a cluster and under faults. */
  def elsewhere(row: String): Seq[Setting[_]] =
    Seq(
      libraryDependencies ++= hdfsServer.map(_ % HdfsServer) ++ s3Client.map(_ % S3Client),
      serverJars := Seq("hdfs" -> HdfsServer, "s3a" -> S3Client).foreach { case (name, jars) =>
        val paths = update.value.select(configurationFilter(jars.name)).map(_.getPath)
        IO.writeLines(file("target/servers").getAbsoluteFile / name, paths)
      }
    ) ++
      onceMore(row, OnHdfs)(
        testOptions ++= Seq(localOnly, told("on", "hdfs"), byV2),
        javaOptions ++= Seq("-Dsparktf.test.on=hdfs", sourceV2) ++ hdfsOptions.value
      ) ++
      onceMore(row, OnS3)(
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
      onceMore(row, OnCluster)(
        testOptions ++= Seq(localOnly, formatOnly, told("on", "cluster"), byV2),
        javaOptions ++= Seq("-Dsparktf.test.on=cluster", sourceV2)
      ) ++
      onceMore(row, UnderFaults)(
        testOptions := Seq(scalaTestReport, Tests.Filter(isFaultSuite)),
        javaOptions ++= hdfsOptions.value :+ s"-Dsparktf.test.opens=${openedPackages.mkString(" ")}"
      )

  // ---------------------------------------------------------------- the rows

  /**
   * A row.
   *
   * @param folder the module's
   * @param prefix of the row's name
   * @param libraries the module's own at run time, and those that its suites compare with
   */
  def row(module: ProjectMatrix, folder: String, prefix: String, libraries: Seq[ModuleID])(
      on: TestedSpark,
      skipped: Tests.Argument*
  ): Project = {
    import on.{jars => sparkJars, scala, version => spark}
    val id = prefix + on.name
    val sparkFromMaven = "org.apache.spark" %% "spark-sql" % spark % Test
    val suites = file(folder).getAbsoluteFile / "src" / "test"
    Project(id, file(s"$folder/target/$id"))
      .disablePlugins(ScalafmtPlugin) // all rows share their sources: see the alias `format`
      .configs(Core, Java21)
      .settings(
        publish / skip := true,
        scalaVersion := scala,
        autoScalaLibrary := false,
        libraryDependencies ++= libraries.map(_ % Test) ++ Seq(
          "org.scalatest" %% "scalatest" % "3.2.19" % Test,
          "org.scalacheck" %% "scalacheck" % "1.18.1" % Test
        ) ++ (if (sparkJars.isEmpty) Seq(sparkFromMaven) else Nil),
        dependencyOverrides ++= scalaOf(scala),
        // What one Spark deprecates, another cannot yet replace.
        scalacOptions ++= lints(scalaBinaryVersion.value) :+ "-Wconf:cat=deprecation:s",
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
      .settings(onceMore(id, Java21)())
  }

  /** A row of the data source's tests, which has two more ways. */
  def sourceRow(module: ProjectMatrix, folder: String, libraries: Seq[ModuleID])(
      on: TestedSpark,
      skipped: Tests.Argument*
  ): Project = {
    val id = s"spark${on.name}"
    row(module, folder, "spark", libraries)(on, skipped: _*)
      .configs(ByV2)
      .settings(onceMore(id, ByV2)(testOptions += byV2, javaOptions += sourceV2))
      .settings(onceMore(id, Core)(testOptions += Tests.Filter(core)))
  }

  /** Of a row's way by Data Source V2 `make` runs what plans reads, where nothing else runs by it. */
  val whatDiffersByV2: Seq[Setting[_]] = inConfig(ByV2)(
    Seq(runFile / testOptions :=
      testOptions.value ++ Seq(only("LocalOnly"), Tests.Filter(plansReads)))
  )

  /** `lanes spark43 spark40-core …` compiles what they need and writes the runFile of each. */
  val lanes: Command = Command.args("lanes", "NAME…") { (state, names) =>
    val tasks = names.map { name =>
      val (row, way) = name.span(_ != '-')
      // by-v2 is ByV2, and no way at all is Test.
      val configuration = way.split('-').map(_.capitalize).mkString
      s"$row/${if (configuration.isEmpty) "Test" else configuration}/runFile"
    }
    tasks.toList ::: state
  }
}

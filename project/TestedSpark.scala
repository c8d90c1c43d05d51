import java.io.File

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

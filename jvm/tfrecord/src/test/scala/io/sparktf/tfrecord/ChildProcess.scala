package io.sparktf.tfrecord

import java.io.{BufferedReader, File, IOException, InputStreamReader}
import java.nio.charset.StandardCharsets.UTF_8
import java.util.concurrent.{LinkedBlockingQueue, TimeUnit}

import scala.util.matching.Regex

/**
 * A process that ends with this JVM, however this one ends: it watches its standard input, whose
 * other end is held open here. What it says is kept, for waiting on it and for errors.
 */
final class ChildProcess(
    name: String,
    command: Seq[String],
    folder: File,
    environment: Map[String, String] = Map.empty
) extends AutoCloseable {
  private val said = new LinkedBlockingQueue[Option[String]]()
  private var heard = Vector.empty[String]

  val process: Process = {
    folder.mkdirs()
    val builder = new ProcessBuilder(command: _*).directory(folder).redirectErrorStream(true)
    environment.foreach { case (key, value) => builder.environment().put(key, value) }
    builder.start()
  }

  private val listener = new Thread(s"output of $name") {
    setDaemon(true)
    override def run(): Unit = {
      val lines = new BufferedReader(new InputStreamReader(process.getInputStream, UTF_8))
      try
        Iterator.continually(lines.readLine()).takeWhile(_ != null).foreach(l => said.put(Some(l)))
      catch { case _: IOException => () } // closed with the process
      finally said.put(None)
    }
  }
  listener.start()

  /** Waits for the next line that `pattern` is found in, and gives the pattern's groups. */
  def await(pattern: Regex): Regex.Match = {
    val deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(ChildProcess.PatienceSeconds)
    var found = Option.empty[Regex.Match]
    while (found.isEmpty) {
      said.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS) match {
        case null => fail(s"did not say '$pattern' in ${ChildProcess.PatienceSeconds} s")
        case None => fail(s"ended before it said '$pattern'")
        case Some(line) =>
          heard = heard.takeRight(200) :+ line
          found = pattern.findFirstMatchIn(line)
      }
    }
    found.get
  }

  /** Sends a line to its standard input. */
  def tell(line: String): Unit = {
    process.getOutputStream.write((line + "\n").getBytes(UTF_8))
    process.getOutputStream.flush()
  }

  /** Ends its standard input, and waits until it has ended too. */
  def endInput(): Unit = {
    process.getOutputStream.close()
    process.waitFor()
  }

  /** Kills it as the kernel does: it cannot clean up. */
  def kill(): Unit = {
    process.destroyForcibly()
    process.waitFor()
  }

  override def close(): Unit = kill()

  private def fail(what: String): Nothing =
    throw new IllegalStateException(s"$name $what:\n${heard.mkString("\n")}")
}

object ChildProcess {
  // A limit for a machine that hangs, not a time that anything should take.
  private val PatienceSeconds = 120L

  private val java = new File(sys.props("java.home"), "bin/java").getPath

  def java(
      name: String,
      folder: File,
      options: Seq[String],
      environment: Map[String, String] = Map.empty
  )(arguments: String*): ChildProcess =
    new ChildProcess(name, (java +: options) ++ arguments, folder, environment)
}

/** Runs the main method of the class that is named first, until the standard input ends. */
object MainWithParent {
  def main(arguments: Array[String]): Unit = {
    val watch = new Thread("watches the parent") {
      override def run(): Unit = {
        while (System.in.read() >= 0) {}
        Runtime.getRuntime.halt(1)
      }
    }
    watch.setDaemon(true)
    watch.start()
    Class.forName(arguments.head).getMethod("main", classOf[Array[String]])
      .invoke(null, arguments.tail)
  }
}

package io.sparktf.tfrecord.faults

import java.io.File
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.util.concurrent.TimeUnit

/** What tests and the processes that they start tell each other, as files in a folder. */
final class Signals(val folder: String) extends Serializable {

  private def file(name: String): Path = Paths.get(folder, name)

  def raise(name: String, text: String = ""): Unit = {
    val unfinished = Files.createTempFile(Paths.get(folder), "unfinished", "")
    Files.write(unfinished, text.getBytes(UTF_8))
    Files.move(unfinished, file(name), ATOMIC_MOVE)
  }

  def isRaised(name: String): Boolean = Files.exists(file(name))

  /** Waits until the signal is there, and gives its text. */
  def await(name: String): String = {
    Signals.await(s"the signal $name") {
      // A test that has failed takes its folder away, and must not hold a task any longer.
      if (!Files.exists(Paths.get(folder))) throw new IllegalStateException(s"$folder is gone")
      isRaised(name)
    }
    new String(Files.readAllBytes(file(name)), UTF_8)
  }
}

object Signals {
  // A limit for what hangs, not a time that anything should take.
  private val PatienceSeconds = 120L

  def in(folder: File): Signals = {
    folder.mkdirs()
    new Signals(folder.getPath)
  }

  /** Waits until `condition` holds, whatever interrupts the thread meanwhile. */
  def await(what: String)(condition: => Boolean): Unit = {
    val deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PatienceSeconds)
    var interrupted = false
    while (!condition) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException(s"$what: not in $PatienceSeconds s")
      }
      try Thread.sleep(10)
      catch { case _: InterruptedException => interrupted = true }
    }
    if (interrupted) Thread.currentThread().interrupt()
  }
}

package io.sparktf.tfrecord

import java.nio.file.Files
import java.util.concurrent.TimeUnit.MINUTES

import io.sparktf.tfrecord.options.RecordType

/**
 * Runs the fuzzers of [[FuzzSuite]] for as long as one likes.
 *
 * {{{
 * --minutes N   stop after so long (1)
 * --count N     or after so many seeds
 * --seed N      the first seed; the present time without it
 * --only KIND   Example, SequenceExample, auto (messages that are read), files, or writing
 * }}}
 */
object Fuzz {

  def main(arguments: Array[String]): Unit = {
    val options = arguments.grouped(2).map { case Array(name, value) => name -> value }.toMap
    val unknown = options.keySet -- Set("--minutes", "--count", "--seed", "--only")
    require(unknown.isEmpty, s"unknown: ${unknown.mkString(" ")}")
    val first = options.get("--seed").fold(System.currentTimeMillis())(_.toLong)
    val count = options.get("--count").fold(Long.MaxValue)(_.toLong)
    val minutes = options.get("--minutes").map(_.toLong)
    val end =
      if (minutes.isEmpty && options.contains("--count")) Long.MaxValue
      else System.nanoTime + MINUTES.toNanos(minutes.getOrElse(1L))
    val wanted = options.get("--only").map(_.toLowerCase)
    def runs(kind: String): Boolean = wanted.forall(_ == kind.toLowerCase)

    val folder = Files.createTempDirectory(TestSession.scratch, "fuzz").toFile
    lazy val files = new FileFuzzer(TestSession.spark, folder)
    val outcomes = new MessageFuzzer.Outcomes
    var seed = first
    val watch = new Watch
    while (seed - first < count && System.nanoTime < end) {
      watch.begin(seed)
      for (recordType <- RecordType.all if recordType != RecordType.ByteArray) {
        if (runs(recordType.name)) {
          val fuzzer = new MessageFuzzer(seed, recordType)
          fuzzer.run()
          outcomes.addAll(fuzzer.outcomes)
        }
      }
      if (runs("writing")) {
        RecordType.all.filter(_ != RecordType.Auto).foreach(new WriteFuzzer(seed, _).run())
      }
      if (runs("files")) files.run(seed)
      seed += 1
      if ((seed - first) % 5000 == 0) println(s"${seed - first} seeds, no finding: $outcomes")
    }
    println(s"${seed - first} seeds from $first on, no finding. Messages: $outcomes")
    sys.exit()
  }

  /** Ends the JVM where a seed takes longer than anything should. */
  final private class Watch {
    @volatile private var seed = 0L
    @volatile private var since = System.nanoTime
    private val worker = Thread.currentThread()

    def begin(next: Long): Unit = {
      seed = next
      since = System.nanoTime
    }

    private val thread = new Thread(() =>
      while (true) {
        Thread.sleep(1000)
        if (System.nanoTime - since > MINUTES.toNanos(1)) {
          println(s"seed $seed has run for a minute:\n  ${worker.getStackTrace.mkString("\n  ")}")
          Runtime.getRuntime.halt(1)
        }
      }
    )
    thread.setDaemon(true)
    thread.start()
  }
}

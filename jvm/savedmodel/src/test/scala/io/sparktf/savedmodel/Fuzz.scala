package io.sparktf.savedmodel

import java.util.concurrent.TimeUnit.MINUTES

/**
 * Runs the fuzzer of [[FuzzSuite]] for as long as one likes.
 *
 * {{{
 * --minutes N   stop after so long (1)
 * --count N     or after so many seeds
 * --seed N      the first seed; the present time without it
 * }}}
 */
object Fuzz {

  def main(arguments: Array[String]): Unit = {
    val options = arguments.grouped(2).map { case Array(name, value) => name -> value.toLong }.toMap
    val unknown = options.keySet -- Set("--minutes", "--count", "--seed")
    require(unknown.isEmpty, s"unknown: ${unknown.mkString(" ")}")
    val first = options.getOrElse("--seed", System.currentTimeMillis())
    val count = options.getOrElse("--count", Long.MaxValue)
    val end =
      if (options.contains("--count") && !options.contains("--minutes")) Long.MaxValue
      else System.nanoTime + MINUTES.toNanos(options.getOrElse("--minutes", 1L))
    val fuzzer = new ScoringFuzzer(ScoringSuite.spark)
    var seed = first
    while (seed - first < count && System.nanoTime < end) {
      fuzzer.run(seed)
      seed += 1
      if ((seed - first) % 500 == 0) println(s"${seed - first} seeds, no finding")
    }
    println(s"${seed - first} seeds from $first on, no finding")
    sys.exit()
  }
}

package io.sparktf.savedmodel

/**
 * Random rows, a fixed number of cases. `make fuzz-scoring` runs more of them, for minutes or hours.
 * What fails says its seed, which `make fuzz-scoring ARGS="--seed N --count 1"` runs once more.
 */
class FuzzSuite extends ScoringSuite {

  test("rows that models give back are what was given, by all ways") {
    val fuzzer = new ScoringFuzzer(spark)
    for (seed <- 11 to 20) fuzzer.run(seed.toLong)
  }
}

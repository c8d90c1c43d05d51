package io.sparktf.tfrecord

import io.sparktf.tfrecord.options.RecordType

/**
 * Hostile input, a fixed number of cases. `make fuzz-records` runs more of them, for minutes or hours.
 * What fails says its seed, which `make fuzz-records ARGS="--seed N --count 1"` runs once more.
 */
@LocalOnly
@FormatOnly
class FuzzSuite extends TFRecordSuite {

  for (recordType <- Seq(RecordType.Example, RecordType.SequenceExample, RecordType.Auto)) {
    test(s"damaged messages read as $recordType give the rows that protobuf gives, or an error") {
      val outcomes = new MessageFuzzer.Outcomes
      for (i <- 0 until 400) {
        val fuzzer = new MessageFuzzer(seed + i, recordType)
        fuzzer.run()
        outcomes.addAll(fuzzer.outcomes)
      }
      info(outcomes.toString)
      // All sorts must come, or the comparison would say little.
      assert(outcomes("row") > outcomes.total / 4)
      assert(outcomes("error") > outcomes.total / 10)
      assert(outcomes("anything") < outcomes.total / 20)
    }
  }

  for (recordType <- RecordType.all if recordType != RecordType.Auto) {
    test(s"$recordType: protobuf and this reader find the rows in the records of any size") {
      for (i <- 0 until 250) new WriteFuzzer(seed + i, recordType).run()
    }
  }

  test("damaged files give the records before the damage and then an error") {
    withTempDir { folder =>
      val fuzzer = new FileFuzzer(spark, folder)
      for (i <- 0 until 200) fuzzer.run(seed + i)
    }
  }
}

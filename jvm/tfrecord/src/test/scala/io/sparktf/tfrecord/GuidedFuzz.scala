package io.sparktf.tfrecord

import java.io.File

import scala.collection.mutable

import Records.writeFile
import io.sparktf.tfrecord.options.RecordType

/**
 * The target of a coverage-guided fuzzer, Jazzer, which keeps what reaches code that nothing
 * reached before, and changes that further. The first byte of its input chooses the record type,
 * the second the schema, and the rest is the message.
 */
object GuidedFuzz {
  private val recordTypes = Seq(RecordType.Example, RecordType.SequenceExample, RecordType.Auto)
  private val schemas = 256
  private val fuzzers = mutable.Map.empty[(Int, Int), MessageFuzzer]

  /** @throws AssertionError that holds all that is needed to see it again */
  def fuzzerTestOneInput(input: Array[Byte]): Unit =
    if (input.length >= 2) {
      fuzzer(
        Math.floorMod(input(0).toInt, recordTypes.size),
        input(1) & (schemas - 1)
      ).check(input.drop(2))
    }

  /** Writes whole messages into a folder, for Jazzer to begin with. */
  def main(arguments: Array[String]): Unit = {
    val folder = new File(arguments.head)
    for (recordType <- recordTypes.indices; schema <- 0 until schemas) {
      val head = Array(recordType.toByte, schema.toByte)
      writeFile(
        new File(folder, s"whole-$recordType-$schema"),
        head ++ fuzzer(recordType, schema).message()
      )
    }
    println(s"${recordTypes.size * schemas} messages to begin with are in $folder")
  }

  private def fuzzer(recordType: Int, schema: Int): MessageFuzzer =
    fuzzers.getOrElseUpdate(
      (recordType, schema),
      new MessageFuzzer(schema.toLong, recordTypes(recordType))
    )
}

package io.sparktf.tfrecord

import java.io.File

import com.google.protobuf.InvalidProtocolBufferException
import org.tensorflow.example.Example

import Records._
import Wire._

/** Whole frames around messages that are no tf.Example: an error each, and never a crash. */
@LocalOnly
@FormatOnly
class MalformedMessagesSuite extends TFRecordSuite {

  private val schema =
    "clicks BIGINT, hits ARRAY<BIGINT>, weights ARRAY<FLOAT>, words ARRAY<STRING>"

  private def intFeature(values: Long*): Array[Byte] = int64Kind(packedInts(values: _*))

  test("messages that protobuf refuses are errors") {
    val good = features(entry("clicks", intFeature(1)))
    val bad = Seq(
      "a tag cut off" -> concat(good, Array[Byte](-1)),
      "a field number of zero" -> concat(good, Array[Byte](0x00, 0x00)),
      "a wire type of six" -> concat(good, Array[Byte](0x0e)),
      "a length beyond the record" -> concat(good, tag(1, LengthDelimited), varint(1)),
      "a negative length" -> concat(good, tag(1, LengthDelimited), varint(-1)),
      "a length of two billion" -> concat(
        good,
        tag(9, LengthDelimited),
        varint(Int.MaxValue),
        good
      ),
      "a varint of eleven bytes" -> concat(
        good,
        tag(9, Varint),
        Array.fill[Byte](10)(-1),
        varint(1)
      ),
      "the end of no group" -> concat(good, tag(9, EndGroup)),
      "a group without an end" -> concat(good, tag(9, StartGroup)),
      "a group with another's end" -> concat(good, tag(9, StartGroup), tag(8, EndGroup)),
      "a fixed32 cut off" -> concat(good, tag(9, Fixed32), Array[Byte](1, 2)),
      "a value beyond its entry" -> features(
        entry(key("clicks"), tag(2, LengthDelimited), varint(9))
      ),
      "an entry beyond its features" -> features(tag(1, LengthDelimited), varint(99)),
      "a packed float of three bytes" -> features(
        entry("weights", floatKind(field(1, Array[Byte](1, 2, 3))))
      ),
      "a packed varint cut off" -> features(
        entry("hits", int64Kind(field(1, Array[Byte](1, -1))))
      ),
      "a packed varint of eleven bytes" -> features(
        entry("hits", int64Kind(field(1, Array.fill[Byte](10)(-1), varint(1))))
      ),
      "a list cut off" -> features(entry("words", bytesKind(tag(1, LengthDelimited), varint(5))))
    )
    bad.foreach { case (what, record) =>
      withClue(what) {
        intercept[InvalidProtocolBufferException](Example.parseFrom(record))
        withTempDir { folder =>
          val file = new File(folder, "data.tfrecord")
          writeFile(file, framed(Seq(good, record)))
          assertFails("data.tfrecord", good.length + 16)(read(folder, schema).collect())
        }
      }
    }
  }

  test("a hundred thousand open groups end in an error, not in a stack overflow") {
    val deep = concat(Seq.fill(100000)(tag(9, StartGroup)): _*)
    val places = Seq(
      deep,
      features(deep),
      features(entry(deep)),
      features(entry("clicks", deep)),
      features(entry("clicks", int64Kind(deep)))
    )
    places.foreach { record =>
      withTempDir { folder =>
        writeFile(new File(folder, "data.tfrecord"), framed(Seq(record)))
        assertFails("data.tfrecord", 0)(read(folder, schema).collect())
        assertFails("data.tfrecord")(infer(folder, "samplingRatio" -> "1.0").collect())
      }
    }
  }
}

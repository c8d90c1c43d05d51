package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.sql.Row
import org.apache.spark.sql.types.StructType
import org.tensorflow.example.Example

import Records._
import Wire._

/**
 * Bytes that no library writes and every protobuf parser reads. Each case is read by Spark and by
 * protobuf, and the two must agree.
 */
@LocalOnly
@FormatOnly
class WireOdditiesSuite extends TFRecordSuite {

  private val schema = "clicks BIGINT, hits ARRAY<BIGINT>, weight FLOAT, " +
    "weights ARRAY<FLOAT>, word STRING, words ARRAY<STRING>"

  private def agree(records: Array[Byte]*): Unit = agreeOn(schema, records: _*)

  private def agreeOn(ddl: String, records: Array[Byte]*): Unit = withTempDir { folder =>
    writeFile(new File(folder, "data.tfrecord"), framed(records))
    val reference = records.map { record =>
      Shown.expected(Example.parseFrom(record), StructType.fromDDL(ddl))
    }
    assert(shown(read(folder, ddl)) == Shown.show(reference))
  }

  private def intFeature(values: Long*): Array[Byte] = int64Kind(packedInts(values: _*))
  private def floatFeature(values: Float*): Array[Byte] = floatKind(packedFloats(values: _*))
  private def wordFeature(values: String*): Array[Byte] = bytesKind(byteStrings(values: _*))

  test("lists that are not packed, and lists that are packed here and loose there") {
    agree(
      features(
        entry("clicks", int64Kind(looseInts(7))),
        entry("hits", int64Kind(looseInts(1, -1, 300))),
        entry("weight", floatKind(looseFloats(1.5f))),
        entry("weights", floatKind(looseFloats(1f, 2f, 3f)))
      ),
      features(
        entry(
          "hits",
          int64Kind(
            looseInts(1),
            packedInts(2, 3),
            packedInts(),
            looseInts(4, 5),
            packedInts(6)
          )
        ),
        entry(
          "weights",
          floatKind(
            packedFloats(1f),
            looseFloats(2f, 3f),
            packedFloats(),
            packedFloats(4f, 5f)
          )
        )
      ),
      features(
        entry("clicks", int64Kind(packedInts(), looseInts(9), packedInts())),
        entry("weight", floatKind(packedFloats(), packedFloats(9f)))
      )
    )
  }

  test("integers at the ends of their range, the negative ones in ten bytes") {
    agree(features(
      entry("clicks", intFeature(Long.MinValue)),
      entry("hits", intFeature(-1, Long.MaxValue, Long.MinValue, 0, 127, 128, 1L << 35))
    ))
  }

  test("varints longer than they need be, in tags, lengths and values") {
    val long = Seq(2, 3, 5)
    agree(long.map { n =>
      val list = concat(
        tag(1, Varint, n),
        varint(5, n),
        tag(1, LengthDelimited, n),
        varint(2 * n, n),
        varint(6, n),
        varint(7, n)
      )
      val feature = concat(tag(3, LengthDelimited, n), varint(list.length, n), list)
      val name = concat(tag(1, LengthDelimited, n), varint(4, n), "hits".getBytes)
      val body = concat(name, tag(2, LengthDelimited, n), varint(feature.length, n), feature)
      features(concat(tag(1, LengthDelimited, n), varint(body.length, n), body))
    }: _*)
    agree(features(entry(
      "hits",
      int64Kind(
        tag(1, Varint),
        varint(1, 9),
        field(1, varint(2, 9), varint(3, 8), varint(0, 9))
      )
    )))
    // Lengths, too, may take all of a varint's ten bytes.
    val list = packedInts(4)
    agree(features(entry(
      "hits",
      concat(
        tag(3, LengthDelimited),
        varint(list.length, 10),
        list
      )
    )))
  }

  test("of a varint's tenth byte one bit counts") {
    // The values are given: protobuf-java, unlike TensorFlow's parser, takes the tenth byte to be
    // 1 wherever more bytes follow (CodedInputStream.readRawVarint64).
    val ones = Array.fill[Byte](9)(-1)
    withTempDir { folder =>
      writeFile(
        new File(folder, "data.tfrecord"),
        framed(Seq(features(entry(
          "hits",
          int64Kind(
            field(1, ones, Array[Byte](0x7f), ones, Array[Byte](0x01), ones, Array[Byte](0x00)),
            concat(tag(1, Varint), varint(5, 10)),
            field(1, varint(0, 10), varint(300, 10), varint(-2))
          )
        ))))
      )
      assertRows(
        read(folder, "hits ARRAY<BIGINT>"),
        Row(Seq(-1L, -1L, Long.MaxValue, 5L, 0L, 300L, -2L))
      )
    }
  }

  test("the value before its key") {
    agree(features(
      entry(value(intFeature(1)), key("clicks")),
      entry(value(floatFeature(1f, 2f)), key("weights")),
      entry(value(wordFeature("x")), key("word"))
    ))
  }

  test("of duplicate keys the last wins, whatever the others hold") {
    agree(
      features(
        entry("clicks", intFeature(1)),
        entry("weight", floatFeature(1f)),
        entry("clicks", intFeature(2)),
        entry("hits", intFeature(1, 2)),
        entry("hits", intFeature())
      ),
      // A loser may be what its column could not take.
      features(
        entry("clicks", wordFeature("not a number")),
        entry("clicks", intFeature(1, 2, 3)),
        entry("clicks", intFeature(4))
      ),
      features(entry("clicks", intFeature(1)), entry("clicks", Array.empty[Byte])),
      features(entry("clicks", intFeature(1)), entry(key("clicks")))
    )
  }

  test("within an entry, the last key wins and values merge") {
    agree(
      features(entry(key("clicks"), key("hits"), value(intFeature(1)))),
      features(entry(key("hits"), value(intFeature(1)), value(intFeature(2, 3)))),
      features(entry(value(intFeature(1)), key("hits"), value(intFeature(2, 3)))),
      features(entry(key("clicks"), value(wordFeature("x")), value(intFeature(2)))),
      features(entry(key("weights"), value(floatFeature(1f)), value(), value(floatFeature(2f))))
    )
  }

  test("a key behind the value is the entry's, whether a column wants the first or not") {
    agree(
      features(entry(key("no column"), value(intFeature(1)), key("clicks"))),
      features(
        entry(key("no column"), value(intFeature(2)), key("hits")),
        entry("clicks", intFeature(3))
      ),
      features(entry(key("clicks"), value(intFeature(4)), key("no column"))),
      features(entry("no column", intFeature(5)), entry("clicks", intFeature(6)))
    )
  }

  test("inside a feature, lists of one kind merge and another kind replaces them") {
    agree(
      features(entry("hits", concat(intFeature(1), intFeature(2), intFeature()))),
      features(entry("hits", concat(floatFeature(1f), intFeature(2)))),
      features(entry("hits", concat(intFeature(1), wordFeature("x"), intFeature(2)))),
      features(entry("clicks", concat(intFeature(1, 2), floatFeature(), intFeature(3)))),
      features(entry("word", concat(intFeature(1), wordFeature("y")))),
      features(entry("words", concat(wordFeature("a"), wordFeature("b", "c"))))
    )
  }

  test("messages one after the other merge, and so do Features in pieces") {
    val first = features(entry("clicks", intFeature(1)), entry("hits", intFeature(1, 2)))
    val second = features(entry("weight", floatFeature(3f)), entry("hits", intFeature(5)))
    agree(concat(first, second), concat(second, first), concat(first, features(), second))
  }

  test("nothing at all is a row of nulls") {
    agree(Array.empty[Byte], features(), concat(features(), features()))
    agree(features(entry()), features(entry(key("clicks"))), features(entry(value())))
  }

  test("a missing key is the empty name, a missing value the empty feature") {
    agreeOn(
      "`` BIGINT, clicks BIGINT",
      features(entry(value(intFeature(5)))),
      features(entry("", intFeature(6)), entry("clicks", intFeature(7))),
      features(entry(key("clicks")))
    )
  }

  test("empty features and empty lists, packed or not") {
    val kinds = Seq(
      "clicks" -> int64Kind(),
      "clicks" -> int64Kind(packedInts()),
      "hits" -> int64Kind(),
      "hits" -> int64Kind(packedInts()),
      "weight" -> floatKind(),
      "weight" -> floatKind(packedFloats()),
      "weights" -> floatKind(),
      "weights" -> floatKind(packedFloats()),
      "word" -> bytesKind(),
      "words" -> bytesKind(),
      "words" -> wordFeature(""),
      "word" -> wordFeature("")
    )
    agree(kinds.map { case (name, feature) => features(entry(name, feature)) }: _*)
    agree(Seq("clicks", "hits", "weight", "weights", "word", "words").map { name =>
      features(entry(name, Array.empty[Byte]))
    }: _*)
  }

  test("unknown fields of every wire type are skipped at every level") {
    val levels = Seq[Array[Byte] => Array[Byte]](
      unknown => concat(unknown, features(entry("hits", intFeature(1, 2))), unknown),
      unknown => features(unknown, entry("hits", intFeature(1, 2)), unknown),
      unknown => features(entry(unknown, key("hits"), unknown, value(intFeature(1, 2)), unknown)),
      unknown => features(entry("hits", concat(unknown, intFeature(1, 2), unknown))),
      unknown => features(entry("hits", int64Kind(unknown, packedInts(1), unknown, looseInts(2)))),
      unknown => features(entry("words", bytesKind(unknown, byteStrings("a", "b"), unknown))),
      unknown =>
        features(
          entry("weights", floatKind(unknown, packedFloats(1f), unknown, looseFloats(2f)))
        )
    )
    val largest = 536870911
    for (number <- Seq(4, 15, 16, 2047, largest)) {
      agree(levels.flatMap(level => unknownFields(number).map(level)): _*)
    }
  }

  test("a known number with a wire type that is not its own is an unknown field") {
    val odd = Seq(
      concat(tag(1, Varint), varint(1)),
      concat(tag(1, Fixed64), fixed64(1)),
      concat(tag(1, Fixed32), fixed32(1f)),
      concat(tag(1, StartGroup), key("x"), tag(1, EndGroup))
    )
    val kinds = Seq(
      concat(tag(3, Varint), varint(1)),
      concat(tag(2, Fixed32), fixed32(1f)),
      concat(tag(3, StartGroup), tag(3, EndGroup))
    )
    agree(
      odd.map(part => concat(part, features(part, entry("hits", intFeature(1, 2))))) ++
        odd.map(part => features(entry(part, key("hits"), value(intFeature(1))))) ++
        kinds.map(part => features(entry("hits", concat(intFeature(1), part)))) ++
        odd.tail.map(part => features(entry("hits", int64Kind(packedInts(1), part)))) ++
        odd.map(part => features(entry("words", bytesKind(byteStrings("a"), part)))) ++
        odd.patch(2, Nil, 1)
          .map(part => features(entry("weights", floatKind(packedFloats(1f), part)))): _*
    )
  }

  test("names that are almost the same") {
    val long = "n" * 300
    // "Aa", "BB" and "C#" share a hash code in Java.
    val names = Seq("a", "ab", "ba", "b", "Aa", "BB", "C#", long + "1", long + "2", "数", "數", "é")
    val ddl = names.map(name => s"`$name` BIGINT").mkString(", ")
    def record(order: Seq[String]): Array[Byte] = features(
      order.map(name => entry(name, intFeature(names.indexOf(name) + 100L * order.size))): _*
    )
    agreeOn(
      ddl,
      record(names),
      record(names.reverse),
      record(names.drop(3)),
      record(names.take(5)),
      record(names.filter(_.length > 2) ++ names.filter(_.length == 1)),
      record(names)
    )
  }
}

package io.sparktf.tfrecord.decode

import java.nio.charset.StandardCharsets.ISO_8859_1

import scala.collection.mutable

import io.sparktf.tfrecord.MalformedMessageException
import io.sparktf.tfrecord.options.{RecordType, TFRecordOptions}
import io.sparktf.tfrecord.wire.MessageFields._

/**
 * Records that hold messages of other kinds. Protobuf reads most messages as a tf.Example: what it
 * does not know it skips, and then there is a row without a value.
 */
private[tfrecord] object ForeignMessage {

  /** What an error about such a record ends with. */
  val hint: String =
    s"${TFRecordOptions.RecordType}=${RecordType.ByteArray} reads records of any kind as bytes"

  /** Whether none of the fields is one of a tf.Example or a tf.SequenceExample. */
  def isUnknown(bytes: Array[Byte], start: Int, end: Int): Boolean =
    start < end && !holds(bytes, start, end, 1) && !holds(bytes, start, end, 2)

  def error(bytes: Array[Byte], start: Int, end: Int) = new MalformedMessageException(
    s"no tf.Example or tf.SequenceExample, but ${describe(bytes, start, end)}; $hint, and " +
      s"${TFRecordOptions.RecordType}=${RecordType.Example} reads this one as protobuf does, " +
      "without a feature"
  )

  /**
   * Whether a valid message in which there is no value says anything that a tf.Example would not:
   * it has fields of which a tf.Example knows nothing, or map entries without a value.
   *
   * @param hasLists whether it may have feature lists
   */
  def isForeign(bytes: Array[Byte], start: Int, end: Int, hasLists: Boolean): Boolean = {
    var found = false
    each(bytes, start, end) { (field, wireType, from, to) =>
      found ||= wireType != LengthDelimited ||
        (field match {
          case 1 => isForeignMap(bytes, from, to)(isForeignFeature(bytes, _, _))
          case 2 if hasLists => isForeignMap(bytes, from, to)(isForeignList(bytes, _, _))
          case _ => true
        })
    }
    found
  }

  private def isForeignMap(bytes: Array[Byte], start: Int, end: Int)(
      isForeignValue: (Int, Int) => Boolean
  ): Boolean = {
    var found = false
    each(bytes, start, end) { (field, wireType, from, to) =>
      var hasValue = false
      if (field == 1 && wireType == LengthDelimited) {
        each(bytes, from, to) { (inside, wireType, from, to) =>
          if (inside == 2 && wireType == LengthDelimited) {
            hasValue = true
            found ||= isForeignValue(from, to)
          } else found ||= inside != 1 || wireType != LengthDelimited
        }
      }
      found ||= !hasValue
    }
    found
  }

  private def isForeignList(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var found = false
    each(bytes, start, end) { (field, wireType, from, to) =>
      found ||= field != 1 || wireType != LengthDelimited || isForeignFeature(bytes, from, to)
    }
    found
  }

  /** A Feature has one of three lists, and each of them nothing but values. */
  private def isForeignFeature(bytes: Array[Byte], start: Int, end: Int): Boolean = {
    var found = false
    each(bytes, start, end) { (field, wireType, from, to) =>
      found ||= field > 3 || wireType != LengthDelimited
      each(bytes, from, to)((inside, _, _, _) => found ||= inside != 1)
    }
    found
  }

  /** Its fields, and what it seems to be. */
  def describe(bytes: Array[Byte], start: Int, end: Int): String = {
    val fields = mutable.LinkedHashSet.empty[String]
    var kind = ""
    each(bytes, start, end) { (field, wireType, from, to) =>
      if (field == 1 && kind.isEmpty) {
        if (wireType == Fixed64) kind = ", as TensorBoard's events have"
        else if (wireType == LengthDelimited && isExample(bytes, from, to)) {
          kind = ", as lists of tf.Examples have (ExampleListWithContext)"
        }
      }
      if (startsWith(bytes, from, to, "brain.Event:")) kind = ": an event of TensorBoard's"
      if (fields.size < MaxFields) fields += s"$field (${nameOf(wireType)})"
    }
    s"a message with the fields ${fields.mkString(", ")}$kind"
  }

  private def isExample(bytes: Array[Byte], start: Int, end: Int): Boolean =
    try {
      val known = new ExampleNormalizer(RecordType.Example)
      known.normalize(bytes, start, end)
      known.size > 0
    } catch { case _: MalformedMessageException | _: IllegalArgumentException => false }

  private def startsWith(bytes: Array[Byte], start: Int, end: Int, text: String): Boolean =
    end - start >= text.length && new String(bytes, start, text.length, ISO_8859_1) == text

  private def nameOf(wireType: Int): String = wireType match {
    case Varint => "an integer"
    case Fixed64 => "64 bits"
    case LengthDelimited => "bytes"
    case _ => "32 bits"
  }

  final private val MaxFields = 6
}

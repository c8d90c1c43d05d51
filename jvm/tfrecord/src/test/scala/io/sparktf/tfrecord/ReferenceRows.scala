package io.sparktf.tfrecord

import java.math.{BigDecimal, RoundingMode}
import java.nio.charset.StandardCharsets.UTF_8
import java.util.Locale

import scala.collection.JavaConverters._
import scala.util.Try
import scala.util.control.NoStackTrace

import com.google.protobuf.{ByteString, InvalidProtocolBufferException, UnknownFieldSet}
import org.apache.spark.sql.Row
import org.apache.spark.sql.types._
import org.tensorflow.example._

/**
 * The rows that messages stand for, by protobuf's own parsers and this plain conversion.
 *
 * @param isSequence whether messages are SequenceExamples
 */
class ReferenceRows(isSequence: Boolean, schema: StructType, caseSensitive: Boolean) {
  import ReferenceRows._

  /** What may come of reading `message`. */
  def of(message: Array[Byte]): Expected =
    if (hasOddTenthByte(message)) Anything
    else {
      try {
        val row = rowOf(parse(message))
        if (isReadOtherwise(message)) RowOrError(row, "read otherwise") else TheRow(row)
      } catch {
        case _: Misfit => AnError
        case _: InvalidProtocolBufferException =>
          // What no column wants is skipped by its length, not looked into.
          Try(rowOf(skipping(message))).map(RowOrError(_, "skipping")).getOrElse(AnError)
      }
    }

  /** Whether protobuf-java reads something here that this project refuses. */
  def isReadOtherwise(message: Array[Byte]): Boolean =
    ReferenceRows.isReadOtherwise(message, if (isSequence) sequenceExample else example)

  /**
   * What inference finds in `message` alone: None where it is no message or its feature lists
   * disagree within themselves.
   */
  def inferred(message: Array[Byte]): Option[Set[(String, String)]] =
    Try {
      val maps = parse(message)
      val features = maps.features.mapValues(feature => typeOf(Seq(feature.get)))
      val lists = maps.lists.mapValues(list =>
        typeOf(list.get.getFeatureList.asScala.toSeq).map {
          case array: ArrayType => ArrayType(array)
          case scalar => ArrayType(ArrayType(scalar))
        }
      )
      val found = for {
        (name, dataType) <- features.toSeq ++ lists.toSeq if !name.startsWith(NoText)
        some <- dataType
      } yield name -> some.catalogString
      found.toSet[(String, String)]
    }.toOption

  private def rowOf(maps: Maps): Row = Row.fromSeq(schema.map { field =>
    // Both are looked up, for an ambiguous name is an error in either.
    val feature = lookUp(maps.features, field.name)
    val list = lookUp(maps.lists, field.name)
    (field.dataType, feature, list) match {
      case (_, None, None) => null
      case (ArrayType(inner: ArrayType, _), _, Some(steps)) =>
        steps.get.getFeatureList.asScala.toVector.map { step =>
          Option(value(step, inner)).getOrElse(Vector.empty)
        }
      case (ArrayType(_: ArrayType, _), Some(_), None) => throw new Misfit
      case (dataType, Some(one), _) => value(one.get, dataType)
      case (ArrayType(element, _), None, Some(steps)) => flat(steps.get, element)
      case _ => throw new Misfit
    }
  })

  /** An array from a feature list that has one value in each step. */
  private def flat(steps: FeatureList, element: DataType): Vector[Any] = {
    if (steps.getFeatureList.asScala.map(_.getKindCase).distinct.size > 1) throw new Misfit
    steps.getFeatureList.asScala.toVector.map { step =>
      val found = if (isEmpty(step)) Vector.empty else values(step, element)
      if (found.size != 1) throw new Misfit
      found.head
    }
  }

  private def lookUp[T](map: Map[String, T], name: String): Option[T] =
    if (caseSensitive || map.contains(name)) map.get(name)
    else {
      val lower = name.toLowerCase(Locale.ROOT)
      val found = map.keys.filter(_.toLowerCase(Locale.ROOT) == lower)
      if (found.size > 1) throw new Misfit
      found.headOption.map(map)
    }

  private def parse(message: Array[Byte]): Maps =
    try {
      if (isSequence) {
        val parsed = SequenceExample.parseFrom(message)
        Maps(
          read(parsed.getContext.getFeatureMap),
          read(parsed.getFeatureLists.getFeatureListMap)
        )
      } else {
        Maps(read(Example.parseFrom(message).getFeatures.getFeatureMap), Map.empty)
      }
    } catch {
      // protobuf-java refuses keys that are no UTF-8, which TensorFlow's parsers take for bytes.
      case e: InvalidProtocolBufferException if String.valueOf(e.getMessage).contains("UTF-8") =>
        parseBytesKeys(message)
    }

  private def read[T](map: java.util.Map[String, T]): Map[String, Later[T]] =
    map.asScala.map { case (key, value) => key -> new Later(value) }.toMap

  /** As protobuf would parse if the keys of the maps were declared as bytes. */
  private def parseBytesKeys(message: Array[Byte]): Maps = {
    val top = UnknownFieldSet.parseFrom(message)
    def entries[T](number: Int)(parse: ByteString => T): Map[String, Later[T]] =
      UnknownFieldSet.parseFrom(joined(top, number)).getField(1).getLengthDelimitedList.asScala
        .map { bytes =>
          val entry = UnknownFieldSet.parseFrom(bytes)
          val key = entry.getField(1).getLengthDelimitedList.asScala.lastOption
          val value = parse(joined(entry, 2))
          key.fold("")(nameOf) -> new Later(value)
        }.toMap
    Maps(
      entries(1)(Feature.parseFrom),
      if (isSequence) entries(2)(FeatureList.parseFrom) else Map.empty
    )
  }

  /** A message in pieces is the message that the pieces make in one, if each is a message. */
  private def joined(fields: UnknownFieldSet, number: Int): ByteString = {
    val pieces = fields.getField(number).getLengthDelimitedList.asScala
    pieces.foreach(piece => UnknownFieldSet.parseFrom(piece))
    ByteString.copyFrom(Wire.concat(pieces.toSeq.map(_.toByteArray): _*))
  }

  /** Of messages in the plain layout, only the features that a column takes are parsed. */
  private def skipping(message: Array[Byte]): Maps = {
    val input = new PlainFields(message)
    val features = input.optional(1)
    val lists = if (isSequence) input.optional(2) else None
    if (input.hasMore) throw new Misfit
    Maps(
      features.fold(Map.empty[String, Later[Feature]])(last(_)(Feature.parseFrom)),
      lists.fold(Map.empty[String, Later[FeatureList]])(last(_)(FeatureList.parseFrom))
    )
  }

  /** The last entry of each key, not parsed yet. */
  private def last[T](map: Array[Byte])(parse: Array[Byte] => T): Map[String, Later[T]] = {
    val entries = Map.newBuilder[String, Later[T]]
    val fields = new PlainFields(map)
    while (fields.hasMore) {
      val entry = new PlainFields(fields.next(1))
      entries += nameOf(ByteString.copyFrom(entry.next(1))) -> new Later({
        val bytes = entry.next(2)
        if (entry.hasMore) throw new Misfit
        parse(bytes)
      })
    }
    entries.result()
  }
}

object ReferenceRows {

  // Marks a name that is no UTF-8 and so cannot be a column's. No UTF-8 decodes to this letter.
  private val NoText = "\ud800"

  private def nameOf(key: ByteString): String =
    if (key.isValidUtf8) key.toString(UTF_8) else NoText + key.toByteArray.mkString(" ")

  sealed trait Expected
  final case class TheRow(row: Row) extends Expected
  case object AnError extends Expected
  final case class RowOrError(row: Row, why: String) extends Expected

  /** Nothing can be said but that it ends, and ends in nothing worse than an error. */
  case object Anything extends Expected

  final private class Later[T](parse: => T) {
    lazy val get: T = parse
  }

  final private case class Maps(
      features: Map[String, Later[Feature]],
      lists: Map[String, Later[FeatureList]]
  )

  /** The message does not fit the schema. */
  final private class Misfit extends RuntimeException with NoStackTrace

  /** Fields in the order and with the tags of protobuf's writers; a [[Misfit]] is anything else. */
  final private class PlainFields(bytes: Array[Byte]) {
    private var pos = 0

    def hasMore: Boolean = pos < bytes.length

    def optional(number: Int): Option[Array[Byte]] =
      if (hasMore && bytes(pos) == Wire.tag(number, Wire.LengthDelimited).head) Some(next(number))
      else None

    def next(number: Int): Array[Byte] = {
      if (!hasMore || bytes(pos) != Wire.tag(number, Wire.LengthDelimited).head) throw new Misfit
      val from = WireTree.varintEnd(bytes, pos + 1)
      if (from < 0) throw new Misfit
      val length = WireTree.varintValue(bytes, pos + 1, from)
      if (length < 0 || length > bytes.length - from) throw new Misfit
      pos = from + length.toInt
      bytes.slice(from, pos)
    }
  }

  /**
   * Whether there may be a varint whose tenth byte is not 1. protobuf-java takes it to be 1
   * (CodedInputStream.readRawVarint64), where TensorFlow's parser reads it: no reference then.
   */
  private def hasOddTenthByte(bytes: Array[Byte]): Boolean =
    bytes.indices.drop(9).exists(i =>
      bytes(i) >= 0 && bytes(i) != 1 && (1 to 9).forall(k => bytes(i - k) < 0)
    )

  /** A message type: the fields that are messages themselves. */
  final private case class Level(fields: Map[Int, Level])
  private val list = Level(Map.empty)
  private val feature = Level(Map(1 -> list, 2 -> list, 3 -> list))
  private val features = Level(Map(1 -> Level(Map(2 -> feature))))
  private val featureLists = Level(Map(1 -> Level(Map(2 -> Level(Map(1 -> feature))))))
  private val example = Level(Map(1 -> features))
  private val sequenceExample = Level(Map(1 -> features, 2 -> featureLists))

  /**
   * Whether there may be a tag or a length of more than 32 bits, of which protobuf-java drops the
   * rest while this project refuses it, or groups nested about as deep as is allowed.
   */
  private def isReadOtherwise(bytes: Array[Byte], level: Level): Boolean = {
    var pos = 0
    var groups = 0
    while (pos < bytes.length) {
      val tagEnd = WireTree.varintEnd(bytes, pos)
      if (tagEnd < 0) return false
      val tag = WireTree.varintValue(bytes, pos, tagEnd)
      if (tag >>> 32 != 0) return true
      pos = (tag & 7).toInt match {
        case Wire.Varint => WireTree.varintEnd(bytes, tagEnd)
        case Wire.Fixed64 => tagEnd + 8
        case Wire.Fixed32 => tagEnd + 4
        case Wire.StartGroup =>
          groups += 1
          if (groups > 90) return true
          tagEnd
        case Wire.EndGroup =>
          groups -= 1
          tagEnd
        case Wire.LengthDelimited =>
          val from = WireTree.varintEnd(bytes, tagEnd)
          if (from < 0) return false
          val length = WireTree.varintValue(bytes, tagEnd, from)
          if (length >>> 32 != 0) return true
          val end = from + length.toInt
          if (length > bytes.length - from) return false
          val inside = level.fields.get((tag >>> 3).toInt)
          if (inside.exists(isReadOtherwise(bytes.slice(from, end), _))) return true
          end
        case _ => return false
      }
      if (pos < 0) return false
    }
    false
  }

  private def isEmpty(feature: Feature): Boolean =
    feature.getKindCase == Feature.KindCase.KIND_NOT_SET

  private def value(feature: Feature, dataType: DataType): Any =
    if (isEmpty(feature)) null
    else {
      dataType match {
        case ArrayType(element, _) => values(feature, element)
        case scalar =>
          val found = values(feature, scalar)
          if (found.size > 1) throw new Misfit
          found.headOption.orNull
      }
    }

  /** The type of what all of `steps` hold, or None where they hold nothing. */
  private def typeOf(steps: Seq[Feature]): Option[DataType] = {
    val kinds = steps.map(_.getKindCase).filter(_ != Feature.KindCase.KIND_NOT_SET).distinct
    if (kinds.size > 1 && kinds.contains(Feature.KindCase.BYTES_LIST)) throw new Misfit
    val counts = steps.map(step =>
      step.getInt64List.getValueCount +
        step.getFloatList.getValueCount + step.getBytesList.getValueCount
    )
    if (counts.forall(_ == 0)) None
    else {
      val element = kinds.head match {
        case _ if kinds.size > 1 => DoubleType
        case Feature.KindCase.INT64_LIST => LongType
        case Feature.KindCase.FLOAT_LIST => FloatType
        case _ =>
          val bytes = steps.flatMap(_.getBytesList.getValueList.asScala)
          if (bytes.forall(_.isValidUtf8)) StringType else BinaryType
      }
      Some(if (counts.exists(_ > 1)) ArrayType(element) else element)
    }
  }

  private def values(feature: Feature, dataType: DataType): Vector[Any] = {
    val kind = feature.getKindCase
    dataType match {
      case FloatType | DoubleType | _: DecimalType if kind == Feature.KindCase.FLOAT_LIST =>
        feature.getFloatList.getValueList.asScala.toVector.map(v => ofFloat(v, dataType))
      case FloatType | DoubleType if kind == Feature.KindCase.INT64_LIST =>
        feature.getInt64List.getValueList.asScala.toVector.map(v => exactly(v, dataType))
      case StringType | BinaryType if kind == Feature.KindCase.BYTES_LIST =>
        feature.getBytesList.getValueList.asScala.toVector.map { bytes =>
          if (dataType == StringType) bytes.toString(UTF_8) else bytes.toByteArray
        }
      case LongType | IntegerType | ShortType | ByteType | BooleanType
          if kind == Feature.KindCase.INT64_LIST =>
        feature.getInt64List.getValueList.asScala.toVector.map(v => ofLong(v, dataType))
      case _ => throw new Misfit
    }
  }

  private def exactly(value: Long, dataType: DataType): Any = {
    val real: Any = if (dataType == FloatType) value.toFloat else value.toDouble
    val digits = real match {
      case float: Float => new BigDecimal(float.toDouble)
      case double: Double => new BigDecimal(double)
    }
    if (digits.compareTo(new BigDecimal(value)) != 0) throw new Misfit
    real
  }

  private def ofFloat(value: Float, dataType: DataType): Any = dataType match {
    case FloatType => value
    case DoubleType => value.toDouble
    case decimal: DecimalType =>
      if (value.isNaN || value.isInfinite) throw new Misfit
      val scaled = new BigDecimal(value.toString).setScale(decimal.scale, RoundingMode.HALF_UP)
      if (scaled.precision > decimal.precision) throw new Misfit
      scaled
  }

  private def ofLong(value: Long, dataType: DataType): Any = {
    val (result, back) = dataType match {
      case LongType => (value, value)
      case IntegerType => (value.toInt, value.toInt.toLong)
      case ShortType => (value.toShort, value.toShort.toLong)
      case ByteType => (value.toByte, value.toByte.toLong)
      case BooleanType => (value == 1, if (value == 1) 1L else 0L)
    }
    if (back != value) throw new Misfit
    result
  }
}

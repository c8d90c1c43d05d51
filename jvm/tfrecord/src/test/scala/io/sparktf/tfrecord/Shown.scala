package io.sparktf.tfrecord

import java.math.{BigDecimal, RoundingMode}
import java.nio.charset.StandardCharsets.UTF_8
import java.time.{Instant, LocalDate, LocalDateTime, ZoneOffset}
import java.time.temporal.ChronoUnit

import org.apache.spark.sql.Row
import org.apache.spark.sql.types._
import org.tensorflow.example.{Example, Feature, SequenceExample}

/**
 * Values as text that is equal only when the values are: by type, by bit (-0.0, NaN), by scale
 * and by byte. `==` on rows would take 1 for 1.0, compare arrays of bytes by identity and never
 * find NaN equal to itself.
 */
object Shown {

  def show(value: Any): String = value match {
    case null => "null"
    case row: Row => row.toSeq.map(show).mkString("{", ", ", "}")
    case array: Array[Byte] => "x'" + hex(array) + "'"
    case list: scala.collection.Seq[_] => list.map(show).mkString("[", ", ", "]")
    case text: String => "\"" + text + "\""
    case decimal: BigDecimal => decimal.toPlainString + "m"
    case other => s"${other.getClass.getSimpleName}($other)"
  }

  /** Quick, for some records have a million bytes. */
  def hex(bytes: Array[Byte]): String = {
    val text = new java.lang.StringBuilder(2 * bytes.length)
    bytes.foreach { byte =>
      text.append(Character.forDigit(byte >> 4 & 0xf, 16)).append(Character.forDigit(
        byte & 0xf,
        16
      ))
    }
    text.toString
  }

  def show(rows: Seq[Row]): Vector[String] = rows.map(row => show(row: Any)).toVector

  /** The row of `schema` that an Example stands for, read off protobuf's own message. */
  def expected(message: Example, schema: StructType): Row = {
    val features = message.getFeatures.getFeatureMap
    Row.fromSeq(schema.map(field => value(features.get(field.name), field.dataType)))
  }

  /** The same for a SequenceExample; arrays of arrays are feature lists. */
  def expected(message: SequenceExample, schema: StructType): Row = {
    val context = message.getContext.getFeatureMap
    val lists = message.getFeatureLists.getFeatureListMap
    Row.fromSeq(schema.map { field =>
      field.dataType match {
        case ArrayType(inner: ArrayType, _) =>
          Option(lists.get(field.name)).map { list =>
            Vector.tabulate(list.getFeatureCount) { i =>
              Option(value(list.getFeature(i), inner)).getOrElse(Vector.empty)
            }
          }.orNull
        case other => value(context.get(field.name), other)
      }
    })
  }

  private def value(feature: Feature, dataType: DataType): Any =
    if (feature == null || feature.getKindCase == Feature.KindCase.KIND_NOT_SET) null
    else {
      dataType match {
        case ArrayType(element, _) => values(feature, element)
        case scalar =>
          val found = values(feature, scalar)
          require(found.size <= 1, s"not a case of this reference: $found for $scalar")
          found.headOption.orNull
      }
    }

  private def values(feature: Feature, dataType: DataType): Vector[Any] = {
    val kind = feature.getKindCase
    dataType match {
      case FloatType | DoubleType | _: DecimalType =>
        require(kind == Feature.KindCase.FLOAT_LIST, s"$kind for $dataType")
        val list = feature.getFloatList
        Vector.tabulate(list.getValueCount)(i => ofFloat(list.getValue(i), dataType))
      case StringType | BinaryType =>
        require(kind == Feature.KindCase.BYTES_LIST, s"$kind for $dataType")
        val list = feature.getBytesList
        Vector.tabulate(list.getValueCount) { i =>
          val bytes = list.getValue(i).toByteArray
          if (dataType == StringType) new String(bytes, UTF_8) else bytes
        }
      case _ =>
        require(kind == Feature.KindCase.INT64_LIST, s"$kind for $dataType")
        val list = feature.getInt64List
        Vector.tabulate(list.getValueCount)(i => ofLong(list.getValue(i), dataType))
    }
  }

  private def ofFloat(value: Float, dataType: DataType): Any = dataType match {
    case FloatType => value
    case DoubleType => value.toDouble
    case decimal: DecimalType =>
      new BigDecimal(value.toDouble).setScale(decimal.scale, RoundingMode.HALF_UP)
    case other => throw new IllegalArgumentException(s"$other is no float_list")
  }

  private def ofLong(value: Long, dataType: DataType): Any = dataType match {
    case LongType => value
    case IntegerType => Math.toIntExact(value)
    case ShortType => value.toShort.ensuring(_.toLong == value)
    case ByteType => value.toByte.ensuring(_.toLong == value)
    case BooleanType => (value == 1).ensuring(value == 0 || value == 1)
    case DateType => LocalDate.ofEpochDay(value)
    case TimestampType => Instant.EPOCH.plus(value, ChronoUnit.MICROS)
    case TimestampNTZType =>
      LocalDateTime.ofEpochSecond(0, 0, ZoneOffset.UTC).plus(value, ChronoUnit.MICROS)
    case other => throw new IllegalArgumentException(s"$other is no int64_list")
  }
}

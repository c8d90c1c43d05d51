package io.sparktf.tfrecord

import java.nio.charset.StandardCharsets.UTF_8

import scala.util.{Random, Try}

import com.google.protobuf.UnknownFieldSet
import io.sparktf.tfrecord.decode.{RecordDecoder, RowSchema}
import io.sparktf.tfrecord.infer.ExampleSummarizer
import io.sparktf.tfrecord.options.RecordType
import io.sparktf.tfrecord.wire.WireFormat
import org.apache.spark.sql.catalyst.{CatalystTypeConverters, InternalRow}
import org.apache.spark.sql.catalyst.expressions.{
  BoundReference, InterpretedUnsafeProjection, UnsafeRow
}
import org.apache.spark.sql.types._

import ReferenceRows._
import Wire._

/**
 * Random messages for one random schema, most of them damaged, read by one reader and compared
 * with protobuf. All of it follows from `seed`.
 */
class MessageFuzzer(seed: Long, recordType: RecordType) {
  import MessageFuzzer._

  private val random = new Random(seed)
  private val mutator = new WireMutator(random)
  private val caseSensitive = random.nextBoolean()
  // Some messages are larger than the buffers are in the beginning.
  private val isLarge = random.nextInt(40) == 0
  // What most of the messages are.
  private val isSequence = recordType match {
    case RecordType.Auto => random.nextBoolean()
    case other => other == RecordType.SequenceExample
  }

  private val schema: StructType = {
    val some = random.shuffle(names).take(1 + random.nextInt(6))
    // Names that differ in case alone cannot be told apart where case does not count.
    val distinct =
      if (caseSensitive) some else some.groupBy(_.toLowerCase).values.map(_.head).toVector.sorted
    StructType(distinct.map(name => StructField(name, pick(types(isSequence)))))
  }
  private val toRow = CatalystTypeConverters.createToScalaConverter(schema)
  private val toCatalyst = CatalystTypeConverters.createToCatalystConverter(schema)
  private val reader =
    RecordDecoder(recordType, RowSchema(schema, StructType(Nil), caseSensitive))
  private val examples = new ReferenceRows(isSequence = false, schema, caseSensitive)
  private val sequences = new ReferenceRows(isSequence = true, schema, caseSensitive)

  /** For each message by itself, where it says what it is. */
  private def reference(message: Array[Byte]): ReferenceRows = {
    val hasLists = recordType match {
      case RecordType.Auto =>
        topLevel(message).forall(_.getField(2).getLengthDelimitedList.size > 0)
      case other => other == RecordType.SequenceExample
    }
    if (hasLists) sequences else examples
  }

  /** Whether it is a message, but one of which protobuf knows nothing. */
  private def isUnknown(message: Array[Byte]): Boolean =
    recordType == RecordType.Auto && message.nonEmpty && topLevel(message).exists { fields =>
      Seq(1, 2).forall(number => fields.getField(number).getLengthDelimitedList.isEmpty)
    }

  private def topLevel(message: Array[Byte]): Option[UnknownFieldSet] =
    Try(UnknownFieldSet.parseFrom(message)).toOption

  /** What came of the messages, by what was expected. */
  val outcomes = new Outcomes

  /** @throws AssertionError that holds all that is needed to see it again */
  def run(): Unit = {
    val valid = Vector.fill(3)(message())
    for (i <- 0 until (if (isLarge) 8 else Messages)) {
      // Whole ones between, so that what a damaged one leaves behind would show.
      val bytes = if (i % 4 == 3) pick(valid) else mutator.mutate(pick(valid))
      check(bytes)
    }
  }

  /** Compares what is read of any bytes at all. */
  def check(message: Array[Byte]): Unit = {
    val expected = reference(message).of(message) match {
      case TheRow(_) | RowOrError(_, _) if isUnknown(message) => AnError
      case other => other
    }
    val found = decode(message)
    val agrees = (expected, found) match {
      case (Anything, _) => true
      case (AnError, Left(_)) => true
      case (RowOrError(_, _), Left(_)) => true
      case (TheRow(row), Right(shown)) => shown == Shown.show(row: Any)
      case (RowOrError(row, _), Right(shown)) => shown == Shown.show(row: Any)
      case _ => false
    }
    if (!agrees) fail(message, s"expected ${describe(expected)}\nfound    ${found.merge}")
    outcomes.add(expected)
    checkInference(message)
  }

  private def checkInference(message: Array[Byte]): Unit = {
    val found =
      try {
        val summarizer = new ExampleSummarizer(recordType, "file")
        summarizer.add(padded(message), 0, message.length)
        val features = summarizer.result().filter(_.hasValues)
        Right(features.map(feature => feature.name -> feature.dataType.catalogString).toSet)
      } catch {
        // The second is for feature lists whose steps disagree.
        case e @ (_: MalformedMessageException | _: IllegalArgumentException) => Left(e.getMessage)
        case e: Throwable => fail(message, s"inference found $e")
      }
    val expected =
      if (isUnknown(message)) None else reference(message).inferred(message)
    val agrees = (expected, found) match {
      case (Some(expected), Right(schema)) => schema == expected
      case (Some(_), Left(_)) => reference(message).isReadOtherwise(message)
      // Inference counts values, and reads none.
      case (None, _) => true
    }
    if (!agrees) {
      fail(message, s"expected $expected inferred\nfound    ${found.merge}")
    }
  }

  private def padded(message: Array[Byte]): Array[Byte] =
    java.util.Arrays.copyOf(message, message.length + WireFormat.Slack)

  /** The row as text, or the error's message. */
  private def decode(message: Array[Byte]): Either[String, String] = {
    // What stands around the record must not count.
    val start = random.nextInt(40)
    val buffer = new Array[Byte](start + message.length + WireFormat.Slack)
    random.nextBytes(buffer)
    System.arraycopy(message, 0, buffer, start, message.length)
    try {
      val row = reader.read(buffer, start, start + message.length).asInstanceOf[UnsafeRow]
      val converted = toRow(row)
      checkLayout(message, row, toCatalyst(converted).asInstanceOf[InternalRow])
      Right(Shown.show(converted: Any))
    } catch {
      case e: MalformedMessageException => Left(e.getMessage)
      case e: AssertionError => throw e
      case e: Throwable => fail(message, s"found $e at\n${e.getStackTrace.take(12).mkString("\n")}")
    }
  }

  /** Equal rows must have equal bytes, or Spark would not find them equal. */
  private def checkLayout(message: Array[Byte], row: UnsafeRow, values: InternalRow): Unit =
    if (hasOneLayout) {
      val again = projection(values)
      if (again != row) fail(message, s"the row's bytes are $row\nSpark's own are   $again")
    }

  // A string that is no UTF-8 is another string once Spark has shown it, and Spark sets room aside
  // for a wide decimal that is null.
  private val hasOneLayout = !schema.json.contains("\"string\"") &&
    !schema.exists(_.dataType == MessageFuzzer.wideDecimal)
  private lazy val projection = InterpretedUnsafeProjection.createProjection(
    schema.zipWithIndex.map { case (f, i) => BoundReference(i, f.dataType, f.nullable) }
  )

  private def fail(message: Array[Byte], what: String): Nothing = throw new AssertionError(
    s"$recordType, seed $seed, case sensitive $caseSensitive, schema ${schema.toDDL}\n" +
      s"message ${Shown.hex(message)}\n$what"
  )

  private def describe(expected: Expected): String = expected match {
    case TheRow(row) => Shown.show(row: Any)
    case RowOrError(row, _) => Shown.show(row: Any) + " or an error"
    case other => other.toString
  }

  /** A message in the plain layout, most of it fit for the schema. */
  def message(): Array[Byte] = {
    val present = schema.filter(_ => random.nextInt(8) > 0).toVector
    // Now and then one of them overrules a column's.
    val spare = if (random.nextInt(8) == 0) names else names.diff(schema.fieldNames)
    val others = Vector.fill(random.nextInt(3))(StructField(pick(spare), pick(types(isSequence))))
    val fields = (if (random.nextInt(4) == 0) random.shuffle(present ++ others)
                  else present ++ others).map { f =>
      if (random.nextInt(25) == 0) f.copy(dataType = pick(types(isSequence))) else f
    }
    val (nested, flat) = fields.partition { f =>
      f.dataType match {
        case ArrayType(_: ArrayType, _) => true
        case _: ArrayType => isSequence && random.nextInt(4) == 0
        case _ => false
      }
    }
    val context = features(flat.map(f => entry(f.name, feature(f.dataType))): _*)
    if (isSequence) concat(context, field(2, nested.map(f => entry(f.name, steps(f.dataType))): _*))
    else context
  }

  private def steps(dataType: DataType): Array[Byte] = {
    val step = dataType match {
      case ArrayType(inner: ArrayType, _) => inner
      case ArrayType(element, _) => element
      case scalar => scalar
    }
    concat(Seq.fill(random.nextInt(4))(field(1, feature(step))): _*)
  }

  private def feature(dataType: DataType): Array[Byte] = {
    val (element, count) = dataType match {
      case ArrayType(number: NumericType, _) if isHuge => (number, random.nextInt(100000))
      case ArrayType(element, _) => (element, random.nextInt(5))
      case scalar => (scalar, if (random.nextInt(12) == 0) random.nextInt(3) else 1)
    }
    element match {
      case ArrayType(inner, _) => feature(inner)
      case FloatType | DoubleType if random.nextInt(8) == 0 =>
        int64Kind(packedInts(Seq.fill(count)(random.nextLong() >> random.nextInt(64)): _*))
      case FloatType | DoubleType | _: DecimalType =>
        floatKind(packedFloats(Seq.fill(count)(float(element)): _*))
      case StringType | BinaryType => bytesKind(Seq.fill(count)(field(1, text(element))): _*)
      case _ => int64Kind(packedInts(Seq.fill(count)(int64(element)): _*))
    }
  }

  private def isHuge: Boolean = isLarge && random.nextInt(8) == 0

  private def int64(dataType: DataType): Long = dataType match {
    case BooleanType => random.nextInt(2).toLong
    case ByteType => random.nextInt().toByte.toLong
    case ShortType => random.nextInt().toShort.toLong
    case IntegerType => random.nextInt().toLong
    case _ => random.nextLong() >> random.nextInt(64)
  }

  private def float(dataType: DataType): Float = dataType match {
    case _: DecimalType => random.nextInt(100000) / 8f
    case _ => java.lang.Float.intBitsToFloat(random.nextInt())
  }

  private def text(dataType: DataType): Array[Byte] =
    if (dataType == StringType) pick(names).getBytes(UTF_8)
    else {
      val bytes = new Array[Byte](if (isHuge) random.nextInt(1 << 20) else random.nextInt(20))
      random.nextBytes(bytes)
      bytes
    }

  private def pick[T](from: Seq[T]): T = from(random.nextInt(from.size))
}

object MessageFuzzer {
  val Messages = 24

  private val names =
    Vector("a", "ab", "ba", "b", "Aa", "aA", "BB", "", "数", "é", "x.y z", "long name " * 14)

  private val wideDecimal = DecimalType(30, 4)

  private val flatTypes: Vector[DataType] = {
    val scalars = Vector(
      LongType,
      LongType,
      IntegerType,
      ShortType,
      ByteType,
      BooleanType,
      FloatType,
      FloatType,
      DoubleType,
      DecimalType(12, 3),
      wideDecimal,
      StringType,
      BinaryType
    )
    scalars ++ scalars.map(ArrayType(_, containsNull = true))
  }

  private val nestedTypes: Vector[DataType] =
    flatTypes.collect { case array: ArrayType => ArrayType(array, containsNull = true) }

  private def types(isSequence: Boolean): Vector[DataType] =
    if (isSequence) flatTypes ++ nestedTypes else flatTypes

  /** Counts, to see that most messages were compared and that all sorts came. */
  final class Outcomes {
    private val counts = scala.collection.mutable.Map.empty[String, Int].withDefaultValue(0)
    def add(expected: Expected): Unit = counts(expected match {
      case TheRow(_) => "row"
      case RowOrError(_, why) => s"row or error ($why)"
      case AnError => "error"
      case Anything => "anything"
    }) += 1
    def addAll(others: Outcomes): Unit =
      others.counts.foreach { case (name, count) => counts(name) += count }
    def apply(name: String): Int = counts(name)
    def total: Int = counts.values.sum
    override def toString: String =
      counts.toSeq.sorted.map { case (name, count) => s"$name $count" }.mkString(", ")
  }
}

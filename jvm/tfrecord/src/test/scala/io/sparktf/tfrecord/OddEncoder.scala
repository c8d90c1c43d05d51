package io.sparktf.tfrecord

import scala.util.Random

import RandomWireSuite._
import Wire._

/**
 * Encodes an Example in one of the many ways that mean the same, or in which a later part
 * overrules an earlier one: `oddness` is how likely each deviation from the plain way is.
 */
class OddEncoder(random: Random, oddness: Double) {

  private def odd: Boolean = random.nextDouble() < oddness

  def example(entries: Entries): Array[Byte] = {
    val ordered = if (odd) random.shuffle(entries) else entries
    val (first, second) = ordered.splitAt(if (odd) random.nextInt(ordered.size + 1) else 0)
    val pieces = Seq(first, second).filter(piece => piece.nonEmpty || odd)
    concat(pieces.map(piece => noise(delimited(1, features(piece), noise()))): _*)
  }

  private def features(entries: Entries): Array[Byte] = {
    val parts = entries.flatMap { case (name, values) =>
      val earlier = if (odd) Seq(entry(name, anything())) else Nil
      val unselected = if (odd) Seq(entry("no column " + random.nextInt(5), anything())) else Nil
      (earlier ++ unselected :+ entry(name, feature(values): _*)).map(part => noise(part))
    }
    concat(parts: _*)
  }

  private def entry(name: String, feature: Array[Byte]*): Array[Byte] = {
    val key = concat(
      if (odd) Wire.key("overruled") else Array.empty[Byte],
      delimited(1, name.getBytes("UTF-8"))
    )
    // Values of one entry merge as if they were one.
    val merged = if (odd) feature else Seq(concat(feature: _*))
    val value = concat(merged.map(part => delimited(2, part)): _*)
    delimited(1, noise(if (odd) concat(value, noise(), key) else concat(key, noise(), value)))
  }

  private def feature(values: Values): Seq[Array[Byte]] = {
    // Another kind before the true one is forgotten, even one of many values.
    val before = if (odd) Seq(kind(otherKind(values))) else Nil
    val lists = if (odd) halves(values) else Seq(values)
    before ++ lists.map(list => noise(kind(list)))
  }

  private def kind(values: Values): Array[Byte] = values match {
    case Strings(list) => delimited(1, runs(list)(bytes => loose(bytes)))
    case Floats(list) => delimited(
        2,
        runs(list) { run =>
          if (odd) looseFloats(run: _*) else delimited(1, concat(run.map(fixed32): _*))
        }
      )
    case Ints(list) => delimited(
        3,
        runs(list) { run =>
          val numbers = run.map(number => varint(number, length(9)))
          if (odd) concat(numbers.map(number => concat(tag(1, Varint, length(5)), number)): _*)
          else delimited(1, concat(numbers: _*))
        }
      )
  }

  private def loose(run: Vector[Array[Byte]]): Array[Byte] =
    concat(run.map(bytes => delimited(1, bytes)): _*)

  /** A list in one run or several, with unknown fields between. */
  private def runs[T](list: Vector[T])(encode: Vector[T] => Array[Byte]): Array[Byte] = {
    val (first, second) = list.splitAt(if (odd) random.nextInt(list.size + 1) else list.size)
    noise(concat(encode(first), if (second.isEmpty && !odd) Array.empty[Byte] else encode(second)))
  }

  private def halves(values: Values): Seq[Values] = {
    def at(size: Int): Int = random.nextInt(size + 1)
    values match {
      case Ints(list) =>
        val (a, b) = list.splitAt(at(list.size))
        Seq(Ints(a), Ints(b))
      case Floats(list) =>
        val (a, b) = list.splitAt(at(list.size))
        Seq(Floats(a), Floats(b))
      case Strings(list) =>
        val (a, b) = list.splitAt(at(list.size))
        Seq(Strings(a), Strings(b))
    }
  }

  private def otherKind(values: Values): Values = values match {
    case _: Ints => Floats(Vector(1f, 2f))
    case _: Floats => Strings(Vector(Array[Byte](1), Array[Byte](2, 3)))
    case _: Strings => Ints(Vector(1L, -2L, 3L))
  }

  /** A feature that need not fit any column. */
  private def anything(): Array[Byte] = random.nextInt(4) match {
    case 0 => Array.empty[Byte]
    case 1 => kind(Ints(Vector.fill(random.nextInt(4))(random.nextLong())))
    case 2 => kind(Floats(Vector.fill(random.nextInt(4))(random.nextFloat())))
    case _ => kind(Strings(Vector.fill(random.nextInt(4))(Array[Byte](-1, 0))))
  }

  private def length(longest: Int): Int = if (odd) 1 + random.nextInt(longest) else 1

  private def delimited(number: Int, payload: Array[Byte]*): Array[Byte] = {
    val body = concat(payload: _*)
    concat(tag(number, LengthDelimited, length(5)), varint(body.length, length(5)), body)
  }

  /** Whole fields with unknown ones before or after them. */
  private def noise(fields: Array[Byte] = Array.empty[Byte]): Array[Byte] =
    if (!odd) fields
    else {
      val unknown = unknownFields(4 + random.nextInt(40))
      val part = unknown(random.nextInt(unknown.size))
      if (random.nextBoolean()) concat(part, fields) else concat(fields, part)
    }
}

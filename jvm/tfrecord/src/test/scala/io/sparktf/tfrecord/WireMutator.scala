package io.sparktf.tfrecord

import scala.util.Random

import Wire._
import WireTree._

/**
 * Makes of a message one that its writer would not have written: some mean the same, some mean
 * something else, and most of them mean nothing.
 */
class WireMutator(random: Random) {

  def mutate(message: Array[Byte]): Array[Byte] = {
    var parts = parse(message)
    (0 to (if (oneIn(3)) random.nextInt(3) else 0)).foreach(_ => parts = change(parts))
    val changed = serialize(parts)
    // Most lengths are right so far; a change of bytes is seen by fewer of the checks.
    if (oneIn(4)) changeBytes(changed) else changed
  }

  /** A change of any bytes at all. */
  def changeBytes(bytes: Array[Byte]): Array[Byte] = {
    val at = random.nextInt(bytes.length + 1)
    random.nextInt(6) match {
      case 0 if at < bytes.length =>
        bytes.updated(at, (bytes(at) ^ (1 << random.nextInt(8))).toByte)
      case 1 => bytes.take(at)
      case 2 => concat(bytes.take(at), randomBytes(1 + random.nextInt(8)), bytes.drop(at))
      case 3 => concat(bytes.take(at), bytes.drop(at + 1 + random.nextInt(8)))
      case 4 => concat(bytes.take(at), oddVarint(bytes.length), bytes.drop(at))
      case _ => concat(bytes, randomBytes(1 + random.nextInt(3)))
    }
  }

  private def change(parts: Vector[Part]): Vector[Part] =
    if (parts.isEmpty) Vector(Leaf(noise()))
    else changeAt(parts, random.nextInt(parts.map(_.count).sum), serialize(parts).length)

  private def changeAt(parts: Vector[Part], target: Int, size: Int): Vector[Part] = {
    var before = 0
    val i = parts.indexWhere { part =>
      before += part.count
      before > target
    }
    val inside = target - (before - parts(i).count)
    parts(i) match {
      case node: Node if inside > 0 =>
        parts.updated(i, node.copy(parts = changeAt(node.parts, inside - 1, size)))
      case node: Node if oneIn(2) => parts.patch(i, changeNode(node, size), 1)
      case leaf: Leaf if oneIn(2) => parts.updated(i, Leaf(changeLeaf(leaf.bytes)))
      case _ => changeOrder(parts, i)
    }
  }

  private def changeOrder(parts: Vector[Part], i: Int): Vector[Part] = {
    val other = random.nextInt(parts.size)
    random.nextInt(6) match {
      case 0 => parts.patch(i, Nil, 1)
      case 1 => parts.patch(other, Seq(parts(i)), 0)
      case 2 => parts.updated(i, parts(other)).updated(other, parts(i))
      case 3 => parts.patch(i, Seq(Leaf(noise())), 0)
      case 4 => parts :+ Leaf(noise())
      case _ => parts.updated(i, parts(other))
    }
  }

  private def changeNode(node: Node, messageSize: Int): Seq[Part] = {
    val length = node.content.length
    random.nextInt(9) match {
      case 0 => Seq(node.copy(length = Some(oddVarint(length))))
      case 1 => Seq(node.copy(length = Some(oddVarint(messageSize))))
      case 2 => Seq(node.copy(length = Some(varint(length, 2 + random.nextInt(9)))))
      case 3 => Seq(node.copy(tag = oddTag(varintValue(node.tag, 0, node.tag.length))))
      case 4 => Seq(node.copy(parts = Vector.empty))
      case 5 => Seq(node.copy(parts = Vector(Leaf(randomBytes(random.nextInt(20))))))
      case 6 =>
        val (first, second) = node.parts.splitAt(random.nextInt(node.parts.size + 1))
        Seq(node.copy(parts = first), node.copy(parts = second))
      case 7 => Seq(Leaf(groups(1 + random.nextInt(3), node.bytes)))
      case _ => Seq(node.copy(parts = Vector(node)))
    }
  }

  private def changeLeaf(bytes: Array[Byte]): Array[Byte] = random.nextInt(4) match {
    case 0 => oddVarint(bytes.length)
    case 1 => concat(bytes, Array.fill(random.nextInt(5))(oddVarint(1)).flatten)
    case _ => changeBytes(bytes)
  }

  private def oddTag(tag: Long): Array[Byte] = random.nextInt(6) match {
    case 0 => varint(random.nextInt(8).toLong) // field number 0
    case 1 => varint((tag & ~7L) | random.nextInt(8))
    case 2 => varint(tag, 2 + random.nextInt(9))
    case 3 => varint(tag | (1L << (32 + random.nextInt(31))))
    case 4 => Wire.tag(536870911 - random.nextInt(2), LengthDelimited)
    case _ => Wire.tag(1 + random.nextInt(4), LengthDelimited)
  }

  private def noise(): Array[Byte] = random.nextInt(8) match {
    case 0 => groups(1 + random.nextInt(4), randomBytes(random.nextInt(4)))
    case 1 => groups(if (oneIn(2)) 40 else 200, Array.empty[Byte])
    case 2 => concat(Seq.fill(1 + random.nextInt(300))(tag(9, StartGroup)): _*)
    case 3 => looseInts(random.nextLong(), random.nextInt(3).toLong)
    case 4 => looseFloats(random.nextFloat())
    case 5 => field(1 + random.nextInt(3), randomBytes(random.nextInt(6)))
    case _ =>
      val unknown = unknownFields(if (oneIn(2)) 1 + random.nextInt(3) else 4 + random.nextInt(99))
      unknown(random.nextInt(unknown.size))
  }

  private def groups(depth: Int, inside: Array[Byte]): Array[Byte] = concat(
    concat(Seq.fill(depth)(tag(9, StartGroup)): _*),
    inside,
    concat(Seq.fill(depth)(tag(9, EndGroup)): _*)
  )

  /** A number where a length of about `near` belongs. */
  private def oddVarint(near: Int): Array[Byte] = random.nextInt(12) match {
    case 0 => varint(near + 1L)
    case 1 => varint(math.max(0L, near - 1L))
    case 2 => varint(Int.MaxValue - random.nextInt(3).toLong, 1 + random.nextInt(10))
    case 3 => varint((1L << 31) + random.nextInt(3))
    case 4 => varint((1L << 32) + near)
    case 5 => varint(-1L - random.nextInt(20))
    case 6 => varint(Long.MaxValue - random.nextInt(9))
    case 7 => varint(Long.MinValue + near)
    case 8 => concat(Array.fill[Byte](10)(-128), varint(1))
    case 9 => varint(random.nextInt(300).toLong, 1 + random.nextInt(10))
    case 10 =>
      concat(Array.fill[Byte](9)(-1), Array[Byte](if (oneIn(4)) random.nextInt(128).toByte else 1))
    case _ => varint(random.nextLong() >>> random.nextInt(64))
  }

  private def randomBytes(count: Int): Array[Byte] = {
    val bytes = new Array[Byte](count)
    random.nextBytes(bytes)
    bytes
  }

  private def oneIn(n: Int): Boolean = random.nextInt(n) == 0
}

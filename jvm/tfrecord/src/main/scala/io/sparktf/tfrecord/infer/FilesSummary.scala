package io.sparktf.tfrecord.infer

import java.io.{ByteArrayInputStream, ByteArrayOutputStream}
import java.io.{ObjectInputStream, ObjectOutputStream, ObjectStreamClass}

import scala.collection.mutable

/**
 * What the records of some files say.
 *
 * @param features in the order of their first appearance
 * @param isDamaged whether a record was left out that cannot be decoded
 * @param foreign what a record is that is of another kind, and where, as far as none has a value
 * @param conflict why there is no schema for all of them: no failure of a task, which would be tried
 *   again
 */
final private[tfrecord] case class FilesSummary(
    features: Seq[FeatureSummary],
    isDamaged: Boolean,
    foreign: Option[String],
    conflict: Option[String]
) {

  /** For the way from a task: of bytes any serializer and any driver know what they are. */
  def toBytes: Array[Byte] = {
    val bytes = new ByteArrayOutputStream
    val out = new ObjectOutputStream(bytes)
    out.writeObject(this)
    out.close()
    bytes.toByteArray
  }
}

private[tfrecord] object FilesSummary {
  def fromBytes(bytes: Array[Byte]): FilesSummary = {
    // A session that got this jar later has it in a class loader of its own, in which Scala's
    // collections would not look for what they hold.
    val in = new ObjectInputStream(new ByteArrayInputStream(bytes)) {
      override def resolveClass(described: ObjectStreamClass): Class[_] =
        Class.forName(described.getName, false, FilesSummary.getClass.getClassLoader)
    }
    in.readObject().asInstanceOf[FilesSummary]
  }

  /**
   * The summary of all of the files, in their order, which is as large as that of one. It ends with
   * the first of them that are at odds.
   */
  def merge(files: Iterator[FilesSummary]): FilesSummary = {
    val merged = mutable.LinkedHashMap.empty[String, FeatureSummary]
    var isDamaged = false
    var foreign = Option.empty[String]
    var conflict = Option.empty[String]
    try
      while (conflict.isEmpty && files.hasNext) {
        val next = files.next()
        next.features.foreach { feature =>
          merged(feature.name) = merged.get(feature.name).fold(feature)(_.merge(feature))
        }
        isDamaged |= next.isDamaged
        foreign = foreign.orElse(next.foreign)
        conflict = next.conflict
      }
    catch { case e: SchemaConflict => conflict = Some(e.getMessage) }
    FilesSummary(merged.values.toVector, isDamaged, foreign, conflict)
  }
}

package io.sparktf.tfrecord.options

import java.util.Locale

/** What a record that cannot be decoded does to a query, as in Spark's JSON and CSV sources. */
sealed abstract private[tfrecord] class ReadMode(val name: String) extends Serializable {
  override def toString: String = name
}

private[tfrecord] object ReadMode {

  /** It ends the query. */
  case object FailFast extends ReadMode("FAILFAST")

  /**
   * It is left out; and where its frame is broken, so is all that follows in the file. (A frame is whole
   * as long as its length has the right checksum, whatever its data.)
   */
  case object DropMalformed extends ReadMode("DROPMALFORMED")

  /**
   * It becomes a row of nulls with the record's bytes in the column for corrupt records, if the
   * schema has one. Where its frame is broken, that row stands for the rest of the file.
   */
  case object Permissive extends ReadMode("PERMISSIVE")

  val all: Seq[ReadMode] = Seq(FailFast, DropMalformed, Permissive)

  def of(name: String): ReadMode = all.find(_.name == name.toUpperCase(Locale.ROOT)).get
}

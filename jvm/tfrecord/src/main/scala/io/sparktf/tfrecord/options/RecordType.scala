package io.sparktf.tfrecord.options

import java.util.Locale

import io.sparktf.tfrecord.wire.FeatureType
import org.apache.spark.sql.types.{BinaryType, StringType, StructField, StructType}

/** What the records of a file are, chosen by the option `recordType`. */
sealed abstract private[tfrecord] class RecordType(val name: String) extends Serializable {

  /**
   * Refuses, when a query is planned, what no record of this type could hold.
   *
   * @throws IllegalArgumentException naming the column and what to do
   */
  def check(schema: StructType): Unit

  override def toString: String = name
}

private[tfrecord] object RecordType {

  /** Of the next two whichever a record is, as its fields tell. A write takes the first. */
  case object Auto extends RecordType("auto") {
    override def check(schema: StructType): Unit = ()
  }

  /** tf.Example: a map from names to flat lists. */
  case object Example extends RecordType("Example") {
    override def check(schema: StructType): Unit =
      schema.find(f => FeatureType.ofList(f.dataType).isDefined).foreach { f =>
        throw new IllegalArgumentException(
          s"The column `${f.name}` of type ${f.dataType.simpleString} has no place in a " +
            "tf.Example, whose features are flat lists: flatten the column, or use the option " +
            s"${TFRecordOptions.RecordType}=$SequenceExample"
        )
      }
  }

  /** tf.SequenceExample: such a map, and one from names to lists of lists. */
  case object SequenceExample extends RecordType("SequenceExample") {
    override def check(schema: StructType): Unit = ()
  }

  /** Bytes that nobody looks into. */
  case object ByteArray extends RecordType("ByteArray") {

    /** What inference finds. */
    val schema: StructType = StructType(Seq(StructField("byteArray", BinaryType)))

    override def check(schema: StructType): Unit = {
      val fits = schema.length == 1 &&
        (schema.head.dataType match {
          case BinaryType | _: StringType => true
          case _ => false
        })
      if (!fits) {
        throw new IllegalArgumentException(
          s"${TFRecordOptions.RecordType}=$name takes one column, of type binary or string, beside " +
            "partition columns; here it is given " +
            (if (schema.isEmpty) "none"
             else schema.map(f => s"`${f.name}` ${f.dataType.simpleString}").mkString(", "))
        )
      }
    }
  }

  val all: Seq[RecordType] = Seq(Auto, Example, SequenceExample, ByteArray)

  def of(name: String): Option[RecordType] = {
    val wanted = name.trim.toLowerCase(Locale.ROOT)
    all.find(_.name.toLowerCase(Locale.ROOT) == wanted)
  }
}

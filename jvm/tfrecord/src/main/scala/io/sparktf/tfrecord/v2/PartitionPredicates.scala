package io.sparktf.tfrecord.v2

import org.apache.spark.sql.catalyst.expressions.{AttributeReference, Expression, In, Literal}
import org.apache.spark.sql.connector.expressions.{
  Expression => V2Expression, Literal => V2Literal, NamedReference
}
import org.apache.spark.sql.connector.expressions.filter.Predicate
import org.apache.spark.sql.types.StructType

/** The filters on partition columns that Spark finds while a query runs, as expressions of its own. */
private object PartitionPredicates {

  /** @return None for what only the rows can be asked: no file is left out by it */
  def toCatalyst(predicate: Predicate, partitions: StructType): Option[Expression] = {
    val children = predicate.children
    if (predicate.name != "IN" || children.isEmpty) return None
    val values = children.tail.collect { case literal: V2Literal[_] =>
      Literal(literal.value, literal.dataType)
    }
    column(children.head, partitions)
      .filter(_ => values.length == children.length - 1)
      .map(In(_, values.toSeq))
  }

  private def column(of: V2Expression, partitions: StructType): Option[Expression] = of match {
    case named: NamedReference if named.fieldNames.length == 1 =>
      partitions.find(_.name == named.fieldNames.head).map { field =>
        AttributeReference(field.name, field.dataType, field.nullable)()
      }
    case _ => None
  }
}

package io.sparktf.savedmodel;

import org.apache.spark.SparkContext;
import org.apache.spark.SparkContext$;
import org.apache.spark.sql.expressions.SparkUserDefinedFunction;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.types.DataType;
import scala.Option;

/**
 * What Scala's compiler keeps to Spark's own packages and the JVM does not. The signatures are the
 * same from Spark 3.5 to 4.2 once their type parameters are erased, which is why this is in Java.
 */
final class SparkInternals {
  private SparkInternals() {}

  /** The context of this JVM, if one is running. */
  static Option<SparkContext> activeContext() {
    return SparkContext$.MODULE$.getActive();
  }

  /**
   * A user-defined function without types for its arguments: any column is taken as it is.
   *
   * @param function a scala.Function1, Function2, …, kept as the object that it is
   */
  @SuppressWarnings({"unchecked", "rawtypes"})
  static UserDefinedFunction udf(Object function, DataType result) {
    return new SparkUserDefinedFunction(
        function,
        result,
        (scala.collection.immutable.Seq) scala.collection.immutable.Nil$.MODULE$,
        Option.empty(),
        Option.empty(),
        true,
        true);
  }
}

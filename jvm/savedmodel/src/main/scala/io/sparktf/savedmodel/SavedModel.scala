package io.sparktf.savedmodel

import java.nio.file.Path

import scala.reflect.ClassTag

import org.apache.hadoop.conf.Configuration
import org.apache.spark.TaskContext
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.apache.spark.sql.expressions.UserDefinedFunction
import org.apache.spark.sql.functions.{col, struct}

/**
 * A TensorFlow SavedModel, with one of its signatures.
 *
 * It is loaded once in a JVM, whatever the number of tasks, jobs and functions that use it. It can
 * be used in any closure: what travels is its fingerprint, by which an executor finds the model that
 * it has loaded or that the driver has sent it.
 *
 * For each row there is a value of every input: a number or string, or an array (within arrays) of
 * them for the dimensions behind the batch's. A row with a null gives a null. A row that does not
 * have the input's shape, an array with a null in it, and a number that does not fit the input's
 * dtype are errors (`IllegalArgumentException`) that name the column and the input.
 */
final class SavedModel private (
    private val key: ModelKey,
    @transient private val files: ModelFiles,
    val signature: Signature
) extends Serializable {

  @transient private lazy val loaded: ModelSession = {
    val session = ModelCache.get(key)(read(ModelSession.load(_, key.tags, key.path)))
    session.bind(signature)
    session
  }

  private def read[R](from: Path => R): R =
    if (files != null) files.read(from) else from(ModelShipping.shippedFolder(key))

  private[savedmodel] def session: ModelSession = loaded

  /** Where it was loaded from. */
  def path: String = key.path

  /** Changes when a file of the model does. */
  def fingerprint: String = key.fingerprint

  /** The signature's inputs, in the order in which functions take them: by name. */
  def inputs: Seq[TensorSpec] = signature.inputs

  /** The signature's outputs, by name. */
  def outputs: Seq[TensorSpec] = signature.outputs

  /**
   * Scores rows on the driver: `model.predict(Array(Array(1f, 2f)))`.
   *
   * @param rows shape `[rows, n]`, for a model with one input
   * @return shape `[rows, m]`
   * @throws IllegalArgumentException if the model has other inputs, or an output that is not
   *   `float32[?, m]`: see [[predictAs]]
   */
  def predict(rows: Array[Array[Float]]): Array[Array[Float]] = predictAs[Array[Float]](rows)

  /**
   * Scores rows on the driver.
   *
   * @param rows the values of the model's one input, or for several a `Map` by name for each row:
   *   numbers, strings, `Array[Byte]`, arrays or `Seq`s of them
   * @tparam R what the output's rows are in the JVM: `Float` for `float32[?]`, `Array[Float]` for
   *   `float32[?, n]`, `Array[Array[Float]]` and so on; `Map[String, Any]` for several outputs; `Any`
   *   takes all of them, and nulls
   * @throws IllegalArgumentException if a row cannot be the input, or the output is no `R`
   */
  def predictAs[R: ClassTag](rows: Array[_]): Array[R] = {
    // All rows are taken, so that nothing is left for a task to close: one may call this for each row.
    val scored = new ScoredValues(rows.iterator, scoring(outputs, 0), resultAs[R], task = null)
    scored.map(SavedModel.as[R](isPrimitive[R])).toArray
  }

  /**
   * Scores the rows of an RDD: `rdd.mapPartitions(model.scorer[Array[Float], Array[Float]]())`.
   *
   * @param batchSize rows at a time; by default as many as suit their size
   * @tparam I what the rows are, as in [[predictAs]]
   * @tparam O what the results are, as in [[predictAs]]
   */
  def scorer[I, O: ClassTag](batchSize: Int = 0): Iterator[I] => Iterator[O] = {
    shipToExecutors()
    val asked = scoring(outputs, batchSize)
    val result = resultAs[O]
    val primitive = isPrimitive[O]
    rows =>
      new ScoredValues(rows, asked, result, TaskContext.get()).map(SavedModel.as[O](primitive))
  }

  /**
   * Adds the model's outputs to a DataFrame, batch and streaming alike.
   *
   * @param inputs the column for each of the model's inputs; by default those of the inputs' names,
   *   and where the model has one input and the DataFrame one column, that one
   * @param outputs the model's output for each new column; by default all, under their own names
   * @param batchSize rows at a time; by default as many as suit their size
   * @throws IllegalArgumentException if a column is missing or its type cannot be the input's
   */
  def transform(
      df: DataFrame,
      inputs: Map[String, String] = Map.empty,
      outputs: Map[String, String] = Map.empty,
      batchSize: Int = 0
  ): DataFrame = {
    val schema = df.schema
    inputs.keys.foreach(signature.input)
    val columns = signature.inputs.map { spec =>
      val name = inputs.getOrElse(
        spec.name,
        if (signature.inputs.length == 1 && schema.length == 1) schema.head.name else spec.name
      )
      if (!schema.fieldNames.contains(name)) {
        throw new IllegalArgumentException(
          s"there is no column '$name' for the model's input $spec; there are: " +
            s"${schema.fieldNames.mkString(", ")}. The argument inputs maps '${spec.name}' to another"
        )
      }
      name
    }
    val named =
      if (outputs.nonEmpty) outputs.toSeq else signature.outputs.map(spec => spec.name -> spec.name)
    val asked = named.map(_._2).distinct.map(signature.output)
    val wanted = scoring(asked, batchSize)
    wanted.check(columns.map(name => name -> schema(name).dataType))

    shipToExecutors()
    ScoreInBatches.enable(df.sparkSession)
    val arguments = columns.map(name => df.col(quoted(name)))
    val scored =
      if (arguments.length <= ScoringFunction.MOST) wanted.function(arguments: _*)
      else
        wanted.function(struct(
          signature.inputs.zip(arguments).map { case (spec, c) => c.as(spec.name) }: _*
        ))
    val added = named.map { case (column, output) =>
      val value = if (asked.length == 1) scored else scored.getField(output)
      column -> value
    }.toMap
    // By a star where that is possible: names need not be unique.
    val kept =
      if (!schema.fieldNames.exists(added.contains)) Seq(col("*"))
      else
        schema.fieldNames.toSeq.filterNot(added.contains).map(name => df.col(quoted(name)))
    df.select(kept ++ named.map { case (column, _) => added(column).as(column) }: _*)
  }

  /**
   * The model as a function of columns, one for each input in the order of their names:
   * `spark.udf.register("tfpredict", model.udf)`. One output is the result itself, several are a
   * struct. The inputs may also be given as the fields of one struct, as those of more than 22 must be.
   *
   * In sessions that are there already it is evaluated in batches; for one that is made later, set
   * `spark.sql.extensions` to `io.sparktf.savedmodel.SavedModelExtensions`. Without that, it scores
   * row by row. As Spark's functions in Python are, it is evaluated for all rows that an operator
   * gets, also where a `CASE` around it does not take the result.
   */
  def udf: UserDefinedFunction = function()

  /**
   * [[udf]] with some of the outputs, or another size of batches.
   *
   * @param outputs by default all
   * @param batchSize rows at a time; by default as many as suit their size
   */
  def function(outputs: Seq[String] = Nil, batchSize: Int = 0): UserDefinedFunction = {
    val asked = if (outputs.isEmpty) signature.outputs else outputs.map(signature.output)
    shipToExecutors()
    SparkSession.getActiveSession.foreach(ScoreInBatches.enable)
    SparkSession.getDefaultSession.foreach(ScoreInBatches.enable)
    scoring(asked, batchSize).function
  }

  /**
   * The same model with another of its signatures.
   *
   * @throws IllegalArgumentException if there is none of that name, with those that there are
   */
  def withSignature(name: String): SavedModel = {
    val other = read(SavedModelFile.signature(_, path, name, key.tags))
    val model = new SavedModel(key, files, other)
    model.session
    model
  }

  /** Whether it is the same signature of a model with the same files, from the same path. */
  override def equals(other: Any): Boolean = other match {
    case that: SavedModel => key == that.key && signature == that.signature
    case _ => false
  }

  override def hashCode: Int = key.hashCode

  override def toString: String =
    s"SavedModel($path, ${signature.name}: ${inputs.mkString(", ")} -> ${outputs.mkString(", ")})"

  private def scoring(outputs: Seq[TensorSpec], batchSize: Int): Scoring = {
    if (batchSize < 0) throw new IllegalArgumentException(s"batchSize is $batchSize")
    Scoring(this, outputs, batchSize)
  }

  private def shipToExecutors(): Unit =
    if (files != null) SparkInternals.activeContext().foreach(ModelShipping.ship(_, key, files))

  private def quoted(name: String): String = s"`${name.replace("`", "``")}`"

  private def isPrimitive[R](implicit tag: ClassTag[R]): Boolean = tag.runtimeClass.isPrimitive

  private def resultAs[R](implicit tag: ClassTag[R]): (Batch, Int) => Any = {
    val names = outputs.map(_.name)
    val wanted = tag.wrap.runtimeClass.getComponentType // boxed below, primitive here
    val described = signature.outputs.map(_.toString).mkString(", ")
    val actual: Class[_] =
      if (names.length > 1) classOf[Map[String, Any]]
      else JvmArrays.of(outputs.head.heldAs, outputs.head.shape.get.length - 1)
    if (!wanted.isAssignableFrom(actual) && wanted != classOf[Object]) {
      val type_ = if (names.length > 1) "Map[String, Any]" else SavedModel.scalaName(actual)
      throw new IllegalArgumentException(
        s"the model's output $described gives $type_ for a row, not ${SavedModel.scalaName(wanted)}"
      )
    }
    if (names.length == 1) (batch, row) => batch.jvm(0, row)
    else (batch, row) => names.indices.map(i => names(i) -> batch.jvm(i, row)).toMap
  }
}

object SavedModel {

  /**
   * Loads a SavedModel, or gives the one that is loaded already if its files have not changed.
   *
   * @param path a folder or a zip of it: a path of this machine, or a URI that Hadoop's file systems
   *   open (`hdfs://`, `s3a://`, …), from which it is copied once
   * @param signature the name of one of its signatures
   * @param tags all the tags of its graph
   * @throws java.io.FileNotFoundException if there is nothing at that path
   * @throws IllegalArgumentException if it is no SavedModel, has no such signature (the message lists
   *   those that it has), or cannot be loaded
   */
  def load(
      path: String,
      signature: String = "serving_default",
      tags: Seq[String] = Seq("serve")
  ): SavedModel = {
    of(path, ModelFiles.fetch(path, hadoopConfiguration), signature, tags)
  }

  private[savedmodel] def of(
      path: String,
      files: ModelFiles,
      signature: String,
      tags: Seq[String]
  ): SavedModel = {
    val found = files.read(SavedModelFile.signature(_, path, signature, tags))
    val model = new SavedModel(ModelKey(path, files.fingerprint, tags.toList), files, found)
    model.session
    model
  }

  private def hadoopConfiguration: Configuration = {
    val context = SparkInternals.activeContext()
    if (context.isEmpty) new Configuration() else context.get.hadoopConfiguration
  }

  /** A result as one of a type. Scala takes null for 0 where that is a primitive one. */
  private def as[R](isPrimitive: Boolean)(result: Any): R = {
    if (isPrimitive && result == null) {
      throw new IllegalArgumentException(
        "a row is null, and so is its result, which no number can be: leave such rows out, or ask for " +
          "results of the type Any"
      )
    }
    result.asInstanceOf[R]
  }

  private def scalaName(of: Class[_]): String =
    if (of.isArray) s"Array[${scalaName(of.getComponentType)}]"
    else if (of.isPrimitive) of.getName.capitalize
    else of.getSimpleName
}

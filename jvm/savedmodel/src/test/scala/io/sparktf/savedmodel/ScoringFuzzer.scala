package io.sparktf.savedmodel

import java.math.{BigDecimal => JavaDecimal}

import scala.util.Random

import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.apache.spark.sql.functions.{col, collect_set}
import org.apache.spark.sql.types._

/**
 * Random rows through models that give back what they get, by all ways that there are: `predictAs`,
 * over an RDD, in a DataFrame and in SQL. What must come out follows from the rows alone.
 */
class ScoringFuzzer(spark: SparkSession) {

  /** @throws AssertionError that holds all that is needed to see it again */
  def run(seed: Long): Unit = {
    val one = new Case(seed)
    try one.run()
    catch {
      case e: Throwable =>
        throw new AssertionError(s"seed $seed, $one: ${e.getMessage}".take(4000), e)
    }
  }

  /** Some rows, and how they are given. All of it follows from `seed`. */
  final private class Case(seed: Long) {
    private val random = new Random(seed)
    private val dtype = oneOf(ScoringFuzzer.leaves.keys.toSeq.sorted: _*)
    private val leaf = ScoringFuzzer.leaves(dtype)
    private val form = oneOf("0", "1", "1", "2", "3", "4", "2x3", "last3")
    private val rank = if (form == "2x3") 2 else if (form == "last3") 3 else form.toInt
    private val batchSize = oneOf(0, 0, 1, 2, 7, 1000)
    private val partitions = oneOf(1, 3, -5)
    private val shapes = Seq.fill(1 + random.nextInt(3))(shape())
    private val pool = Seq.fill(1 + random.nextInt(6))(row(oneOf(shapes: _*)))
    private val plain = Seq.fill(random.nextInt(40))(
      if (random.nextInt(8) == 0) null
      else if (random.nextInt(3) == 0) row(oneOf(shapes: _*))
      else oneOf(pool: _*)
    )
    private val ragged = rank > 1 && form != "2x3" && plain.nonEmpty && random.nextInt(5) == 0
    private val rows = if (ragged) insert(plain, raggedRow()) else plain

    override def toString: String =
      s"$dtype $form, ${rows.length} rows${if (ragged) ", one of them ragged" else ""}, " +
        s"batchSize $batchSize, partitions $partitions"

    private def oneOf[T](values: T*): T = values(random.nextInt(values.length))

    private def insert(into: Seq[Any], value: Any): Seq[Any] = {
      val (before, behind) = into.splitAt(random.nextInt(into.length + 1))
      (before :+ value) ++ behind
    }

    private def shape(): Seq[Int] = form match {
      case "2x3" => Seq(2, 3)
      case "last3" => Seq(length(), length(), 3)
      case _ =>
        val isLarge = rank > 0 && random.nextInt(40) == 0
        val large = if (isLarge) 1 << (10 + random.nextInt(9)) else 0
        Seq.tabulate(rank)(i => if (isLarge && i == rank - 1) large else length())
    }

    private def length(): Int = oneOf(0, 1, 1, 2, 2, 3, 4, 5)

    /** Nested sequences. Where an outer length is 0, the row has none of the inner ones. */
    private def row(shape: Seq[Int]): Any =
      if (shape.isEmpty) leaf.draw(random)
      else if (shape.head > 1000) { // drawing each would take most of the time
        val few = Vector.fill(7)(row(shape.tail))
        Vector.tabulate(shape.head)(i => few(i % 7))
      } else Vector.fill(shape.head)(row(shape.tail))

    /** Arrays of two lengths somewhere inside of it, at any depth. */
    private def raggedRow(): Any = {
      val last = if (form == "last3") 3 else 1 + random.nextInt(3)
      val shape = Seq.tabulate(rank)(i => if (i == rank - 1) last else 2)
      val level = 1 + random.nextInt(rank - 1)
      def lengthen(value: Any, depth: Int): Any = {
        val all = value.asInstanceOf[Vector[Any]]
        if (depth == level) all :+ all.head
        else {
          val i = random.nextInt(all.length)
          all.updated(i, lengthen(all(i), depth + 1))
        }
      }
      lengthen(row(shape), 0)
    }

    private val model = SavedModel.load(Models.path("ranks"), s"${dtype}_$form")

    def run(): Unit = {
      val ways = Seq[(String, () => Seq[Any])](
        "predictAs" -> (() => predicted()),
        "scorer" -> (() => overRdd()),
        "transform" ->
          (() =>
            columnOf(model.transform(table, outputs = Map("z" -> "y"), batchSize = batchSize))
          ),
        "SQL" -> (() => columnOf(inSql))
      )
      for ((way, score) <- ways) {
        if (ragged) {
          val said =
            try {
              score()
              "no error"
            } catch { case e: Throwable => causes(e) }
          require(said.contains("a row is ragged: inside it are arrays of "), s"$way: $said")
        } else same(way, score(), rows)
      }
      if (!ragged) aggregate()
    }

    private def causes(e: Throwable): String =
      Iterator.iterate(e)(_.getCause).takeWhile(_ != null).map(_.getMessage).mkString("\n")

    /** As the JVM's values: sequences, or arrays at the innermost level. */
    private def given: Seq[Any] = {
      val asArrays = random.nextBoolean()
      def as(value: Any): Any = value match {
        case all: Vector[_] if asArrays && all.nonEmpty && !all.head.isInstanceOf[Vector[_]] =>
          leaf.array(all)
        case all: Vector[_] => all.map(as)
        case other => other
      }
      rows.map(as)
    }

    private def predicted(): Seq[Any] = model.predictAs[AnyRef](given.toArray).toSeq

    private def overRdd(): Seq[Any] = {
      val numbered = given.zipWithIndex
      val rdd = distributed(numbered.map(_._1))
      rdd.mapPartitions(model.scorer[Any, AnyRef](batchSize)).collect().toSeq
    }

    private def distributed[T: reflect.ClassTag](values: Seq[T]) = {
      val rdd = spark.sparkContext.parallelize(values, math.abs(partitions))
      if (partitions < 0) rdd.coalesce(1) else rdd
    }

    private lazy val table: DataFrame = {
      val x = StructField("x", model.inputs.head.dataType)
      val numbered = rows.zipWithIndex.map { case (value, i) => Row(i, value) }
      spark.createDataFrame(
        distributed(numbered),
        StructType(Seq(StructField("i", IntegerType), x))
      )
    }

    private def scored: DataFrame = {
      spark.udf.register("echo_fuzz", model.function(Seq("y"), batchSize))
      table.selectExpr("i", "echo_fuzz(x) AS z")
    }

    private def inSql: DataFrame = {
      scored.createOrReplaceTempView("echoed")
      spark.sql("SELECT * FROM echoed")
    }

    private def columnOf(df: DataFrame): Seq[Any] =
      df.select("i", "z").collect().toSeq.sortBy(_.getInt(0)).map(_.get(1))

    /** What Spark compares by the bytes of its rows. */
    private def aggregate(): Unit = {
      val expected = rows.groupBy(key).map { case (value, all) => value -> all.length.toLong }
      val z = scored.select("z")
      // Sets hold apart what groups do not: the two zeros, and NaN from NaN.
      val ways = Seq("groups", "distinct") ++ (if (dtype.contains("float")) Nil else Seq("set"))
      oneOf(ways: _*) match {
        case "groups" =>
          val found = z.groupBy("z").count().collect().toSeq
          same(
            "groups",
            found.map(r => key(r.get(0)) -> r.getLong(1)).sorted,
            expected.toSeq.sorted
          )
        case "distinct" =>
          val found = z.distinct().collect().toSeq.map(r => key(r.get(0)))
          same("distinct", found.sorted, expected.keys.toSeq.sorted)
        case _ =>
          // Nulls are in no set.
          val found = z.select(collect_set(col("z"))).head().getSeq[Any](0)
          same("set", found.map(key).sorted, (expected.keySet - key(null)).toSeq.sorted)
      }
    }

    /** Equal for what is equal in Spark, where the two zeros are one number. */
    private def key(value: Any): String = value match {
      case all: collection.Seq[_] => all.map(key).mkString("[", ",", "]")
      case 0f | 0d => "0.0"
      case other => String.valueOf(other)
    }

    private def same(what: String, found: Any, expected: Any): Unit = (found, expected) match {
      case (f: Array[_], e) => same(what, f.toSeq, e)
      case (f: collection.Seq[_], e: collection.Seq[_]) =>
        require(f.length == e.length, s"$what: ${f.length} where ${e.length} are expected")
        f.indices.foreach(i => same(what, f(i), e(i)))
      case (f: Float, e: Float) => // by their bits, for NaN and the two zeros
        require(java.lang.Float.compare(f, e) == 0, s"$what: $f, expected $e")
      case (f: Double, e: Double) =>
        require(java.lang.Double.compare(f, e) == 0, s"$what: $f, expected $e")
      case _ => require(found == expected, s"$what: $found, expected $expected".take(1000))
    }
  }
}

object ScoringFuzzer {

  /** The values of a dtype. */
  final private class Leaf(val draw: Random => Any, val array: Vector[Any] => Any)

  private def integers[T](values: Seq[T])(array: Vector[Any] => Any): Leaf =
    new Leaf(random => values(random.nextInt(values.length)), array)

  private def floats(all: Float*): Leaf = {
    val special = all ++ Seq(0f, -0f, Float.NaN, Float.PositiveInfinity, Float.NegativeInfinity)
    // A few small numbers, which each of the types holds.
    new Leaf(
      r => if (r.nextInt(4) == 0) special(r.nextInt(special.length)) else (r.nextInt(64) - 32) / 4f,
      _.map(_.asInstanceOf[Float]).toArray
    )
  }

  private def text(random: Random): String = random.nextInt(300) match {
    case 0 => "x" * (1 << (10 + random.nextInt(11)))
    case n if n < 60 => ""
    case n if n < 90 => "grüße \u65e5\u672c \ud83d\ude00\u0000"
    case _ => random.alphanumeric.take(1 + random.nextInt(30)).mkString
  }

  private val decimals =
    Seq("0", "1", "9223372036854775808", "18446744073709551615").map(new JavaDecimal(_))

  private val leaves: Map[String, Leaf] = Map(
    "float32" -> floats(1.5f, Float.MaxValue, Float.MinPositiveValue),
    "float16" -> floats(65504f, 5.9604645e-8f),
    "bfloat16" -> floats(3.3895314e38f),
    "float64" -> new Leaf(
      r =>
        if (r.nextBoolean()) r.nextGaussian() else Seq(0.0, -0.0, Double.NaN, 1e300)(r.nextInt(4)),
      _.map(_.asInstanceOf[Double]).toArray
    ),
    // An Array[Byte] would be a string.
    "int8" -> integers(Seq[Byte](Byte.MinValue, -1, 0, 1, Byte.MaxValue))(identity),
    "int16" -> integers(Seq[Short](Short.MinValue, -1, 0, 1, Short.MaxValue))(
      _.map(_.asInstanceOf[Short]).toArray
    ),
    "int32" ->
      integers(Seq(Int.MinValue, -1, 0, 1, Int.MaxValue))(_.map(_.asInstanceOf[Int]).toArray),
    "int64" -> integers(Seq(Long.MinValue, -1L, 0L, 1L, Long.MaxValue))(
      _.map(_.asInstanceOf[Long]).toArray
    ),
    "uint8" -> integers(Seq[Short](0, 1, 128, 255))(_.map(_.asInstanceOf[Short]).toArray),
    "uint16" -> integers(Seq(0, 1, 32768, 65535))(_.map(_.asInstanceOf[Int]).toArray),
    "uint32" -> integers(Seq(0L, 1L, 4294967295L))(_.map(_.asInstanceOf[Long]).toArray),
    "uint64" -> integers(decimals)(identity),
    "bool" -> integers(Seq(true, false))(_.map(_.asInstanceOf[Boolean]).toArray),
    "string" -> new Leaf(text, _.map(_.asInstanceOf[String]).toArray)
  )
}

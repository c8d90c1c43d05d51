package io.sparktf.savedmodel

import java.util.concurrent.atomic.AtomicInteger

import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.apache.spark.sql.functions.{collect_list, sort_array, udf}

class SqlSuite extends ScoringSuite {
  private lazy val expected = Models.floats("linear")

  private lazy val ready: Unit = {
    val session = spark
    import session.implicits._
    session.udf.register("tfpredict", linear.udf)
    session.udf.register("several", SavedModel.load(Models.path("several")).udf)
    val rows = Models.rows("rows").toSeq.zipWithIndex.map { case (row, i) => (i, row) }
    rows.toDF("id", "features").repartition(2).write.mode("overwrite").saveAsTable("t")
  }

  private def sql(query: String): DataFrame = {
    ready
    spark.sql(query)
  }

  private def batched(df: DataFrame): Int =
    "ScoreBatches ".r.findAllIn(df.queryExecution.optimizedPlan.toString).size

  private def scores(rows: Array[Row], at: Int = 0): Seq[Float] =
    rows.toSeq.map(_.getSeq[Float](at).head)

  test("a column of a table") {
    val df = sql("SELECT id, features, tfpredict(features) AS y_preds FROM t ORDER BY id")
    assert(batched(df) == 1)
    assertClose(scores(df.collect(), at = 2), expected)
  }

  test("in a condition and in the columns, it is evaluated once, after the other conditions") {
    val df = sql(
      "SELECT id, tfpredict(features) y FROM t WHERE tfpredict(features)[0] < 0 AND id <> 1"
    )
    assert(batched(df) == 1)
    val plan = df.queryExecution.optimizedPlan.toString
    assert(plan.indexOf("ScoreBatches") < plan.lastIndexOf("(id"))
    val found = df.orderBy("id").collect()
    val kept = expected.zipWithIndex.filter { case (y, i) => y < 0 && i != 1 }
    assert(found.map(_.getInt(0)).toSeq == kept.map(_._2).toSeq)
    assertClose(scores(found, at = 1), kept.map(_._1).toSeq)
  }

  test("in groups, keys of groups, orders and windows") {
    val sum = sql("SELECT sum(tfpredict(features)[0]), count(*) FROM t")
    assert(batched(sum) == 1)
    assert(math.abs(sum.head().getDouble(0) - expected.map(_.toDouble).sum) < 1e-4)
    val groups =
      sql(
        "SELECT tfpredict(features)[0] < 0 AS k, count(*) FROM t GROUP BY tfpredict(features)[0] < 0"
      )
    assert(batched(groups) == 1)
    assert(groups.collect().map(r => r.getBoolean(0) -> r.getLong(1)).toMap ==
      expected.groupBy(_ < 0).map { case (k, v) => k -> v.length.toLong })
    val ordered = sql("SELECT id FROM t ORDER BY tfpredict(features)[0] LIMIT 3")
    assert(batched(ordered) == 1)
    assert(ordered.collect().map(_.getInt(0)).toSeq ==
      expected.zipWithIndex.sorted.map(_._2).take(3).toSeq)
    val ranks = sql("SELECT id, rank() OVER (ORDER BY tfpredict(features)[0]) r FROM t")
    assert(batched(ranks) == 1)
    assert(ranks.orderBy("r").collect().map(_.getInt(0)).toSeq ==
      expected.zipWithIndex.sorted.map(_._2).toSeq)
  }

  test("of what an aggregate gives") {
    val sums = sql("SELECT id % 2 k, tfpredict(array(sum(id), 1)) y FROM t GROUP BY k ORDER BY k")
    assert(batched(sums) == 1)
    assertClose(
      scores(sums.collect(), at = 1),
      linear.predict(Array(Array(6f, 1f), Array(4f, 1f))).flatten
    )
    val keys =
      sql("SELECT tfpredict(features), count(*), max(id) i FROM t GROUP BY features ORDER BY i")
    assert(batched(keys) == 1)
    assertClose(scores(keys.collect()), expected)
    val both = sql(
      "SELECT tfpredict(array(max(id), sum(tfpredict(features)[0]))) FROM t HAVING max(id) = 4"
    )
    assert(batched(both) == 2)
    assertClose(scores(both.collect()), linear.predict(Array(Array(4f, expected.sum))).flatten)
    val having = sql("SELECT id FROM t GROUP BY id HAVING tfpredict(array(id, sum(id)))[0] < -1")
    assert(having.collect().map(_.getInt(0)).toSet ==
      linear
        .predict(Array.tabulate(5)(i => Array(i.toFloat, i.toFloat))).map(_.head)
        .zipWithIndex.filter(_._1 < -1).map(_._2).toSet)
    ready
    val lists = spark.table("t").selectExpr("id % 2 AS k", "float(id) AS x").where("x < 4")
      .groupBy("k").agg(sort_array(collect_list("x")).as("features"))
    assertClose(
      linear.transform(
        lists
      ).orderBy("k").select("output_0").collect().map(_.getSeq[Float](0).head),
      linear.predict(Array(Array(0f, 2f), Array(1f, 3f))).flatten
    )
  }

  test("in joins, of columns of both sides") {
    val call = "tfpredict(array(a.id, b.id))[0]"
    val all = for (a <- 0 until 5; b <- 0 until 5) yield Array(a.toFloat, b.toFloat)
    val found = all.zip(linear.predict(all.toArray).map(_.head)).collect {
      case (Array(a, b), y) if y < -5 => (a.toInt, b.toInt)
    }
    def pairs(df: DataFrame) = df.collect().map(r => (r.getInt(0), r.getInt(1))).sorted.toSeq
    val inner = sql(s"SELECT a.id, b.id FROM t a JOIN t b ON a.id < b.id WHERE $call < -5")
    assert(batched(inner) == 1)
    assert(pairs(inner) == found.filter { case (a, b) => a < b })
    val cross = sql(s"SELECT a.id, b.id FROM t a, t b WHERE $call < -5")
    assert(batched(cross) == 1)
    assert(pairs(cross) == found)
    // In the conditions of others it scores row by row.
    val left = sql(
      s"SELECT a.id, b.id FROM t a LEFT JOIN t b ON $call < -5 AND tfpredict(b.features)[0] < 0"
    )
    assert(batched(left) == 1)
    val negative = found.filter { case (_, b) => expected(b) < 0 }
    assert(left.where("b.id IS NOT NULL").count() == negative.length)
    assert(left.count() ==
      negative.length + (0 until 5).count(a => !negative.exists(_._1 == a)))
    val exists = sql(s"SELECT id FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE $call < -5)")
    assert(exists.collect().map(_.getInt(0)).toSet == found.map(_._1).toSet)
  }

  test("in joins, subqueries, unions and common table expressions") {
    val join = sql(
      "SELECT a.id FROM t a JOIN t b ON tfpredict(a.features) = tfpredict(b.features) ORDER BY a.id"
    )
    assert(batched(join) == 2)
    assert(join.collect().map(_.getInt(0)).toSeq == (0 until 5))
    val outer = sql(
      "SELECT a.id, b.id FROM t a LEFT JOIN t b ON a.id = b.id AND tfpredict(b.features)[0] > 0"
    )
    assert(batched(outer) == 1)
    assert(outer.collect().filterNot(_.isNullAt(1)).map(_.getInt(0)).toSet ==
      expected.zipWithIndex.collect { case (y, i) if y > 0 => i }.toSet)
    val below = sql(
      "SELECT id FROM t WHERE tfpredict(features)[0] = (SELECT min(tfpredict(features)[0]) FROM t)"
    )
    assert(below.collect().map(_.getInt(0)).toSeq == Seq(expected.indexOf(expected.min)))
    val union = sql(
      "WITH s AS (SELECT id, tfpredict(features) y FROM t) " +
        "SELECT * FROM s WHERE id < 2 UNION ALL SELECT * FROM s WHERE id >= 2"
    )
    assertClose(scores(union.orderBy("id").collect(), at = 1), expected)
  }

  test("of what another call gives, and of expressions") {
    val nested = sql(
      "SELECT tfpredict(array(tfpredict(features)[0], 1f)) y FROM t ORDER BY id"
    )
    assert(batched(nested) == 2)
    assertClose(scores(nested.collect()), linear.predict(expected.map(Array(_, 1f))).flatten)
    val computed = sql("SELECT tfpredict(array(id, id + 1)) y FROM t ORDER BY id")
    assert(batched(computed) == 1)
    val random = sql("SELECT tfpredict(array(rand(2), rand(3))) FROM t")
    assert(batched(random) == 1 && random.collect().forall(!_.isNullAt(0)))
    val ofQuery = sql("SELECT tfpredict(array((SELECT max(id) FROM t), id)) y FROM t ORDER BY id")
    assertClose(
      scores(ofQuery.collect()),
      linear.predict(Array.tabulate(5)(i => Array(4f, i.toFloat))).flatten
    )
    assertClose(
      scores(computed.collect()),
      linear.predict(Array.tabulate(5)(i => Array(i.toFloat, i + 1f))).flatten
    )
  }

  test(
    "calls that are not deterministic are each evaluated, and conditions that are not in their order"
  ) {
    ready
    spark.udf.register(
      "noise",
      udf(() => SqlSuite.calls.incrementAndGet().toFloat).asNondeterministic()
    )
    val call = "tfpredict(array(noise(), 1f))[0]"
    val twice = spark.sql(s"SELECT $call AS a, $call AS b FROM t")
    assert(twice.collect().forall(row => row.getFloat(0) != row.getFloat(1)))
    assert(SqlSuite.calls.get == 10)
    val even = "monotonically_increasing_id() % 2 = 0"
    val counted = spark.sql(
      s"SELECT id FROM range(0, 20, 1, 1) WHERE $even AND id % 3 = 1 AND tfpredict(array(id, 1))[0] < 99"
    )
    assert(batched(counted) == 1)
    assert(counted.collect().map(_.getLong(0)).toSeq == Seq(4L, 10L, 16L))
  }

  test("beside what Spark says of the file that a row is of") {
    ready
    spark.range(0, 12, 1, 6).selectExpr("id", "array(float(id), 1f) AS features")
      .write.mode("overwrite").saveAsTable("files")
    val part = "int(regexp_extract(input_file_name(), 'part-0*([0-9]+)-', 1))"
    for (where <- Seq("", " WHERE tfpredict(features)[0] > -99")) {
      val df = spark.sql(
        s"SELECT id, $part, input_file_block_length() > 0, tfpredict(features) FROM files$where"
      )
      assert(batched(df) == 1)
      val found = df.coalesce(1).orderBy("id").collect()
      assert(found.map(_.getInt(1)).toSeq == (0 until 12).map(_ / 2))
      assert(found.forall(_.getBoolean(2)))
    }
  }

  test("a condition of a command stays in it") {
    val message = failure(sql("DELETE FROM t WHERE tfpredict(features)[0] < 0").collect())
    assert(message.contains("DELETE") && !message.contains("ScoreBatches"), message)
  }

  test("inside of a lambda, for each of its elements") {
    val each = sql(
      "SELECT id, transform(array(features, array(1, 2)), x -> tfpredict(x)[0]) y FROM t ORDER BY id"
    )
    val found = each.collect().map(_.getSeq[Float](1))
    assertClose(found.map(_.head), expected)
    assertClose(found.map(_.last), Array.fill(5)(expected.head))
    // What does not depend on the element is scored below, and so are arguments with lambdas.
    val below = sql(
      "SELECT transform(array(1f), x -> x + tfpredict(features)[0])[0], " +
        "tfpredict(transform(features, x -> x)) y FROM t ORDER BY id"
    )
    assert(batched(below) == 2)
    assertClose(below.collect().map(_.getFloat(0)), expected.map(_ + 1f))
    assertClose(scores(below.collect(), at = 1), expected)
    val nested = sql(
      "SELECT transform(features, a -> transform(array(tfpredict(array(a, id))), b -> b[0])[0]) " +
        "FROM t WHERE id = 1"
    )
    assertClose(
      nested.head().getSeq[Float](0),
      linear.predict(Array(Array(3f, 1f), Array(5f, 1f))).flatten
    )
  }

  test("of two functions of the same model, it is evaluated once") {
    ready
    val t = spark.table("t")
    val (one, other) =
      (SavedModel.load(Models.path("linear")), SavedModel.load(Models.path("linear")))
    assert(one == other && one.hashCode == other.hashCode)
    assert(one.inputs == other.inputs && one.signature.hashCode == other.signature.hashCode)
    assert(one != one.withSignature("serve"))
    val both = t.select(one.udf(t("features")).as("a"), other.udf(t("features")).as("b"))
    assert(batched(both) == 1)
    val cached = one.transform(t).cache()
    try {
      cached.count()
      val again = other.transform(t)
      assert(again.queryExecution.withCachedData.toString.contains("InMemoryRelation"))
      assertClose(scores(again.orderBy("id").collect(), at = 2), expected)
    } finally cached.unpersist()
  }

  test("of constants and nulls") {
    assertClose(scores(sql("SELECT tfpredict(array(1, 2))").collect()), expected.take(1))
    assert(sql("SELECT tfpredict(NULL)").head().isNullAt(0))
    assert(
      sql("SELECT tfpredict(if(id < 9, NULL, features)) FROM t").collect().forall(_.isNullAt(0))
    )
  }

  test("of rows that are in the query") {
    val df = sql("SELECT tfpredict(array(a, b)) FROM VALUES (1, 2), (3, 5) AS v(a, b)")
    assertClose(scores(df.collect()), expected.take(2))
  }

  test("several inputs, in the order of their names, and outputs, as a struct") {
    val df = sql(
      "SELECT s.total, s.text FROM (SELECT several(array(id, 1, 1), 'n', 2f) s FROM t) ORDER BY 1"
    )
    assert(df.collect().map(r => (r.getFloat(0), r.getString(1))).toSeq ==
      (0 until 5).map(i => (2f * (i + 2), s"n-$i")))
  }

  test("the inputs as one struct, by their names") {
    val inputs = "if(id = 1, NULL, struct('n' AS label, if(id = 2, NULL, 2f) AS weight, " +
      "array(id, 1, 1) AS counts))"
    val df = sql(s"SELECT several($inputs).total FROM t ORDER BY id")
    assert(batched(df) == 1)
    val totals = Seq(4f, null, null, 10f, 12f)
    assert(df.collect().map(_.get(0)).toSeq == totals)
    val rowByRow = sql(
      s"SELECT transform(array($inputs), x -> several(x).total)[0] FROM t ORDER BY id"
    )
    assert(batched(rowByRow) == 0)
    assert(rowByRow.collect().map(_.get(0)).toSeq == totals)
    val lacking = failure(sql("SELECT several(struct(id AS label)) FROM t").collect())
    assert(lacking.contains("has no field for its input counts: int64[?, 3]; it has: label"))
  }

  test("a struct with two fields for an input is an error") {
    val twice = "struct(array(1, 2, 3) counts, 'a' label, 'b' label, 2.0 weight)"
    assert(failure(sql(s"SELECT several($twice) FROM t").collect())
      .contains("has several fields for its input label: string[?]"))
    val rowByRow =
      failure(sql(s"SELECT transform(array($twice), x -> several(x)) FROM t").collect())
    assert(rowByRow.contains("a row has several fields for the model's input label"))
  }

  test("some of the outputs, in small batches") {
    val model = SavedModel.load(Models.path("several"))
    spark.udf.register("total", model.function(Seq("total"), batchSize = 2))
    val df = sql("SELECT total(array(id, 1, 1), 'n', 2f) FROM t ORDER BY id")
    assert(df.collect().map(_.getFloat(0)).toSeq == (0 until 5).map(i => 2f * (i + 2)))
  }

  test("wrong columns are errors of the query, before there is a job") {
    val text =
      failure(sql("SELECT tfpredict(cast(id AS STRING)) FROM t").queryExecution.executedPlan)
    assert(text.contains("it is string, and has to hold numbers"))
    val two = failure(sql("SELECT tfpredict(id, id) FROM t").queryExecution.executedPlan)
    assert(two.contains("takes 1 columns"))
  }

  test("tables are written and read with scores, cached and with codegen switched off") {
    sql("CREATE OR REPLACE TEMPORARY VIEW scored AS SELECT id, tfpredict(features) y FROM t")
    spark.sql("CACHE TABLE scored")
    assertClose(scores(spark.sql("SELECT y FROM scored ORDER BY id").collect()), expected)
    spark.sql("UNCACHE TABLE scored")
    spark.sql("DROP TABLE IF EXISTS kept")
    spark.sql("CREATE TABLE kept USING parquet AS SELECT * FROM scored")
    assertClose(scores(spark.sql("SELECT y FROM kept ORDER BY id").collect()), expected)
    spark.conf.set("spark.sql.codegen.wholeStage", "false")
    try assertClose(scores(spark.sql("SELECT y FROM scored ORDER BY id").collect()), expected)
    finally spark.conf.unset("spark.sql.codegen.wholeStage")
  }

  test("a session without the rule scores row by row, one with it in batches") {
    ready
    val session = spark.newSession()
    session.udf.register("tfpredict", linear.udf)
    val query = "SELECT tfpredict(features) y FROM t ORDER BY id"
    val rowByRow = session.sql(query)
    assert(batched(rowByRow) == 0)
    assertClose(scores(rowByRow.collect()), expected)
    ScoreInBatches.enable(session)
    ScoreInBatches.enable(session)
    assert(session.experimental.extraStrategies.length == 1)
    val inBatches = session.sql(query)
    assert(batched(inBatches) == 1)
    assertClose(scores(inBatches.collect()), expected)
  }

  test("spark.sql.extensions makes it part of every session") {
    ready
    val function = linear.udf
    SparkSession.clearActiveSession()
    SparkSession.clearDefaultSession()
    try {
      val session = SparkSession.builder().withExtensions(new SavedModelExtensions).getOrCreate()
      assert(session ne spark)
      session.udf.register("tfpredict", function)
      val call = "tfpredict(array(id, id + 1))"
      val df =
        session.sql(s"SELECT $call y FROM range(0, 5, 1, 2) WHERE $call[0] < 100 ORDER BY id")
      assert(session.experimental.extraOptimizations.isEmpty)
      assert(batched(df) == 1)
      assertClose(
        scores(df.collect()),
        linear.predict(Array.tabulate(5)(i => Array(i.toFloat, i + 1f))).flatten
      )
    } finally {
      SparkSession.setDefaultSession(spark)
      SparkSession.setActiveSession(spark)
    }
  }
}

object SqlSuite {
  val calls = new AtomicInteger
}

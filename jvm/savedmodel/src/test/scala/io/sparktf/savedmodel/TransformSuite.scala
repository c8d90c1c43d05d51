package io.sparktf.savedmodel

import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanHelper

class TransformSuite extends ScoringSuite {
  private lazy val rows: DataFrame = {
    val session = spark
    import session.implicits._
    Models.rows("rows").toSeq.zipWithIndex.map { case (row, i) => (i, row) }.toDF("id", "features")
  }

  private def shapes(signature: String) = SavedModel.load(Models.path("shapes"), signature)

  private def total(signature: String, sql: String): Float =
    shapes(signature).transform(column(sql), outputs = Map("total" -> "total"))
      .select("total").head().getFloat(0)

  private def refusal(signature: String, sql: String): String = failure(total(signature, sql))

  test("the model's outputs are added to the columns") {
    val scored = linear.transform(rows)
    assert(scored.columns.toSeq == Seq("id", "features", "output_0"))
    val found = scored.orderBy("id").collect().map(_.getSeq[Float](2).head)
    assertClose(found, Models.floats("linear"))
  }

  test("images, in any size of batches") {
    val session = spark
    import session.implicits._
    val cnn = SavedModel.load(Models.path("cnn"))
    val pixels = Models.rows("pixels")
    val many = Seq.tabulate(100)(i => (i, pixels(i % pixels.length))).toDF("id", "pixels")
    for (batchSize <- Seq(0, 1, 7, 100, 1000)) {
      val scored = cnn.transform(many, outputs = Map("y" -> "output_0"), batchSize = batchSize)
      val found = scored.orderBy("id").collect().map(_.getSeq[Float](2))
      found.zipWithIndex.foreach { case (y, i) =>
        assertClose(y, Models.rows("cnn")(i % pixels.length))
      }
    }
  }

  test("columns by other names than the model's, and names that need quotes") {
    val odd = rows.withColumnRenamed("features", "a.b `c`")
    val scored =
      linear.transform(
        odd,
        Map("features" -> "a.b `c`"),
        Map("y.1" -> "output_0", "y2" -> "output_0")
      )
    assert(scored.columns.toSeq == Seq("id", "a.b `c`", "y.1", "y2"))
    val first = scored.orderBy("id").head()
    assertClose(first.getSeq[Float](2), Models.floats("linear").take(1))
    assertClose(first.getSeq[Float](3), Models.floats("linear").take(1))
  }

  test("an output in the place of a column") {
    val scored = linear.transform(rows, outputs = Map("features" -> "output_0"))
    assert(scored.columns.toSeq == Seq("id", "features"))
    assertClose(scored.orderBy("id").collect().flatMap(_.getSeq[Float](1)), Models.floats("linear"))
  }

  test("one column for one input, whatever its name") {
    assert(linear.transform(rows.select("features").toDF("z")).columns.toSeq ==
      Seq("z", "output_0"))
  }

  test("columns of the same name, and arguments that are not deterministic") {
    val model = SavedModel.load(Models.path("several"))
    val df = spark.range(0, 100, 1, 2).selectExpr(
      "id AS i",
      "id AS i",
      "array(1L, 2L, 3L) AS counts",
      "'n' AS label",
      "rand(1) AS weight"
    )
    val scored = model.transform(df, outputs = Map("y" -> "total")).collect()
    assert(scored.forall(row => math.abs(row.getFloat(5) - 6 * row.getDouble(4)) < 1e-4))
  }

  test("several inputs and outputs") {
    val df = spark.range(0, 10, 1, 2).selectExpr(
      "array(id, 2L, 3L) AS counts",
      "cast(id AS STRING) AS label",
      "cast(0.5 AS FLOAT) AS weight",
      "id"
    )
    val scored = SavedModel.load(Models.path("several")).transform(df).orderBy("id")
    scored.collect().zipWithIndex.foreach { case (row, i) =>
      assert(row.getAs[Float]("total") == 0.5f * (i + 5))
      assert(row.getAs[String]("text") == s"$i-$i")
      assert(row.getAs[collection.Seq[collection.Seq[Float]]]("square") ==
        Seq.fill(2)(Seq.fill(2)(0.5f * (i + 5))))
    }
  }

  test("any number of inputs") {
    for (n <- Seq(11, 22, 23)) {
      val columns = (0 until n).map(i => f"float(id + $i) AS f$i%02d")
      val df = spark.range(0, 5, 1, 2).selectExpr(columns: _*)
      val scored = SavedModel.load(Models.path("wide"), n.toString).transform(df).orderBy("f00")
      assert(scored.select("y").collect().map(_.getFloat(0)).toSeq ==
        (0 until 5).map(id => (0 until n).map(i => (id + i) * (i + 1)).sum.toFloat))
    }
  }

  test("null rows give nulls, in the midst of others and alone") {
    val some = "CASE WHEN id % 3 = 1 THEN array(cast(id AS FLOAT), 1f) END AS features"
    val df = spark.range(0, 1000, 1, 3).selectExpr("id", some)
    for (batchSize <- Seq(0, 10)) {
      val scored = linear.transform(df, batchSize = batchSize).orderBy("id").collect()
      assert(scored.map(_.isNullAt(2)).toSeq == (0 until 1000).map(_ % 3 != 1))
      val expected = linear.predict(Array.tabulate(333)(i => Array(3f * i + 1, 1f))).flatten
      assertClose(scored.filterNot(_.isNullAt(2)).map(_.getSeq[Float](2).head), expected)
    }
    val nulls = df.filter("id % 3 = 0").selectExpr("id", "features")
    assert(linear.transform(nulls).filter("output_0 IS NULL").count() == 334)
  }

  test("empty partitions, and none") {
    assert(linear.transform(rows.filter("id = 3").repartition(5)).count() == 1)
    assert(linear.transform(rows.filter("id > 100").repartition(5)).collect().isEmpty)
    assert(linear.transform(rows.limit(0)).collect().isEmpty)
  }

  test("numbers of other types than the input's") {
    for (
      row <- Seq(
        "array(1, 2)",
        "array(1L, 2L)",
        "array(1D, 2D)",
        "array(1.0, 2.0)",
        "cast(array(1, 2) AS ARRAY<TINYINT>)",
        "array(array(1f), array(2f))"
      )
    ) {
      val scored = linear.transform(column(row, "features")).select("output_0").head()
      assertClose(scored.getSeq[Float](0), Models.floats("linear").take(1))
    }
  }

  test("shapes: nested arrays are dimensions, others are taken in row-major order") {
    val nested = "array(array(1f, 2f, 3f), array(4f, 5f, 6f))"
    val flat = "array(1f, 2f, 3f, 4f, 5f, 6f)"
    val others = "array(array(1f, 2f), array(3f, 4f), array(5f, 6f))"
    for (sql <- Seq(nested, flat)) {
      val scored = shapes("fixed").transform(column(sql)).head()
      assert(scored.getAs[Float]("total") == 21f && scored.getAs[Float]("weighted") == 91f)
    }
    assert(total("half", others) == 21f)
    assert(total("half", flat) == 21f)
    assert(total("free", flat) == 21f)
    assert(total("free", "cast(array() AS ARRAY<FLOAT>)") == 0f)
    assert(total("cube", nested) == 21f)
    assert(total("unknown", nested) == 21f)
    assert(total("unknown", "7f") == 7f)
  }

  test("rows of several lengths, where the input is free, are scored with their like") {
    val rows = spark.range(0, 100, 1, 2)
      .selectExpr("id", "transform(sequence(0, id % 5), i -> cast(i AS FLOAT)) AS x")
    val scored = shapes("free").transform(rows, outputs = Map("y" -> "total")).orderBy("id")
    assert(scored.select("y").collect().map(_.getFloat(0)).toSeq ==
      (0 until 100).map(i => (0 to i % 5).sum.toFloat))
  }

  test("rows that do not have the input's shape") {
    val rows = spark.range(0, 100, 1, 1)
      .selectExpr("transform(sequence(0, if(id = 70, 2, 1)), i -> cast(i AS FLOAT)) AS v")
    val ragged = failure(linear.transform(rows).collect())
    assert(ragged.contains("column 'v' for the model's input features: float32[?, 2]"))
    assert(ragged.contains("a row has 3 values, which is not the input's shape"))
    val flat = failure(
      linear.transform(rows.selectExpr("slice(v, 1, 1) AS v")).collect()
    )
    assert(flat.contains("a row has 1 values"))
    assert(refusal(
      "fixed",
      "array(array(1f, 2f), array(3f))"
    ).contains("arrays of 2 and of 1 elements"))
    assert(refusal("fixed", "array(array(1f, 2f), array(3f, 4f), array(5f, 6f))").contains("3×2"))
    assert(refusal("fixed", "array(array(1f, 2f), array(3f, 4f))").contains("a row has 2×2 values"))
    assert(refusal("cube", "array(1f)").contains("arrays within arrays, 2 deep"))
    assert(refusal("half", "array(1f, 2f, 3f)").contains("a row has 3 values"))
  }

  /** By all ways that there are. */
  private def refusals(model: SavedModel, sql: String): Seq[String] = {
    val df = column(sql)
    val rows = df.collect().map(_.get(0))
    val rdd = spark.sparkContext.parallelize(rows.toSeq, 1)
    Seq(
      failure(model.transform(df).collect()),
      failure(model.predictAs[AnyRef](rows)),
      failure(rdd.mapPartitions(model.scorer[Any, AnyRef]()).collect())
    )
  }

  test("ragged rows, at whatever depth") {
    def ranks(signature: String) = SavedModel.load(Models.path("ranks"), signature)
    for (
      (signature, sql, first, other) <- Seq(
        ("float32_3", "array(array(array(1f, 2f)), array(array(3f, 4f, 5f)))", 2, 3),
        ("float32_3", "array(array(array(1f, 2f, 3f)), array(array(4f, 5f)))", 3, 2),
        ("int64_3", "array(array(array(1, 2), array(3, 4)), array(array(5, 6)))", 2, 1),
        ("string_3", "array(array(array('a', 'b')), array(array('c')))", 2, 1),
        ("string_4", "array(array(array(array('a'))), array(array(array('b', 'c'))))", 1, 2),
        ("float32_last3", "array(array(array(1f, 2f, 3f)), array(array(4f, 5f)))", 3, 2),
        ("float32_2x3", "array(array(array(1f, 2f), array(3f)), array(array(4f, 5f, 6f)))", 2, 1)
      )
    ) {
      refusals(ranks(signature), sql).foreach { message =>
        assert(message.contains(s"arrays of $first and of $other elements"), s"$signature $sql")
      }
    }
    // An array of none has no say on what the others would hold.
    val some = "array(cast(array() AS ARRAY<ARRAY<FLOAT>>), array(array(1f)))"
    refusals(ranks("float32_3"), some).foreach(m => assert(m.contains("arrays of 0 and of 1")))
  }

  test("an empty row has the signature's own sizes, whatever is beside it") {
    val three = "array(array(1f, 2f, 3f))"
    val none = "cast(array() AS ARRAY<ARRAY<FLOAT>>)"
    val deep = "cast(array() AS ARRAY<ARRAY<ARRAY<FLOAT>>>)"
    def lengths(signature: String, values: String*): Seq[Seq[Int]] = {
      val df = spark.sql(values.mkString("SELECT explode(array(", ", ", ")) AS x"))
      val model = SavedModel.load(Models.path("lengths"), signature)
      model.transform(df.coalesce(1)).collect().toSeq.map(_.getSeq[Int](1).toSeq)
    }
    assert(lengths("free", none) == Seq(Seq(0, 0)))
    assert(lengths("free", three, none, three) == Seq(Seq(1, 3), Seq(0, 0), Seq(1, 3)))
    assert(lengths("unknown", three, none) == Seq(Seq(1, 3), Seq(0, 0)))
    val full = s"array($three)"
    assert(lengths("last3", deep) == Seq(Seq(0, 0, 3)))
    assert(lengths("last3", "array(array())") == Seq(Seq(1, 0, 3)))
    assert(lengths("last3", full, deep, s"array($none)") ==
      Seq(Seq(1, 1, 3), Seq(0, 0, 3), Seq(1, 0, 3)))
  }

  test("equal results are equal bytes: groups, distinct rows and sets") {
    val model = SavedModel.load(Models.path("echo"), "int32")
    val session = spark
    import session.implicits._
    // One length after the other, by turns.
    val given = (0 until 42).map(i => if (i % 2 == 0) Seq(i, 1, 2, i) else Seq(1, 2, i % 3))
    val expected = given.groupBy(identity).map { case (row, all) => row -> all.length.toLong }
    val df = given.toDF("x").coalesce(1)
    val scored = model.transform(df, outputs = Map("y" -> model.outputs.head.name)).select("y")
    val groups = scored.groupBy("y").count().collect()
    assert(groups.map(row => row.getSeq[Int](0).toSeq -> row.getLong(1)).toMap == expected)
    assert(groups.length == expected.size)
    assert(scored.distinct().count() == expected.size)
    val sets = scored.selectExpr("count(DISTINCT y)", "size(collect_set(y))").head()
    assert(sets.getLong(0) == expected.size && sets.getInt(1) == expected.size)
  }

  test("what is not deterministic is computed once for each row") {
    val df = spark.range(0, 60, 1, 1).selectExpr("id", "sequence(0, int(id % 3)) AS x")
    val numbered = SavedModel.load(Models.path("numbered"))
    spark.udf.register("numbered", numbered.udf)
    for (n <- Seq("monotonically_increasing_id()", "id")) {
      val found = df.selectExpr("id", s"numbered($n, x) AS y").collect()
      assert(found.map(_.getLong(1)).toSeq == (0L until 60L))
    }
  }

  test("null elements") {
    assert(refusal("free", "array(1f, null)").contains("an array has a null element"))
    assert(refusal("fixed", "array(array(1f, 2f, 3f), null)").contains("has a null element"))
  }

  test("what cannot be an input is refused before there is a job") {
    val text = rows.selectExpr("id", "'a' AS features")
    val message = failure(linear.transform(text))
    assert(message.contains("column 'features' for the model's input features: float32[?, 2]"))
    assert(message.contains("it is string, and has to hold numbers"))
    val missing = failure(linear.transform(rows.withColumnRenamed("features", "x")))
    assert(missing.contains("there is no column 'features'"))
    assert(missing.contains("there are: id, x"))
    assert(failure(linear.transform(rows, Map("z" -> "id"))).contains("has no input 'z'; it has:"))
    val output = failure(linear.transform(rows, outputs = Map("y" -> "z")))
    assert(output.contains("has no output 'z'; it has: output_0: float32[?, 1]"))
    assert(failure(linear.transform(rows, batchSize = -1)).contains("batchSize is -1"))
    val map = failure(linear.transform(rows.selectExpr("map(1, 2) AS features")))
    assert(map.contains("it is map<int,int>"))
  }

  test("one operator scores, with only the columns that are used") {
    val scored = linear.transform(rows.repartition(2)).select("output_0")
    scored.collect()
    val operators = scorers(scored)
    assert(operators.length == 1, scored.queryExecution.executedPlan)
    assert(operators.head.output.map(_.name) == Seq("output_0"))
    // Its rows are given on as they are.
    val plan = scored.queryExecution.executedPlan.toString
    assert(
      plan.indexOf("Project") < 0 || plan.indexOf("Project") > plan.indexOf("ScoreBatches"),
      plan
    )
    assert(operators.head.metrics("numOutputRows").value == 5)
    assert(operators.head.metrics("batches").value == 2)
  }

  test("a model is loaded once for all jobs") {
    linear.transform(rows).count()
    val before = ModelCache.loads.get
    for (_ <- 1 to 3) SavedModel.load(Models.path("linear")).transform(rows).collect()
    assert(ModelCache.loads.get == before)
  }

  private def scorers(df: DataFrame): Seq[ScoreBatchesExec] =
    new AdaptiveSparkPlanHelper {}.collect(df.queryExecution.executedPlan) {
      case s: ScoreBatchesExec => s
    }
}

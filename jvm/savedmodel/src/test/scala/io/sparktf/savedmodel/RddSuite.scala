package io.sparktf.savedmodel

class RddSuite extends ScoringSuite {
  private val rows = Models.rows("rows").toSeq
  private val expected = Models.floats("linear")

  test("an RDD of arrays") {
    for (batchSize <- Seq(0, 2)) {
      val rdd = spark.sparkContext.parallelize(rows, 2)
      val scored = rdd.mapPartitions(linear.scorer[Array[Float], Array[Float]](batchSize))
      assertClose(scored.collect().flatten, expected)
    }
  }

  test("an RDD of maps with several inputs, and with nulls") {
    val model = SavedModel.load(Models.path("several"))
    val rdd = spark.sparkContext.parallelize(0 until 20, 3).map { i =>
      if (i % 5 == 4) null
      else Map[String, Any]("counts" -> Seq(i, 1, 1), "label" -> "n", "weight" -> 2.0)
    }
    val scored = rdd.mapPartitions(model.scorer[Map[String, Any], Map[String, Any]]()).collect()
    scored.zipWithIndex.foreach { case (found, i) =>
      if (i % 5 == 4) assert(found == null)
      else assert(found("total") == 2f * (i + 2) && found("text") == s"n-$i")
    }
  }

  test("any closure can carry a model") {
    val model = linear
    val rdd = spark.sparkContext.parallelize(rows, 2)
    assertClose(rdd.map(row => model.predict(Array(row)).head.head).collect(), expected)
    val broadcast = spark.sparkContext.broadcast(model)
    assertClose(rdd.map(row => broadcast.value.predict(Array(row)).head.head).collect(), expected)
  }

  test("rows of several types, and a result of another type") {
    val mixed = spark.sparkContext.parallelize(Seq[Any](Array(1f, 2f), Array(1.0, 2.0)), 1)
    val message =
      failure(mixed.mapPartitions(linear.scorer[Any, Array[Float]]()).collect())
    assert(message.contains("array<float> at first and array<double> later"))
    assert(failure(linear.scorer[Array[Float], Double]()).contains("not Double"))
  }
}

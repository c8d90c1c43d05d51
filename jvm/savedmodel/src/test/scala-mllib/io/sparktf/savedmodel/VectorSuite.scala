package io.sparktf.savedmodel

import org.apache.spark.ml.linalg.{Vector, Vectors}

class VectorSuite extends ScoringSuite {
  private val vectors: Seq[Vector] = Seq(
    Vectors.dense(1, 2),
    Vectors.sparse(2, Array(1), Array(5.0)),
    Vectors.sparse(2, Array.empty[Int], Array.empty[Double])
  )
  private lazy val expected = linear.predict(Array(Array(1f, 2f), Array(0f, 5f), Array(0f, 0f)))

  test("dense and sparse vectors, in a DataFrame, in SQL, over an RDD and on the driver") {
    val session = spark
    import session.implicits._
    val df = vectors.zipWithIndex.toDF("features", "id").repartition(2)
    val scored = linear.transform(df).orderBy("id").collect()
    assertClose(scored.map(_.getSeq[Float](2).head), expected.flatten)
    spark.udf.register("score_vector", linear.udf)
    val inSql = df.selectExpr("id", "score_vector(features)").orderBy("id").collect()
    assertClose(inSql.map(_.getSeq[Float](1).head), expected.flatten)
    assertClose(linear.predictAs[Array[Float]](vectors.toArray).flatten, expected.flatten)
    val rdd = spark.sparkContext.parallelize(vectors, 2)
    val overRdd = rdd.mapPartitions(linear.scorer[Vector, Array[Float]]()).collect()
    assertClose(overRdd.flatten, expected.flatten)
  }

  test("vectors in the query itself, which Spark scores row by row") {
    val session = spark
    import session.implicits._
    val df = vectors.map(Tuple1(_)).toDF("features").select(linear.udf($"features"))
    assertClose(df.collect().map(_.getSeq[Float](0).head), expected.flatten)
  }

  test("a vector of another length") {
    val session = spark
    import session.implicits._
    val df = Seq(Tuple1(Vectors.dense(1, 2, 3))).toDF("features").repartition(1)
    assert(failure(linear.transform(df).collect()).contains("a row has 3 values"))
  }
}

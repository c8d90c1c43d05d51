// A linear model, trained in Keras, on the driver, over an RDD and in SQL:
//
//   MODEL=/models/linear spark-shell --packages io.github.sparktf:sparktf-savedmodel_2.13:0.1.0
//   scala> :load examples/linear.scala
//
// examples/linear.py trains such a model: y = a * x1 + b * x2, exported by `model.export(path)`.

import io.sparktf.savedmodel.SavedModel

val model = SavedModel.load(sys.env.getOrElse("MODEL", "linear-model"))
println(model)

val rows = Array(Array(1f, 2f), Array(3f, 5f), Array(7f, 8f), Array(6f, 7f), Array(8f, 3f))

// On the driver.
val onDriver = model.predict(rows).map(_.head)
println(s"driver: ${onDriver.mkString(" ")}")

// Over an RDD. The model is loaded once in each JVM; what travels is its fingerprint.
val rdd = spark.sparkContext.parallelize(rows.toSeq, 2)
val overRdd = rdd.mapPartitions(model.scorer[Array[Float], Array[Float]]()).map(_.head).collect()
println(s"RDD: ${overRdd.mkString(" ")}")

// As columns of a DataFrame.
val df = rows.toSeq.toDF("features")
val output = model.outputs.head.name
val inDataFrame = model.transform(df, Map(model.inputs.head.name -> "features"))
println(s"DataFrame: ${inDataFrame.select(output).as[Seq[Float]].map(_.head).collect().mkString(" ")}")

// In SQL, in batches too.
spark.udf.register("tfpredict", model.udf)
df.repartition(2).createOrReplaceTempView("t")
val inSql = spark.sql("SELECT features, tfpredict(features) AS y_preds FROM t")
inSql.explain()
inSql.collect().foreach(row => println(s"SQL: ${row.getSeq[Float](0).mkString(",")} -> ${row.getSeq[Float](1).head}"))

package io.sparktf.savedmodel

import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.streaming.Trigger

class StreamingSuite extends ScoringSuite {

  private def inAndOut(score: DataFrame => DataFrame): Unit = {
    val folder = temporaryFolder()
    val (in, out) = (s"$folder/in", s"$folder/out")
    def write(from: Long, until: Long): Unit =
      spark.range(from, until, 1, 1)
        .selectExpr("id", "array(cast(id AS FLOAT), 1f) AS features")
        .write.mode("append").parquet(in)
    def run(): Unit = {
      val rows = spark.readStream.schema("id LONG, features ARRAY<FLOAT>").parquet(in)
      val query = score(rows).writeStream
        .option("checkpointLocation", s"$folder/checkpoint")
        .trigger(Trigger.AvailableNow())
        .start(out)
      query.awaitTermination()
    }
    write(0, 100)
    run()
    write(100, 150)
    run() // goes on from the checkpoint
    val found = spark.read.parquet(out).orderBy("id").collect()
    assert(found.map(_.getLong(0)).toSeq == (0L until 150))
    val expected = linear.predict(Array.tabulate(150)(i => Array(i.toFloat, 1f)))
    assertClose(found.map(_.getSeq[Float](1).head), expected.flatten)
  }

  test("files in, scores out, with a restart: transform") {
    inAndOut(linear.transform(_).select("id", "output_0"))
  }

  test("files in, scores out, with a restart: SQL") {
    spark.udf.register("score_stream", linear.udf)
    inAndOut(_.selectExpr("id", "score_stream(features) AS y"))
  }
}

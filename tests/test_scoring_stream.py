"""Scoring a stream of files, across restarts."""

import pytest

import sparktf

pytestmark = pytest.mark.oldest_and_newest


def test_files_in_scores_out_with_a_restart(spark, models, tmp_path):
    def add(*rows):
        df = spark.createDataFrame(rows, "i int, features array<float>").coalesce(1)
        df.write.mode("append").parquet(str(tmp_path / "in"))

    def run():
        # As a program that is started again: the function is made anew, too.
        predict = sparktf.predict_udf(models.linear)
        query = (
            spark.readStream.schema("i int, features array<float>")
            .option("maxFilesPerTrigger", 1)
            .parquet(str(tmp_path / "in"))
            .withColumn("y", predict("features"))
            .writeStream.format("parquet")
            .option("checkpointLocation", str(tmp_path / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(tmp_path / "out"))
        )
        query.awaitTermination()
        assert query.exception() is None

    def found():
        rows = spark.read.parquet(str(tmp_path / "out")).orderBy("i").collect()
        return [(row.i, row.y) for row in rows]

    add((0, [1.0, 2.0]), (1, None))
    add((2, [3.0, 5.0]))
    run()
    assert found() == [(0, [-3.5]), (1, None), (2, [-8.5])]
    add((3, [0.0, 0.0]))
    run()
    run()
    assert found() == [(0, [-3.5]), (1, None), (2, [-8.5]), (3, [0.5])]


def test_a_stream_is_scored_in_sql(spark, models, tmp_path):
    spark.createDataFrame([([1.0, 2.0],)], "features array<float>").write.parquet(
        str(tmp_path / "in")
    )
    sparktf.register_udf(spark, "tfpredict", models.linear)
    stream = spark.readStream.schema("features array<float>").parquet(str(tmp_path / "in"))
    stream.createOrReplaceTempView("incoming")
    scored = spark.sql("SELECT tfpredict(features) AS y FROM incoming")
    query = scored.writeStream.format("memory").queryName("scored").trigger(availableNow=True)
    query.start().awaitTermination()
    assert [row.y for row in spark.table("scored").collect()] == [[-3.5]]

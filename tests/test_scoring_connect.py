"""Scoring through Spark Connect: the model and the package reach a server's executors."""

import re
import shutil
from pathlib import Path

import pytest
import scoring_models
from connect_server import connect
from pyspark.ml.linalg import Vectors

import sparktf
from sparktf.spark import shipping
from sparktf.storage import by_spark

ROWS = [[1.0, 2.0], None, [3.0, 5.0]]
SCORES = [[-3.5], None, [-8.5]]


@pytest.fixture(scope="module")
def session(spark, connect_server):
    """As in a process that has Connect sessions only: pyspark's functions are Connect's then.
    The classic session, which one test needs, could not be made any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
        session = connect(connect_server)
        yield session
        session.stop()


@pytest.fixture
def points(session):
    return session.createDataFrame(list(enumerate(ROWS)), "i int, x array<float>").coalesce(1)


def scores(df, column):
    return [row[0] for row in df.orderBy("i").select(column).collect()]


def test_a_folder_of_the_client(points, models, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(models.linear, model)
    predict = sparktf.predict_udf(model)
    assert scores(points, predict("x")) == SCORES
    # The server's executors have their own copy, and the client's is compared on each call.
    shutil.rmtree(model)
    shutil.copytree(models.other_linear, model)
    with pytest.raises(ValueError, match="has changed since this function was made"):
        predict("x")
    assert scores(points, sparktf.predict_udf(model)("x")) == [[3.5], None, [8.5]]


def test_a_model_replaced_while_it_is_sent(points, models, tmp_path, monkeypatch):
    """Executors get nothing under the name of one that is another's in part."""
    model = tmp_path / "model"
    sparktf.save_model(scoring_models.linear_keras(4.0, 0.0, 0.0), model)
    predict = sparktf.predict_udf(model)
    zip_files = shipping.zip_files

    def replaced_meanwhile(files, archive):
        zip_files(files, archive)
        if not archive.name.startswith("sparktf-model"):  # this package
            return
        model.rename(tmp_path / "first")
        shutil.copytree(models.linear, model)

    with monkeypatch.context() as patch:
        patch.setattr(shipping, "zip_files", replaced_meanwhile)
        with pytest.raises(ValueError, match="has changed since this function was made"):
            predict("x")
    shutil.rmtree(model)
    (tmp_path / "first").rename(model)
    assert scores(points, predict("x")) == [[4.0], None, [12.0]]


@pytest.mark.oldest_and_newest
def test_a_folder_and_a_zip_that_only_the_server_can_read(spark, session, points, models, hdfs):
    archive = shutil.make_archive(str(Path(models.linear).parent / "packed"), "zip", models.linear)
    for source in (models.linear, archive):
        uri = f"{hdfs}/connect/grün 100%25 [a] {Path(source).name}"
        with pytest.raises(FileNotFoundError, match=f"no such file or folder: {re.escape(uri)}"):
            sparktf.predict_udf(uri)
        by_spark.HadoopPlace(spark, uri).write(Path(source))
        assert scores(points, sparktf.predict_udf(uri)("x")) == SCORES
    with pytest.raises(ValueError, match="Spark's server cannot read nosuch://a/b"):
        sparktf.predict_udf("nosuch://a/b")
    with pytest.raises(ValueError, match="written by the JVM of a classic Spark session"):
        sparktf.save_model(None, f"{hdfs}/connect/new")


def test_sql(session, points, models):
    points.createOrReplaceTempView("points")
    sparktf.register_udf(session, "tfpredict", models.linear)
    found = session.sql("SELECT tfpredict(x) AS y FROM points ORDER BY i").collect()
    assert [row.y for row in found] == SCORES


def test_several_inputs_and_outputs(session, models):
    rows = [([1.0, 2.0, 3.0], 10.0, 0), ([0.0] * 3, None, 1)]
    df = session.createDataFrame(rows, "a array<float>, b float, i int").coalesce(1)
    found = scores(df, sparktf.predict_udf(models.pairs)().alias("p"))
    assert (found[0].total, found[0].scaled, found[1]) == ([16.0], [10.0, 20.0, 30.0], None)


def test_vectors(session, models):
    rows = [(0, Vectors.dense([1.0, 2.0])), (1, None), (2, Vectors.sparse(2, [1], [5.0]))]
    df = session.createDataFrame(rows, ["i", "x"]).coalesce(1)
    assert scores(df, sparktf.predict_udf(models.linear)("x")) == [[-3.5], None, [-14.5]]


def test_a_transformer(session, points, models):
    scorer = sparktf.SavedModelTransformer(
        modelPath=models.linear, inputs={"features": "x"}, outputs={"y": "output_0"}
    )
    assert scores(scorer.transform(points), "y") == SCORES
    with pytest.raises(ValueError, match="no column 'features' for the model's input"):
        sparktf.SavedModelTransformer(modelPath=models.linear).transform(points)


def test_errors_reach_the_client(session, models):
    df = session.createDataFrame([([1.0],)], "x array<float>")
    with pytest.raises(Exception, match=r"column .*x.*: a row is an array of 1 value; the m"):
        df.select(sparktf.predict_udf(models.linear)("x")).collect()


@pytest.mark.oldest_and_newest
def test_a_stream_where_executors_see_the_model_themselves(session, models, tmp_path):
    """Streams run in a copy of the session, without what the session has sent to executors."""
    session.createDataFrame([([1.0, 2.0],)], "x array<float>").write.parquet(str(tmp_path / "in"))
    stream = session.readStream.schema("x array<float>").parquet(str(tmp_path / "in"))

    def score(model, name):
        query = (
            stream.select(sparktf.predict_udf(model)("x").alias("y"))
            .writeStream.format("parquet")
            .option("checkpointLocation", str(tmp_path / name / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(tmp_path / name / "out"))
        )
        query.awaitTermination()
        return session.read.parquet(str(tmp_path / name / "out")).collect()

    assert [row.y for row in score(models.linear, "seen")] == [[-3.5]]
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", models.linear)
    with pytest.raises(Exception, match="put the model on a path that all executors see"):
        score(archive, "unseen")

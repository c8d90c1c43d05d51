"""Scoring in Spark's own programs by ``--packages``: from a local Maven repository that `publishM2`
filled, and the registry that Spark asks for TensorFlow's part."""

import re
from pathlib import Path

import pytest
import spark_shell

pytestmark = [pytest.mark.oldest_and_newest, pytest.mark.long]

_ROOT = Path(__file__).parents[1]
_ROWS = [[1.0, 2.0], [3.0, 5.0], [7.0, 8.0], [6.0, 7.0], [8.0, 3.0]]

# Executors in processes of their own, which get the model from the driver.
_CLUSTER = """
import java.nio.file.{Files, Paths}
import io.sparktf.savedmodel.SavedModel

val model = SavedModel.load(sys.env("MODEL"))
val rows = Seq(Seq(1f, 2f), Seq(3f, 5f), Seq(7f, 8f), Seq(6f, 7f), Seq(8f, 3f))
val df = rows.toDF("features").repartition(2)
def print(what: String, found: Seq[Any]) = println(what + ": " + found.mkString(" "))
val name = model.outputs.head.name
print("DataFrame", model.transform(df).select("features", name).as[(Seq[Float], Seq[Float])]
  .collect().toSeq.map { case (x, y) => x.mkString(",") + "->" + y.head })
val rdd = spark.sparkContext.parallelize(rows.map(_.toArray), 2)
val scored = rdd.mapPartitions(model.scorer[Array[Float], Array[Float]]())
print("RDD", scored.map(_.head).collect().toSeq)
print("processes", rdd.map(_ => ProcessHandle.current.pid).collect().distinct.toSeq)
println("driver: " + ProcessHandle.current.pid)
System.exit(0)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of a linear model, and what Keras predicts for the rows."""
    import keras
    import numpy as np

    layer = keras.layers.Dense(1)
    network = keras.Sequential([keras.Input((2,), name="features"), layer])
    layer.set_weights([np.array([[2.0], [-3.0]]), np.array([0.5])])
    path = tmp_path_factory.mktemp("models") / "linear"
    network.export(path, verbose=False)
    return path, network(np.array(_ROWS, "float32")).numpy()[:, 0].tolist()


def _numbers(printed, what):
    line = re.search(rf"^(?:scala> )*{what}: (.*)$", printed, re.M)
    assert line, printed[-3000:]
    return [float(number) for number in line[1].split()]


def test_the_example_agrees_with_keras(tmp_path, model):
    path, expected = model
    example = _ROOT / "examples" / "linear.scala"
    # Not by `-i`, which Spark 4.0 takes no notice of (SPARK-52587).
    printed = spark_shell.run(
        tmp_path / "shell", "--master", "local[2]", stdin=f":load {example}\n", MODEL=str(path)
    )
    for what in ("driver", "RDD", "DataFrame"):
        assert _numbers(printed, what) == pytest.approx(expected, abs=1e-5)
    scored = dict(re.findall(r"SQL: (\S+) -> (\S+)", printed))
    keys = [",".join(map(str, row)) for row in _ROWS]
    assert [float(scored[key]) for key in keys] == pytest.approx(expected, abs=1e-5)
    assert "ScoreBatches" in printed


def test_executors_get_the_model_from_the_driver(tmp_path, model):
    path, expected = model
    printed = spark_shell.run(
        tmp_path / "cluster",
        *("--master", "local-cluster[2,1,1024]"),
        stdin=_CLUSTER,
        MODEL=str(path),
    )
    assert _numbers(printed, "RDD") == pytest.approx(expected, abs=1e-5)
    scored = dict(re.findall(r"(\S+,\S+)->(\S+)", printed))
    keys = [",".join(map(str, row)) for row in _ROWS]
    assert [float(scored[key]) for key in keys] == pytest.approx(expected, abs=1e-5)
    assert set(_numbers(printed, "processes")).isdisjoint(_numbers(printed, "driver"))

"""Scoring in Spark's own programs by ``--packages``: from a local Maven repository that `publishM2`
filled, and the registry that Spark asks for TensorFlow's part."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparktf import _spark_submit

pytestmark = pytest.mark.oldest_and_newest

_ROOT = Path(__file__).parents[1]
_IVY = _ROOT / "target" / "ivy"
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


def _shell(folder, model, *arguments, stdin=""):
    """What spark-shell has printed."""
    folder.mkdir()
    spark_home = _spark_submit.spark_home()
    version = re.search(r'^version = "(.*)"', (_ROOT / "pyproject.toml").read_text(), re.M)[1]
    package = f"io.github.sparktf:sparktf-savedmodel_{_spark_submit.scala_version()}:{version}"
    home = folder / "home"
    (home / ".m2").mkdir(parents=True)
    (home / ".m2" / "repository").symlink_to(_ROOT / "target" / "m2")
    # What does not change is kept: TensorFlow's archive is large, and unpacked when first used.
    unpacked = f"-Dorg.bytedeco.javacpp.cachedir={_ROOT / 'target' / 'javacpp'}"
    command = [
        str(spark_home / "bin" / "spark-shell"),
        *("--packages", package, "--conf", f"spark.jars.ivy={_IVY}"),
        *("--conf", "spark.ui.enabled=false", "--driver-java-options", unpacked),
        *("--conf", f"spark.executor.extraJavaOptions={unpacked}"),
        *arguments,
    ]
    left_out = ("PYSPARK_SUBMIT_ARGS", "SPARK_TESTING", "PYSPARK_DRIVER_PYTHON")
    environment = {name: value for name, value in os.environ.items() if name not in left_out} | {
        "SPARK_HOME": str(spark_home),
        "SPARK_SUBMIT_OPTS": f"-XX:TieredStopAtLevel=1 -Duser.home={home}",
        "PYSPARK_PYTHON": sys.executable,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "MODEL": str(model),
    }
    with _ivy():
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout + done.stderr


@contextlib.contextmanager
def _ivy():
    """An Ivy cache that has TensorFlow and none of our own jars, which change; for one at a time,
    as Ivy has no locks and the tests of several Sparks may run side by side."""
    _IVY.mkdir(parents=True, exist_ok=True)
    with (_IVY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for ours in _IVY.glob("*/*sparktf*"):
            if ours.is_dir():
                shutil.rmtree(ours)
            else:
                ours.unlink()
        yield


def _numbers(printed, what):
    line = re.search(rf"^(?:scala> )*{what}: (.*)$", printed, re.M)
    assert line, printed[-3000:]
    return [float(number) for number in line[1].split()]


def test_the_example_agrees_with_keras(tmp_path, model):
    path, expected = model
    example = _ROOT / "examples" / "linear.scala"
    # Not by `-i`, which Spark 4.0 takes no notice of (SPARK-52587).
    printed = _shell(tmp_path / "shell", path, "--master", "local[2]", stdin=f":load {example}\n")
    for what in ("driver", "RDD", "DataFrame"):
        assert _numbers(printed, what) == pytest.approx(expected, abs=1e-5)
    scored = dict(re.findall(r"SQL: (\S+) -> (\S+)", printed))
    keys = [",".join(map(str, row)) for row in _ROWS]
    assert [float(scored[key]) for key in keys] == pytest.approx(expected, abs=1e-5)
    assert "ScoreBatches" in printed


def test_executors_get_the_model_from_the_driver(tmp_path, model):
    path, expected = model
    printed = _shell(
        tmp_path / "cluster", path, "--master", "local-cluster[2,1,1024]", stdin=_CLUSTER
    )
    assert _numbers(printed, "RDD") == pytest.approx(expected, abs=1e-5)
    scored = dict(re.findall(r"(\S+,\S+)->(\S+)", printed))
    keys = [",".join(map(str, row)) for row in _ROWS]
    assert [float(scored[key]) for key in keys] == pytest.approx(expected, abs=1e-5)
    assert set(_numbers(printed, "processes")).isdisjoint(_numbers(printed, "driver"))

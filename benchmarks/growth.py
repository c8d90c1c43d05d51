"""How the cost of reading grows: with rows, files, columns, selected columns, cores, and with
features whose order changes from record to record.

    .venv/bin/python benchmarks/growth.py --save

Each curve is measured in alternating rounds over its points, and the best of a point's rounds
counts. What every query costs whatever it reads (planning, starting tasks) is measured as the read
of one row, and is part of the seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import data_sets
import pyspark
from machine import peak_mib, save
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

import sparktf

Point = tuple[object, str, list[str] | None, int]
"""What a point is called, the path it reads, the columns it selects or None for all, its rows."""

Result = dict[str, Any]

WARM_UP_SECONDS = 5


def start(cores: int) -> SparkSession:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master(f"local[{cores}]")
        .appName("growth")
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
    )
    return sparktf.configure(builder).getOrCreate()


def write(frame: DataFrame, path: str, rows_per_file: int = 0) -> None:
    frame.write.format("tfrecord").option("maxRecordsPerFile", rows_per_file).save(path)


def read_seconds(spark: SparkSession, point: Point, schemas: dict[str, StructType]) -> float:
    _, path, columns, _ = point
    begin = time.perf_counter()
    frame = spark.read.format("tfrecord").schema(schemas[path]).load(path)
    (frame.select(*columns) if columns else frame).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - begin


def reset_peak(spark: SparkSession) -> int:
    """Sets the JVM's peak of resident memory back, and gives its process id."""
    pid = int(spark._jvm.java.lang.ProcessHandle.current().pid())
    spark._jvm.System.gc()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): VmHWM becomes the present size
    return pid


def measure(spark: SparkSession, curve: str, points: list[Point], rounds: int) -> Iterator[Result]:
    schemas = {p[1]: spark.read.format("tfrecord").load(p[1]).schema for p in points}
    best = dict.fromkeys((p[0] for p in points), float("inf"))
    peaks = dict.fromkeys(best, 0)
    begin = time.perf_counter()
    while time.perf_counter() - begin < WARM_UP_SECONDS:  # compiled before any of them counts
        for point in points:
            read_seconds(spark, point, schemas)
    for _ in range(rounds):
        for point in points:
            jvm = reset_peak(spark)
            best[point[0]] = min(best[point[0]], read_seconds(spark, point, schemas))
            peaks[point[0]] = max(peaks[point[0]], peak_mib(jvm))
    for name, _, _, rows in points:
        result = {"curve": curve, "point": name, "rows": rows}
        yield result | {"seconds": round(best[name], 4), "peak_rss_mib": peaks[name]}


# ------------------------------------------------------------------ the curves


def rows(spark: SparkSession, folder: str, scale: float) -> list[Point]:
    points: list[Point] = []
    for count in (1, 10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7, 3 * 10**7):
        count = max(1, int(count * scale))
        data = data_sets.MIXED
        write(data.make(spark, count / data.rows), f"{folder}/{count}")
        points.append((count, f"{folder}/{count}", None, count))
    return points


def files(spark: SparkSession, folder: str, scale: float) -> list[Point]:
    points: list[Point] = []
    data = data_sets.MIXED.make(spark, scale)
    total = int(data_sets.MIXED.rows * scale)
    for count in (1, 10, 100, 1000, 5000):
        write(data.coalesce(min(count, 2)), f"{folder}/{count}", max(1, total // count))
        points.append((count, f"{folder}/{count}", None, total))
    return points


def columns(spark: SparkSession, folder: str, scale: float) -> list[Point]:
    """Five million numbers each, in ever wider rows."""
    points: list[Point] = []
    for width in (10, 30, 100, 300, 1000, 2000):
        count = max(2, int(5_000_000 * scale / width))
        numbers = [
            f"pmod(xxhash64(id, {i}), 1000) AS n{i}"
            if i % 2
            else f"CAST(pmod(xxhash64(id, {i}), 1000) AS FLOAT) AS x{i}"
            for i in range(width)
        ]
        write(spark.range(0, count, 1, 2).selectExpr(*numbers), f"{folder}/{width}")
        points.append((width, f"{folder}/{width}", None, count))
    return points


def selected(spark: SparkSession, folder: str, scale: float) -> list[Point]:
    """Of the hundred columns of *wide*, ever more, spread over the record."""
    data = data_sets.WIDE
    write(data.make(spark, scale), folder)
    names = list(data.columns)
    return [
        (k, folder, [names[i * 100 // k] for i in range(k)], int(data.rows * scale))
        for k in (1, 2, 5, 10, 25, 50, 75, 100)
    ]


def orders(spark: SparkSession, folder: str, scale: float) -> list[Point]:
    """Ten features in the same order in each record, and in another in each."""
    import tensorflow as tf

    count = max(1000, int(1_000_000 * scale))
    for name in ("fixed", "changing"):
        path = Path(folder, name)
        path.mkdir(parents=True)
        order = random.Random(7)
        for part in range(2):
            records = []
            for i in range(min(20_000, count // 2)):
                entries = [
                    _entry(f"feature_{k}", tf.train.Int64List(value=[i * k]))
                    if k % 2
                    else _entry(f"feature_{k}", tf.train.FloatList(value=[i / (k + 1)]))
                    for k in range(10)
                ]
                if name == "changing":
                    order.shuffle(entries)
                records.append(_example(entries))
            with tf.io.TFRecordWriter(str(path / f"part-{part}.tfrecord")) as writer:
                for i in range(count // 2):
                    writer.write(records[i % len(records)])
    return [(name, f"{folder}/{name}", None, count) for name in ("fixed", "changing")]


def _entry(name: str, values: object) -> bytes:
    """What one feature adds to a serialized Features message, which is a map."""
    import tensorflow as tf

    kind = "int64_list" if isinstance(values, tf.train.Int64List) else "float_list"
    features = tf.train.Features(feature={name: tf.train.Feature(**{kind: values})})
    return features.SerializeToString()


def _example(entries: list[bytes]) -> bytes:
    """A serialized Example whose features are in the given order, which protobuf would choose."""
    import tensorflow as tf

    features = b"".join(entries)
    empty = tf.train.Example(features=tf.train.Features()).SerializeToString()
    tag, size = empty[:1], len(features)
    length = []  # a varint
    while size > 127:
        length.append(size % 128 + 128)
        size //= 128
    return tag + bytes([*length, size]) + features


CURVES: dict[str, Callable[[SparkSession, str, float], list[Point]]] = {
    "rows": rows,
    "files": files,
    "columns": columns,
    "selected columns": selected,
    "order of features": orders,
}


def cores(folder: str, scale: float, rounds: int) -> Iterator[Result]:
    """One file, which Spark splits, on one core and on two."""
    count = max(1, int(10**7 * scale))
    spark = start(2)
    write(data_sets.MIXED.make(spark, count / data_sets.MIXED.rows).coalesce(1), folder)
    best: dict[object, Result] = {}
    for _ in range(rounds):
        for number in (1, 2):
            spark.stop()
            spark = start(number)
            for result in measure(spark, "cores", [(number, folder, None, count)], 3):
                known = best.get(number, result)
                best[number] = min(known, result, key=lambda r: r["seconds"])
    spark.stop()
    yield from best.values()


def run(name: str, scale: float, rounds: int) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="sparktf-benchmark-") as folder:
        if name == "cores":
            return list(cores(f"{folder}/data", scale, 3))
        spark = start(2)
        points = CURVES[name](spark, f"{folder}/data", scale)
        found = list(measure(spark, name, points, rounds))
        spark.stop()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*CURVES, "cores"]
    parser.add_argument("--curves", nargs="+", default=names, choices=names)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of rows")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    arguments = parser.parse_args()

    results: list[Result] = []
    # A JVM for each: what one has compiled for the records of one curve may not suit the next.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        for name in arguments.curves:
            found = processes.apply(run, (name, arguments.scale, arguments.rounds))
            results += found
            for r in found:
                print(
                    f"{name:18} {r['point']!s:>10}: {r['seconds']:7} s, "
                    f"{1e9 * r['seconds'] / r['rows']:8.0f} ns a row, "
                    f"peak {r['peak_rss_mib']} MiB",
                    flush=True,
                )
    if arguments.save:
        save("growth", results, spark=pyspark.__version__)


if __name__ == "__main__":
    main()

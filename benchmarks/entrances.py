"""Times both entrances to the data source in one run: `tfrecord`, a FileFormat, and `tfrecordv2`.

    .venv/bin/python benchmarks/entrances.py --save

The operations of run.py on its tables, both entrances over the same files; then what Data Source V2
alone is told, on `local[2]`:

- *count*: the rows of 5,000 files of 20, which V2 counts in the source.
- *limit*: 10 of those rows into the noop sink, for which V2 opens a file; and *take*, the same by
  `collect`, where Spark itself begins with one task.
- *join*: two tables of a million rows in 40 partitions, by a column of the partitions and another,
  none of them broadcast. V2 tells Spark that they are partitioned alike, and nothing is shuffled.
- *partitions*: the rows of one of those tables into the noop sink.

Each runs in turn, in alternating rounds, of which the best counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

import data_sets
import pyspark
from data_sets import DataSet
from machine import jars, save
from pyspark.sql import DataFrame, SparkSession
from run import OPERATIONS, DataSourceFormat, best_of, measure, noop

FILES = 5_000
ROWS_EACH = 20
PARTITIONS = 40
ENTRANCES = ("tfrecord", "tfrecordv2")


class Second(DataSourceFormat):
    """Reads the files that the first entrance has written."""

    def prepare(self, data: DataSet, cached: DataFrame, folder: str) -> None:
        Path(folder).mkdir(parents=True)
        for kind in ("plain", "gzip"):
            Path(folder, kind).symlink_to(Path(folder).parent / "sparktf" / kind)


def common(
    spark: SparkSession, arguments: argparse.Namespace, folder: str
) -> list[dict[str, object]]:
    gzip = {"compression": "gzip"}
    reads = OPERATIONS[1:]
    first = DataSourceFormat(spark, "sparktf", ENTRANCES[0], gzip=gzip, operations=reads)
    second = Second(spark, "by V2", ENTRANCES[1], gzip=gzip, operations=reads)
    # What run.py takes from its command line.
    arguments.data, arguments.operations = list(data_sets.ALL), reads
    names = {"sparktf": ENTRANCES[0], "by V2": ENTRANCES[1]}
    found = measure(spark, [first, second], arguments, folder)
    return [result | {"source": names[str(result["source"])]} for result in found]


def session() -> SparkSession:
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "8g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.extraClassPath", os.pathsep.join(jars("python/sparktf/jars")))
        .config("spark.log.level", "ERROR")
        .config("spark.sql.autoBroadcastJoinThreshold", "-1")
        # What a user sets who wants joins without a shuffle; the first is so from Spark 4.1 on.
        .config("spark.sql.sources.v2.bucketing.enabled", "true")
        .config("spark.sql.requireAllClusterKeysForCoPartition", "false")
        .getOrCreate()
    )


def write(spark: SparkSession, folder: str, scale: float) -> None:
    many = spark.range(0, int(FILES * scale) * ROWS_EACH, 1, 2).selectExpr("id", "id * 2 AS twice")
    many.write.format("tfrecord").option("maxRecordsPerFile", ROWS_EACH).save(f"{folder}/many")
    rows = spark.range(0, int(1_000_000 * scale), 1, 2)
    for name, column in (("left", "a"), ("right", "b")):
        table = rows.selectExpr(
            "id", f"CAST(id AS FLOAT) AS {column}", f"CAST(id % {PARTITIONS} AS INT) AS part"
        )
        by_part = table.repartition(PARTITIONS, "part")
        by_part.write.format("tfrecord").partitionBy("part").save(f"{folder}/{name}")


def works(spark: SparkSession, form: str, folder: str) -> dict[str, Callable[[], object]]:
    def read(name: str, schema: str) -> DataFrame:
        return spark.read.format(form).schema(schema).load(f"{folder}/{name}")

    def many() -> DataFrame:
        return read("many", "id long, twice long")

    def left() -> DataFrame:
        return read("left", "id long, a float, part int")

    def join() -> int:
        right = read("right", "id long, b float, part int")
        return left().join(right, ["part", "id"]).where("a = b").count()

    return {
        "count": lambda: many().count(),
        "limit": lambda: noop(many().limit(10)),
        "take": lambda: many().limit(10).collect(),
        "join": join,
        "partitions": lambda: noop(left()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="times the numbers")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    arguments = parser.parse_args()
    spark = session()
    folder = tempfile.mkdtemp(prefix="sparktf-benchmark-")
    results: list[dict[str, object]] = []
    try:
        results += common(spark, arguments, folder)
        write(spark, folder, arguments.scale)
        by_entrance = {form: works(spark, form, folder) for form in ENTRANCES}
        for name in by_entrance["tfrecord"]:
            seconds = dict.fromkeys(ENTRANCES, float("inf"))
            for _ in range(arguments.rounds):
                for form in ENTRANCES:
                    seconds[form] = min(seconds[form], best_of(2, by_entrance[form][name]))
            first, second = seconds["tfrecord"], seconds["tfrecordv2"]
            print(
                f"{name:10} tfrecord {first:.3f} s, tfrecordv2 {second:.3f} s "
                f"({first / second:.2f} times as fast)",
                flush=True,
            )
            results += [
                {"operation": name, "source": form, "seconds": round(value, 4)}
                for form, value in seconds.items()
            ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        spark.stop()
    if arguments.save:
        version = ".".join(pyspark.__version__.split(".")[:2])
        save(f"entrances-{version}", results, spark=pyspark.__version__)


if __name__ == "__main__":
    main()

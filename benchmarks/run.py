"""Times reading and writing through Spark, this source beside others, in one run.

    .venv/bin/python benchmarks/run.py --save

Each operation is run by every source in turn, in several alternating rounds, so that a machine
that changes its speed does so for all of them. Of each round the best of three counts, and of the
rounds the best. Rows go to Spark's noop sink; the rows that are written come from memory.

Beside the sources stand two measures of what none of them can undercut: "Spark alone", this source
with constants in the place of its decoder and encoder, and "floor", the bare work on the bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import data_sets
import pyspark
from data_sets import DataSet
from machine import jars, save
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

ROOT = Path(__file__).resolve().parent.parent

OPERATIONS = ("write", "infer", "read", "read few", "count", "read gzip")

Work = Callable[[], object]


class Source(Protocol):
    """One of those that are compared."""

    name: str

    def prepare(self, data: DataSet, cached: DataFrame, folder: str) -> None:
        """Makes in `folder` what the operations read."""

    def operation(self, name: str, data: DataSet, cached: DataFrame, folder: str) -> Work | None:
        """What is timed, or None where the source has no such operation."""


class DataSourceFormat:
    """A source that Spark knows by a format name."""

    def __init__(
        self,
        spark: SparkSession,
        name: str,
        form: str,
        options: dict[str, str] | None = None,
        gzip: dict[str, str] | None = None,
        operations: tuple[str, ...] = OPERATIONS,
    ) -> None:
        self.spark, self.name, self.form = spark, name, form
        self.options = options or {}
        self.gzip = gzip
        self.operations = operations

    def prepare(self, data: DataSet, cached: DataFrame, folder: str) -> None:
        self._write(cached, f"{folder}/plain", self.options)
        if self.gzip:
            self._write(cached, f"{folder}/gzip", self.options | self.gzip)

    def operation(self, name: str, data: DataSet, cached: DataFrame, folder: str) -> Work | None:
        if name not in self.operations or (name == "read gzip" and not self.gzip):
            return None
        schema, plain = cached.schema, f"{folder}/plain"
        return {
            "write": lambda: self._write(cached, f"{folder}/written", self.options),
            "infer": lambda: self.spark.read.format(self.form).load(plain).schema,
            "read": lambda: noop(self._read(plain, schema)),
            "read few": lambda: noop(self._read(plain, schema).select(*data.few)),
            "count": lambda: self._read(plain, schema).count(),
            "read gzip": lambda: noop(self._read(f"{folder}/gzip", schema)),
        }[name]

    def _write(self, frame: DataFrame, path: str, options: dict[str, str]) -> None:
        frame.write.format(self.form).options(**options).mode("overwrite").save(path)

    def _read(self, path: str, schema: StructType) -> DataFrame:
        return self.spark.read.format(self.form).schema(schema).load(path)


class SparkAlone(DataSourceFormat):
    """This source's files, read and written by `ConstantFormat` of benchmarks/spark."""

    def __init__(self, spark: SparkSession) -> None:
        operations = ("write", "read", "read few", "count")
        form = "io.sparktf.benchmarks.ConstantFormat"
        super().__init__(spark, "Spark alone", form, operations=operations)

    def prepare(self, data: DataSet, cached: DataFrame, folder: str) -> None:
        Path(folder).mkdir(parents=True)
        Path(folder, "plain").symlink_to(Path(folder).parent / "sparktf" / "plain")


class HadoopTFRecord:
    """TensorFlow's Hadoop formats with protobuf, as in benchmarks/spark."""

    name = "tensorflow-hadoop"

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.jvm = spark._jvm.io.sparktf.benchmarks.HadoopTFRecord

    def prepare(self, data: DataSet, cached: DataFrame, folder: str) -> None:
        self._write(cached, f"{folder}/plain")

    def operation(self, name: str, data: DataSet, cached: DataFrame, folder: str) -> Work | None:
        if name == "write":
            return lambda: self._write(cached, f"{folder}/written")
        if name not in ("read", "count"):
            return None
        session = self.spark._jsparkSession
        schema = session.parseDataType(cached.schema.json())

        def read() -> DataFrame:
            return DataFrame(self.jvm.read(session, f"{folder}/plain", schema), self.spark)

        return (lambda: noop(read())) if name == "read" else (lambda: read().count())

    def _write(self, frame: DataFrame, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)
        self.jvm.write(frame._jdf, path)


class Floor:
    """The bare work on the bytes of this source's files, one thread for each file."""

    name = "floor"

    def __init__(self, spark: SparkSession) -> None:
        self.jvm = spark._jvm.io.sparktf.benchmarks.Floor

    def prepare(self, data: DataSet, cached: DataFrame, folder: str) -> None:
        files = f"{Path(folder).parent}/sparktf"
        self.plain, self.gzip = (self.jvm(f"{files}/{kind}", 2) for kind in ("plain", "gzip"))
        self.plain.load()
        self.gzip.load()

    def operation(self, name: str, data: DataSet, cached: DataFrame, folder: str) -> Work | None:
        plain, gzip = self.plain, self.gzip
        parts: dict[str, tuple[Work, ...]] = {
            "write": (plain.copy, plain.checksum, lambda: plain.write(f"{folder}/written")),
            "read": (plain.read, plain.checksum, plain.copy),
            "read few": (plain.read, plain.checksum),
            "count": (plain.read,),
            "read gzip": (gzip.read, gzip.inflate, plain.checksum, plain.copy),
        }
        return (lambda: [part() for part in parts[name]]) if name in parts else None


def noop(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def best_of(repeats: int, work: Work) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(
    spark: SparkSession, sources: list[Source], arguments: argparse.Namespace, folder: str
) -> list[dict[str, object]]:
    results = []
    for data_name in arguments.data:
        data = data_sets.ALL[data_name]
        cached = data.make(spark, arguments.scale).cache()
        rows = cached.count()
        folders = {s.name: f"{folder}/{data.name}/{s.name.replace(' ', '-')}" for s in sources}
        for source in sources:
            source.prepare(data, cached, folders[source.name])
        for name in arguments.operations:
            works = {s.name: s.operation(name, data, cached, folders[s.name]) for s in sources}
            able = {source: work for source, work in works.items() if work}
            seconds = dict.fromkeys(able, float("inf"))
            for _ in range(arguments.rounds):
                for source, work in able.items():
                    seconds[source] = min(seconds[source], best_of(3, work))
            for source, value in seconds.items():
                result = {"data": data_name, "operation": name, "source": source, "rows": rows}
                results.append(result | {"seconds": round(value, 4)})
            report(data_name, name, seconds)
        cached.unpersist(True)
        shutil.rmtree(f"{folder}/{data.name}")
    return results


def report(data: str, name: str, seconds: dict[str, float]) -> None:
    """One line: seconds of each source, and how many times ours that is."""
    own = seconds["sparktf"]
    others = "  ".join(
        f"{source} {value:.3f} s ({value / own:.2f}x)"
        for source, value in seconds.items()
        if source != "sparktf"
    )
    print(f"{data:7} {name:10} sparktf {own:.3f} s   {others}", flush=True)


def session(arguments: argparse.Namespace) -> SparkSession:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    class_path = jars("python/sparktf/jars", "benchmarks/target/jars")
    if arguments.peer_jar:
        class_path.append(arguments.peer_jar)
    return (
        SparkSession.builder.master("local[2]")
        .appName("benchmarks")
        .config("spark.driver.memory", "8g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.extraClassPath", os.pathsep.join(class_path))
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


def all_sources(spark: SparkSession, arguments: argparse.Namespace) -> list[Source]:
    sources: list[Source] = [
        # By its class: a peer may have taken the short name.
        DataSourceFormat(
            spark,
            "sparktf",
            "io.sparktf.tfrecord.TFRecordFileFormat",
            gzip={"compression": "gzip"},
        ),
        DataSourceFormat(spark, "Parquet", "parquet", {"compression": "none"}),
        DataSourceFormat(spark, "Parquet snappy", "parquet", {"compression": "snappy"}),
        HadoopTFRecord(spark),
        SparkAlone(spark),
        Floor(spark),
    ]
    if arguments.peer_jar:
        gzip = {"codec": "org.apache.hadoop.io.compress.GzipCodec"}
        form, name = arguments.peer_format, arguments.peer_name
        sources.append(DataSourceFormat(spark, name, form, gzip=gzip))
    return sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=list(data_sets.ALL), choices=data_sets.ALL)
    parser.add_argument("--operations", nargs="+", default=list(OPERATIONS), choices=OPERATIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of rows")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    parser.add_argument("--peer-jar", help="a jar with another TFRecord source")
    parser.add_argument("--peer-format", help="the class or short name of the peer's source")
    parser.add_argument("--peer-name", default="peer", help="what the results call it")
    arguments = parser.parse_args()

    spark = session(arguments)
    java = spark._jvm.java.lang.System.getProperty("java.version")
    folder = tempfile.mkdtemp(prefix="sparktf-benchmark-")
    try:
        results = measure(spark, all_sources(spark, arguments), arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        spark.stop()
    if arguments.save:
        version = ".".join(pyspark.__version__.split(".")[:2])
        save(f"spark-{version}", results, spark=pyspark.__version__, java=java)


if __name__ == "__main__":
    main()

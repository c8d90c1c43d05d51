"""Times reading and writing through Spark, this source beside others, in one run.

    .venv/bin/python benchmarks/run.py --out benchmarks/results/spark.json

Each operation is run by every source in turn, in several alternating rounds, so that a machine
that changes its speed does so for all of them. Of each round the best of three counts, and of the
rounds the best. Rows go to Spark's noop sink; the rows that are written come from memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import data_sets
import pyspark
from machine import describe_machine
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

ROOT = Path(__file__).resolve().parent.parent

OPERATIONS = ("write", "infer", "read", "read few", "count", "read gzip")


class DataSourceFormat:
    """A source that Spark knows by a format name."""

    def __init__(
        self,
        spark: SparkSession,
        name: str,
        form: str,
        options: dict[str, str] | None = None,
        gzip_options: dict[str, str] | None = None,
    ) -> None:
        self.spark, self.name, self.form = spark, name, form
        self.options = options or {}
        self.gzip_options = gzip_options

    def can(self, operation: str) -> bool:
        return operation != "read gzip" or self.gzip_options is not None

    def write(self, frame: DataFrame, path: str, gzip: bool = False) -> None:
        options = self.options | ((self.gzip_options or {}) if gzip else {})
        frame.write.format(self.form).options(**options).mode("overwrite").save(path)

    def read(self, path: str, schema: StructType) -> DataFrame:
        return self.spark.read.format(self.form).schema(schema).load(path)

    def infer(self, path: str) -> DataFrame:
        return self.spark.read.format(self.form).load(path)


class HadoopTFRecord:
    """TensorFlow's Hadoop formats with protobuf, from the jar of benchmarks/jmh."""

    name = "tensorflow-hadoop"

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.jvm = spark._jvm.io.sparktf.benchmarks.HadoopTFRecord

    def can(self, operation: str) -> bool:
        return operation in ("write", "read", "count")

    def write(self, frame: DataFrame, path: str, gzip: bool = False) -> None:
        shutil.rmtree(path, ignore_errors=True)
        self.jvm.write(frame._jdf, path)

    def read(self, path: str, schema: StructType) -> DataFrame:
        jvm_schema = self.spark._jsparkSession.parseDataType(schema.json())
        return DataFrame(self.jvm.read(self.spark._jsparkSession, path, jvm_schema), self.spark)

    def infer(self, path: str) -> DataFrame:
        raise NotImplementedError("there is no inference to compare with")


def noop(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def best_of(repeats: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def operation(
    name: str,
    source: DataSourceFormat | HadoopTFRecord,
    data: data_sets.DataSet,
    cached: DataFrame,
    folder: str,
) -> Callable[[], object]:
    path, gzip_path = f"{folder}/{data.name}", f"{folder}/{data.name}-gzip"
    schema = cached.schema
    return {
        "write": lambda: source.write(cached, f"{folder}/{data.name}-written"),
        "infer": lambda: source.infer(path).schema,
        "read": lambda: noop(source.read(path, schema)),
        "read few": lambda: noop(source.read(path, schema).select(*data.few)),
        "count": lambda: source.read(path, schema).count(),
        "read gzip": lambda: noop(source.read(gzip_path, schema)),
    }[name]


def measure(
    spark: SparkSession,
    sources: list[DataSourceFormat | HadoopTFRecord],
    arguments: argparse.Namespace,
    folder: str,
) -> list[dict[str, object]]:
    results = []
    for data_name in arguments.data:
        data = data_sets.ALL[data_name]
        cached = data.make(spark, arguments.scale).cache()
        rows = cached.count()
        for source in sources:
            source.write(cached, f"{folder}/{source.name}/{data.name}")
            if source.can("read gzip"):
                source.write(cached, f"{folder}/{source.name}/{data.name}-gzip", gzip=True)
        for name in arguments.operations:
            able = [s for s in sources if s.can(name)]
            work = {s.name: operation(name, s, data, cached, f"{folder}/{s.name}") for s in able}
            seconds = {s.name: float("inf") for s in able}
            for _ in range(arguments.rounds):
                for s in able:
                    seconds[s.name] = min(seconds[s.name], best_of(3, work[s.name]))
            for s in able:
                result = {"data": data_name, "operation": name, "source": s.name, "rows": rows}
                results.append(result | {"seconds": round(seconds[s.name], 4)})
            report(data_name, name, seconds)
        cached.unpersist(True)
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
    jars = [*sorted(map(str, (ROOT / "benchmarks/target/jars").glob("*.jar")))]
    scala = "2.12" if pyspark.__version__.startswith("3.") else "2.13"
    jars += map(str, (ROOT / "python/sparktf/jars").glob(f"sparktf-tfrecord_{scala}-*.jar"))
    if arguments.peer_jar:
        jars.append(arguments.peer_jar)
    return (
        SparkSession.builder.master("local[2]")
        .appName("benchmarks")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.extraClassPath", os.pathsep.join(jars))
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=list(data_sets.ALL), choices=data_sets.ALL)
    parser.add_argument("--operations", nargs="+", default=list(OPERATIONS), choices=OPERATIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of rows")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    parser.add_argument("--peer-jar", help="a jar with another TFRecord source")
    parser.add_argument("--peer-format", help="the class or short name of the peer's source")
    arguments = parser.parse_args()

    spark = session(arguments)
    sources: list[DataSourceFormat | HadoopTFRecord] = [
        # By its class: a peer may have taken the short name.
        DataSourceFormat(
            spark,
            "sparktf",
            "io.sparktf.tfrecord.TFRecordFileFormat",
            gzip_options={"compression": "gzip"},
        ),
        DataSourceFormat(spark, "parquet", "parquet", {"compression": "none"}),
        DataSourceFormat(spark, "parquet snappy", "parquet", {"compression": "snappy"}),
        HadoopTFRecord(spark),
    ]
    if arguments.peer_jar:
        gzip = {"codec": "org.apache.hadoop.io.compress.GzipCodec"}
        peer = DataSourceFormat(spark, "peer", arguments.peer_format, gzip_options=gzip)
        sources.append(peer)
    folder = tempfile.mkdtemp(prefix="sparktf-benchmark-")
    try:
        results = measure(spark, sources, arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        spark.stop()
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        machine = describe_machine() | {"spark": pyspark.__version__}
        document = {"machine": machine, "results": results}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Random tables that Spark writes, read by every reader there is.

    .venv/bin/python tests/reader_fuzzer.py --minutes 60

writes tables of random columns, names, sizes, partitions and compressions, and compares what
comes back by TensorFlow's own parser, by both entrances of the data source (with a schema and
without, in splits of any length, in each mode, counted in the ways that SQL has), by
`sparktf.dataset` and by the command line's reader. The tests run a fixed number of the same;
`make fuzz-readers` runs this program.
"""

from __future__ import annotations

import collections
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fuzzing
import numpy as np
import tensorflow as tf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T  # noqa: N812

import sparktf
from sparktf.records.files import find_files
from sparktf.records.frames import read_records
from sparktf.storage.file_systems import LocalFiles

SOURCES = ("tfrecord", "tfrecordv2")
NAMES = ("x", "Y", "a b", "é", "dotted.name", "quote`d", "数", "a very long name " * 9)

Value = Callable[[random.Random], Any]

SCALARS: dict[str, tuple[T.DataType, Value]] = {
    "long": (T.LongType(), lambda r: r.getrandbits(64) - (1 << 63) >> r.randrange(64)),
    "int": (T.IntegerType(), lambda r: r.getrandbits(32) - (1 << 31) >> r.randrange(32)),
    "short": (T.ShortType(), lambda r: r.getrandbits(16) - (1 << 15)),
    "byte": (T.ByteType(), lambda r: r.getrandbits(8) - (1 << 7)),
    "bool": (T.BooleanType(), lambda r: r.random() < 0.5),
    "float": (T.FloatType(), lambda r: float(np.float32(r.uniform(-1e6, 1e6)))),
    "double": (T.DoubleType(), lambda r: float(np.float32(r.uniform(-1, 1)))),
    "string": (T.StringType(), lambda r: "".join(r.choices("aé数\x00 \n", k=size(r)))),
    "binary": (T.BinaryType(), lambda r: r.randbytes(size(r))),
}


def size(source: random.Random) -> int:
    """Of a string or binary: none to a megabyte, and where buffers of powers of two are full."""
    if source.random() < 0.97:
        return source.randrange(20)
    edge = source.choice((1 << 12, 3 << 16, 1 << 18, 3 << 17, 1 << 20))
    return max(0, edge - source.randrange(400))


def array(element: Value, most: int) -> Value:
    return lambda source: [element(source) for _ in range(source.randrange(most))]


class Table:
    """A random table in a folder."""

    def __init__(self, seed: int, spark: SparkSession, folder: Path) -> None:
        self.source = source = random.Random(seed)
        self.spark = spark
        self.path = str(folder / source.choice(("data", "da ta ü%", "x=1")))
        self.record_type = source.choice(("Example", "Example", "SequenceExample", "ByteArray"))
        names = source.sample(NAMES, source.randrange(1, len(NAMES)))
        wide = self.record_type != "ByteArray" and source.random() < 0.1
        if wide:
            names += [f"w{i}" for i in range(1500)]
        if self.record_type == "ByteArray":
            names = names[:1]
        self.columns = {name: self.column(wide) for name in names}
        count = source.choice((0, 1, 5, 5, 40)) if not wide else 6
        self.partitioned = source.random() < 0.3
        rows = [self.row() for _ in range(count)]
        schema = [T.StructField(name, kind) for name, (kind, _) in self.columns.items()]
        if self.partitioned:
            schema.append(T.StructField("part", T.StringType()))
            parts = source.choices(("a", "b c", "ü=%/", "10"), k=2)
            rows = [(*row, source.choice(parts)) for row in rows]
        self.schema = T.StructType(schema)
        self.rows = rows
        self.write()

    def column(self, wide: bool) -> tuple[T.DataType, Value]:
        if self.record_type == "ByteArray":
            return SCALARS[self.source.choice(("string", "binary"))]
        kind, value = SCALARS[self.source.choice(list(SCALARS))]
        if wide or self.source.random() < 0.5:
            return kind, value
        most = 3000 if self.source.random() < 0.05 else 6
        kind, value = T.ArrayType(kind), array(value, most if most == 6 or is_small(kind) else 6)
        if self.record_type == "SequenceExample" and self.source.random() < 0.5:
            return T.ArrayType(kind), array(value, 4)
        return kind, value

    def row(self) -> tuple[Any, ...]:
        nulls = 0 if self.record_type == "ByteArray" else 0.1
        return tuple(
            None if self.source.random() < nulls else value(self.source)
            for _, value in self.columns.values()
        )

    def write(self) -> None:
        df = self.spark.createDataFrame(self.rows, self.schema)
        self.compression = self.source.choice(("none", "none", "gzip", "zlib"))
        writer = df.repartition(self.source.choice((1, 1, 3))).write.format("tfrecord")
        writer = writer.option("recordType", self.record_type)
        writer = writer.option("compression", self.compression)
        if self.source.random() < 0.2:
            writer = writer.option("maxRecordsPerFile", 3)
        (writer.partitionBy("part") if self.partitioned else writer).save(self.path)
        self.files = [str(file) for file in sorted(Path(self.path).rglob("part-*"))]

    # ------------------------------------------------------------------ what each reader finds

    def check(self) -> None:
        expected = counted(self.rows)
        raw = self.by_tensorflow()
        self.equal("TensorFlow", counted(map(self.parsed, raw)), self.without_part(expected))
        found = [
            record
            for file in find_files(self.path, "auto", LocalFiles())
            for _, record in read_records(file.path, file.compression)
        ]
        self.equal("the command line", counted(found), counted(raw))
        for source in SOURCES:
            self.check_spark(source, expected)
        if self.record_type == "Example" and self.rows:
            self.check_dataset()

    def check_spark(self, source: str, expected: collections.Counter[Any]) -> None:
        read = self.spark.read.format(source).option("recordType", self.record_type)
        given = read.schema(self.schema).load(self.path)
        names = self.schema.fieldNames()

        def rows_of(df: DataFrame) -> collections.Counter[Any]:
            columns = ["`" + name.replace("`", "``") + "`" for name in names]
            return counted(map(tuple, df.select(*columns).collect()))

        self.equal(source, rows_of(given), expected)
        # At most as many as are read in a second or two.
        largest = max([Path(file).stat().st_size for file in self.files], default=0)
        length = max(self.source.choice((60, 300, 5000, 100000)), largest // 12)
        self.spark.conf.set("spark.sql.files.maxPartitionBytes", f"{length}b")
        self.spark.conf.set("spark.sql.files.openCostInBytes", "0")
        try:
            self.equal(f"{source} in splits", rows_of(read.load(self.path, schema=self.schema)),
                       expected)  # fmt: skip
            count = read.load(self.path, schema=self.schema).count()
            self.equal(f"{source}'s count in splits", count, len(self.rows))
        finally:
            self.spark.conf.unset("spark.sql.files.maxPartitionBytes")
            self.spark.conf.unset("spark.sql.files.openCostInBytes")
        mode = self.source.choice(("DROPMALFORMED", "PERMISSIVE"))
        lenient = read.option("mode", mode).schema(self.schema).load(self.path)
        self.equal(f"{source} by {mode}", rows_of(lenient), expected)
        column = self.source.choice(names)
        some = given.select(given["`" + column.replace("`", "``") + "`"])
        index = names.index(column)
        self.equal(f"{source}'s {column}", counted(map(tuple, some.collect())),
                   counted((row[index],) for row in self.rows))  # fmt: skip
        self.check_counts(source, given, column)

    def check_counts(self, source: str, given: DataFrame, column: str) -> None:
        given.createOrReplaceTempView("given")
        quoted = "`" + column.replace("`", "``") + "`"
        index = self.schema.fieldNames().index(column)
        known = sum(row[index] is not None for row in self.rows)
        (row,) = self.spark.sql(
            f"SELECT count(*), count(1), count({quoted}), count(DISTINCT 1) FROM given"
        ).collect()
        self.equal(f"{source}'s counts", tuple(row),
                   (len(self.rows), len(self.rows), known, min(1, len(self.rows))))  # fmt: skip
        alone = self.spark.sql("SELECT count(*) AS n FROM given HAVING n >= 0").collect()
        self.equal(f"{source}'s count", [row.n for row in alone], [len(self.rows)])
        if self.partitioned:
            groups = self.spark.sql("SELECT part, count(*) AS n FROM given GROUP BY part").collect()
            self.equal(f"{source}'s groups", {row.part: row.n for row in groups},
                       dict(collections.Counter(row[-1] for row in self.rows)))  # fmt: skip
            (none,) = self.spark.sql(
                "SELECT count(*) IS NULL AS isnull, count(*) AS n FROM given WHERE part = 'none'"
            ).collect()
            self.equal(f"{source}'s count of nothing", tuple(none), (False, 0))

    def check_dataset(self) -> None:
        """By `sparktf.dataset`, the columns that have no null, for it takes none."""
        whole = [
            i for i, field in enumerate(self.schema) if all(row[i] is not None for row in self.rows)
        ]
        names = [self.schema.fieldNames()[i] for i in whole]
        if not names:
            return
        schema = T.StructType([self.schema[i] for i in whole if self.schema[i].name != "part"])
        if not schema.fields:
            return
        dataset = sparktf.dataset(self.path, schema=schema, columns=names, batch_size=4)
        found: list[tuple[Any, ...]] = []
        for batch in dataset:
            columns = [
                values.to_list() if isinstance(values, tf.RaggedTensor) else values.numpy().tolist()
                for values in (batch[name] for name in names)
            ]
            found += zip(*columns, strict=True)
        wanted = [tuple(row[i] for i in whole) for row in self.rows]
        self.equal("sparktf.dataset", counted(found), counted(wanted))

    def by_tensorflow(self) -> list[bytes]:
        kind = {"none": "", "gzip": "GZIP", "zlib": "ZLIB"}[self.compression]
        return [
            record
            for file in self.files
            for record in tf.data.TFRecordDataset(file, compression_type=kind).as_numpy_iterator()
        ]

    def parsed(self, record: bytes) -> tuple[Any, ...]:
        """The row, by protobuf's own message."""
        if self.record_type == "ByteArray":
            return (record,)
        if self.record_type == "Example":
            features, lists = tf.train.Example.FromString(record).features.feature, {}
        else:
            message = tf.train.SequenceExample.FromString(record)
            features, lists = message.context.feature, message.feature_lists.feature_list
        row = []
        for field in self.schema:
            if field.name == "part":
                continue
            kind = field.dataType
            if field.name in lists:
                row.append([values_of(step) for step in lists[field.name].feature])
            elif field.name not in features:
                row.append(None)
            else:
                values = values_of(features[field.name])
                row.append(values if isinstance(kind, T.ArrayType) else values[0])
        return tuple(row)

    def without_part(self, rows: collections.Counter[Any]) -> collections.Counter[Any]:
        return counted(row[:-1] for row in rows.elements()) if self.partitioned else rows

    def equal(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            raise AssertionError(
                f"{what}: {str(found)[:1000]}\ninstead of {str(expected)[:1000]}\n"
                f"{self.record_type}, {self.compression}, {len(self.rows)} rows, "
                f"{self.schema.simpleString()[:1000]}, {len(self.files)} files"
            )


def is_small(kind: T.DataType) -> bool:
    return not isinstance(kind, (T.StringType, T.BinaryType))


def values_of(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return [] if kind is None else list(getattr(feature, kind).value)


def plain(value: Any) -> Any:
    """What is equal for equal values, whoever read them."""
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, float):
        return ("nan",) if math.isnan(value) else float(np.float32(value))
    return int(value) if isinstance(value, bool) else value


def counted(rows: Iterable[Any]) -> collections.Counter[Any]:
    return collections.Counter(map(plain, rows))


def run(seed: int, spark: SparkSession) -> None:
    """
    Raises:
        AssertionError: With all that is needed to see it again.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            Table(seed, spark, Path(folder)).check()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def main() -> None:
    seeds = fuzzing.seeds(__doc__ or "")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    spark = sparktf.configure(builder).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for seed in seeds:
        run(seed, spark)
    spark.stop()


if __name__ == "__main__":
    main()

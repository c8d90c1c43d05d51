"""Random DataFrames through the feed of a training run: what each worker is given, epoch by epoch.

    .venv/bin/python tests/feed_fuzzer.py --minutes 60

spreads random rows over workers as `TensorFlowDistributor.train_on` does, on Spark, and reads each
worker's `tf.data.Dataset`: all rows once an epoch, with the values that they were made of; the same
order for the same seed, however Spark has cut and ordered what it sent; and a start in the middle
is where the first run was. The tests run a fixed number of the same; `make fuzz-feed` runs this
program.
"""

from __future__ import annotations

import collections
import decimal
import os
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

import fuzzing
import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import types as T  # noqa: N812

from sparktf.training.driver.partitioning import repartition_evenly
from sparktf.training.spill import PLACE

Value = Callable[[random.Random], Any]

# The last is a column that is never asked for, and may be anything: null, twice, no tensor.
NAMES = ("x", "Y", "a b", "é", "dotted.name", "quote`d", "数", "unused")

SCALARS: dict[str, tuple[T.DataType, Value]] = {
    "long": (T.LongType(), lambda r: r.getrandbits(64) - (1 << 63) >> r.randrange(64)),
    "int": (T.IntegerType(), lambda r: r.randrange(-3, 3)),
    "short": (T.ShortType(), lambda r: r.getrandbits(16) - (1 << 15)),
    "byte": (T.ByteType(), lambda r: r.getrandbits(8) - (1 << 7)),
    "bool": (T.BooleanType(), lambda r: r.random() < 0.5),
    "float": (T.FloatType(), lambda r: float(np.float32(r.uniform(-1e6, 1e6)))),
    "double": (T.DoubleType(), lambda r: r.uniform(-1, 1)),
    "decimal": (T.DecimalType(20, 3), lambda r: decimal.Decimal(r.getrandbits(60)).scaleb(-3)),
    "string": (T.StringType(), lambda r: "".join(r.choices("aé数\x00 ", k=r.randrange(5)))),
    "binary": (T.BinaryType(), lambda r: r.randbytes(r.randrange(5))),
}


class Run:
    """Random rows in random partitions, and what is asked of the feed."""

    def __init__(self, seed: int, spark: SparkSession) -> None:
        self.source = source = random.Random(seed)
        self.spark = spark
        self.workers = source.randrange(1, 5)
        names = source.sample(NAMES[:-1], source.randrange(1, len(NAMES)))
        columns = [self.column() for _ in names]
        partitions = source.randrange(1, 6)
        rows = source.choice((self.workers * partitions, 40, 300))
        # Rows that are equal are told from none that is missing by how often they come.
        made = [[value(source) for _, value in columns] for _ in range(rows)]
        made = [source.choice(made) if source.random() < 0.1 else row for row in made]
        self.rows = [(*row, source.choice((None, "any"))) for row in made]
        fields = [T.StructField(name, kind) for name, (kind, _) in zip(names, columns, strict=True)]
        self.schema = T.StructType([*fields, T.StructField("unused", T.StringType())])
        # A run is refused in which a worker has no row: one of the partitions has enough for all.
        self.partitions: list[list[tuple[Any, ...]]] = [[] for _ in range(partitions)]
        self.partitions[0] = self.rows[: self.workers]
        for row in self.rows[self.workers :]:
            source.choice(self.partitions).append(row)
        self.names = tuple(names)
        self.label = source.choice((None, names[0])) if len(names) > 1 else None
        self.shuffle = source.choice((0, 1, 7, rows // 2, 10 * rows))
        self.batch_size = source.randrange(1, 9)
        self.seed = source.randrange(100)

    def column(self) -> tuple[T.DataType, Value]:
        kind, value = SCALARS[self.source.choice(list(SCALARS))]
        for _ in range(self.source.choice((0, 0, 1, 2))):
            kind, value = T.ArrayType(kind), array(value, self.source.randrange(4))
        return kind, value

    def check(self) -> None:
        epochs = 3
        first = self.fed(self.partitions, 0, epochs)
        sizes = [len(rows) // epochs for rows in first]
        if sum(sizes) != len(self.rows) or max(sizes) - min(sizes) > len(self.partitions):
            raise AssertionError(f"{len(self.rows)} rows are spread as {sizes}")
        wanted = collections.Counter(plain(row[:-1]) for row in self.rows)
        for epoch in range(epochs):
            found: collections.Counter[Any] = collections.Counter()
            for rows, size in zip(first, sizes, strict=True):
                found.update(rows[epoch * size : (epoch + 1) * size])
            if found != wanted:
                raise AssertionError(
                    f"epoch {epoch} has {found - wanted} too many and lacks {wanted - found}"
                )
        # Another attempt: the partitions' rows in another order, cut elsewhere.
        again = [self.source.sample(rows, len(rows)) for rows in self.partitions]
        start = self.source.randrange(2 * min(sizes) + 1)
        for rows, size, later in zip(first, sizes, self.fed(again, start, 1), strict=True):
            if later != rows[start : start + size]:
                raise AssertionError(f"from row {start} on: {later}, not {rows[start:][:size]}")

    def fed(
        self, partitions: list[list[tuple[Any, ...]]], start: int, epochs: int
    ) -> list[list[Any]]:
        """The rows that each worker takes in so many epochs, from a row on."""
        rdd = self.spark.sparkContext.parallelize(partitions, len(partitions)).flatMap(list)
        df = self.spark.createDataFrame(rdd, self.schema)
        names, label, shuffle = self.names, self.label, self.shuffle
        batch_size, seed, columns = self.batch_size, self.seed, [*df.columns, PLACE]

        def worker(batches: Iterator[Any]) -> Iterator[Any]:
            import itertools

            import pyarrow as pa

            from sparktf.training.process.feed import Feed, dataset
            from sparktf.training.spill import Spill

            spill = Spill.of(batch.rename_columns(columns) for batch in batches)
            features = [name for name in names if name != label]
            feed = Feed(spill.file.fileno(), features, label, None, shuffle, (seed, 0))
            spill.close()
            taken: list[tuple[Any, ...]] = []
            count = epochs * feed.rows
            for element in dataset(feed, batch_size, lambda: start):
                values = element if label is None else {**element[0], label: element[1]}
                lists = [values[name].numpy().tolist() for name in names]
                if {len(column) for column in lists} != {batch_size}:
                    raise AssertionError(f"a batch of other than {batch_size} rows: {lists}")
                taken += zip(*lists, strict=True)
                if len(taken) >= count:
                    break
            content = pickle.dumps(list(itertools.islice(taken, count)))
            yield pa.RecordBatch.from_arrays([pa.array([content])], ["content"])

        size = self.source.choice((1, 3, 10_000))
        self.spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", size)
        try:
            found = (
                repartition_evenly(df, self.workers).mapInArrow(worker, "content binary").collect()
            )
        finally:
            self.spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
        return [[plain(row) for row in pickle.loads(row.content)] for row in found]


def array(element: Value, length: int) -> Value:
    return lambda source: [element(source) for _ in range(length)]


def plain(value: Any) -> Any:
    """What is equal for equal values, whoever holds them."""
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytearray):
        return bytes(value)
    return float(value) if isinstance(value, decimal.Decimal) else value


def check(seed: int, spark: SparkSession) -> None:
    """
    Raises:
        AssertionError: With all that is needed to see it again.
    """
    run = Run(seed, spark)
    try:
        run.check()
    except Exception as error:
        raise AssertionError(
            f"seed {seed}: {str(error)[-3000:]}\n{run.workers} workers, "
            f"{[len(rows) for rows in run.partitions]} rows in the partitions, "
            f"{run.schema.simpleString()}, shuffle {run.shuffle}, batch size {run.batch_size}"
        ) from error


def main() -> None:
    import sparktf

    seeds = fuzzing.seeds(__doc__ or "")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = sparktf.configure(builder).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for seed in seeds:
        check(seed, spark)
    spark.stop()


if __name__ == "__main__":
    main()

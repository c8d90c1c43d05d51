"""The tables that the benchmarks write and read, made by Spark itself from row numbers."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class DataSet:
    """A table of `rows` rows whose columns are SQL expressions over the row number `id`."""

    name: str
    rows: int
    columns: dict[str, str]
    few: tuple[str, ...]
    """The columns that the benchmark of a pruned read selects."""

    def make(self, spark: SparkSession, scale: float) -> DataFrame:
        expressions = [f"{sql} AS {name}" for name, sql in self.columns.items()]
        rows = max(1, int(self.rows * scale))
        return spark.range(0, rows, 1, 2).selectExpr(*expressions)


def _random_float(salt: int) -> str:
    """A float in [0, 1) that depends on the row alone, so that each run writes the same."""
    return f"CAST(pmod(xxhash64(id, {salt}), 16777216) / 16777216.0D AS FLOAT)"


def _random_long(salt: int, below: int) -> str:
    return f"pmod(xxhash64(id, {salt}), {below})"


MIXED = DataSet(
    "mixed",
    1_000_000,
    {
        "id": "id",
        "count": _random_long(1, 1000),
        "code": f"{_random_long(2, 2_000_000_000)} - 1000000000",
        "price": _random_float(3),
        "weight": _random_float(4),
        "score": _random_float(5),
        "name": "CONCAT('user-', CAST(id AS STRING))",
        "city": "ELT(CAST(pmod(xxhash64(id, 6), 5) AS INT) + 1, "
        "'Oslo', 'Lima', 'Nairobi', 'Kyoto', 'Montreal')",
        "visits": f"ARRAY({_random_long(7, 100)}, {_random_long(8, 100000)}, id)",
        "position": f"ARRAY({', '.join(_random_float(salt) for salt in range(9, 13))})",
    },
    ("id", "price"),
)

IMAGE = DataSet(
    "image",
    400_000,
    {
        "label": _random_long(1, 10),
        # 28 x 28 bytes: 24 hashes of 32 bytes each, and 16 bytes of one more.
        "image": "CONCAT("
        + ", ".join(f"UNHEX(SHA2(CONCAT(CAST(id AS STRING), '{i}'), 256))" for i in range(24))
        + ", UNHEX(MD5(CAST(id AS STRING))))",
    },
    ("label",),
)

VECTOR = DataSet(
    "vector",
    200_000,
    {
        "label": _random_long(1, 10),
        "x": "TRANSFORM(SEQUENCE(1, 200), "
        "i -> CAST(pmod(xxhash64(id, i), 16777216) / 16777216.0D AS FLOAT))",
    },
    ("label",),
)

WIDE = DataSet(
    "wide",
    150_000,
    {
        f"{'n' if i % 2 else 'x'}{i}": _random_long(i, 1000) if i % 2 else _random_float(i)
        for i in range(100)
    },
    ("x0", "n99"),
)

ALL = {data.name: data for data in (MIXED, IMAGE, VECTOR, WIDE)}


def write_files(folder: str, names: list[str], scale: float, files: int) -> None:
    """Those tables as TFRecord, by Spark: `files` files in a folder of the table's name."""
    import sparktf

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = sparktf.configure(builder.config("spark.log.level", "ERROR")).getOrCreate()
    for name in names:
        frame = ALL[name].make(spark, scale).repartition(files)
        frame.write.format("tfrecord").save(f"{folder}/{name}")
    spark.stop()

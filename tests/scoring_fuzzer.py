"""Random columns through random signatures, by each way into Python's scoring, beside NumPy.

    make fuzz-scoring-python ARGS="--minutes 60"

A finding comes with its seed, and `--seed 8381 --count 1` runs that one again.
"""

from __future__ import annotations

import math
import random
import struct
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import fuzzing
import numpy as np
from scoring_models import DTYPES

# Of a row; None for a length that differs from row to row.
SHAPES: dict[str, tuple[int | None, ...]] = {
    "one": (),
    "three": (3,),
    "any": (None,),
    "pairs": (2, None),
    "cube": (2, 1, 2),
}
# Each dtype has the first of these, some have all: to load a signature takes a while.
_EVERYWHERE = ("one", "any")
_WITH_ALL = ("float32", "int32", "string")
SIGNATURES = [
    (dtype, shape)
    for dtype in DTYPES
    for shape in SHAPES
    if shape in _EVERYWHERE or dtype in _WITH_ALL
]
WAYS = ("function", "sql", "rdd", "transformer")

# Column types that an input takes, the first with all of its values.
COLUMNS = {
    "float32": ("float", "int", "smallint"),
    "float64": ("double", "float", "bigint", "decimal(30,10)"),
    "float16": ("float", "double", "bigint"),
    "bfloat16": ("float", "double", "bigint"),
    "int8": ("tinyint", "bigint", "decimal(20,0)"),
    "int16": ("smallint", "int", "decimal(9,2)"),
    "int32": ("int", "bigint", "decimal(38,3)"),
    "int64": ("bigint", "decimal(20,0)"),
    "uint8": ("smallint", "bigint"),
    "uint16": ("int", "decimal(5,0)"),
    "uint32": ("bigint", "decimal(20,0)"),
    "uint64": ("decimal(20,0)", "bigint"),
    "bool": ("boolean",),
    "string": ("string", "binary"),
}
_WIDTHS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}


def model(path: Path, signatures: Iterable[tuple[str, str]] = SIGNATURES) -> str:
    """For each dtype and shape a signature: `same` is the input, `made` something made of it."""
    import tensorflow as tf

    module = tf.Module()
    functions = {}

    def made(x: Any) -> Any:
        if x.dtype == tf.string:
            return tf.strings.join([x, "!"])
        return tf.logical_not(x) if x.dtype == tf.bool else x + x

    for dtype, name in signatures:
        spec = tf.TensorSpec((None, *SHAPES[name]), dtype)
        function = tf.function(lambda x: {"same": tf.identity(x), "made": made(x)})
        functions[f"{dtype}_{name}"] = function.get_concrete_function(x=spec)
    tf.saved_model.save(module, str(path), signatures=functions)
    return str(path)


@dataclass
class Case:
    """Rows of a column, and how they are scored."""

    seed: int
    dtype: str
    shape: str
    column: str
    flat: bool
    rows: list[Any]
    partitions: int
    batch_size: int | None
    arrow_rows: int
    way: str
    outputs: list[str]
    ragged: bool

    @property
    def depth(self) -> int:
        shape = SHAPES[self.shape]
        return min(len(shape), 1) if self.flat else len(shape)

    @property
    def spark_type(self) -> str:
        return "array<" * self.depth + self.column + ">" * self.depth


def case(seed: int) -> Case:
    pick = random.Random(seed)
    dtype, shape = pick.choice(SIGNATURES)
    column = pick.choice(COLUMNS[dtype])
    dims = SHAPES[shape]
    value = _values(pick, dtype, column)
    # In one order of values at most two lengths can be told.
    flat = len(dims) > 1 and pick.random() < 0.3
    ragged = not flat and shape in ("pairs", "cube", "three") and pick.random() < 0.15
    nulls = pick.choice((0, 0, 0.2, 1))
    count = pick.choice((0, 1, 2, 7, 30, 100))
    rows = []
    for _ in range(count):
        row = _row(pick, [pick.choice((0, 1, 2, 3)) if d is None else d for d in dims], value)
        rows.append(None if pick.random() < nulls else _flat(row) if flat and dims else row)
    there = [i for i, row in enumerate(rows) if row is not None]
    ragged = ragged and bool(there)
    if ragged:
        at = pick.choice(there)
        inner = rows[at] if shape == "three" else rows[at][pick.randrange(2)]
        inner.append(inner[0] if inner and not isinstance(inner[0], list) else [value()] * 5)
        if shape == "pairs":
            inner[-1] = value()
    return Case(
        seed,
        dtype,
        shape,
        column,
        flat,
        rows,
        pick.choice((1, 1, 2, 5)),
        pick.choice((None, 1, 3, 64)),
        pick.choice((1, 3, 10, 10_000)),
        pick.choice(WAYS),
        pick.choice((["same"], ["made"], ["made", "same"])),
        ragged,
    )


def _row(pick: random.Random, lengths: list[int], value: Callable[[], Any]) -> Any:
    if not lengths:
        return value()
    return [_row(pick, lengths[1:], value) for _ in range(lengths[0])]


def _flat(row: Any) -> list[Any]:
    return [v for inner in row for v in _flat(inner)] if isinstance(row, list) else [row]


def _values(pick: random.Random, dtype: str, column: str) -> Callable[[], Any]:
    """What makes values of the column that the input can hold."""
    if dtype == "bool":
        return lambda: pick.random() < 0.5
    if dtype == "string":
        return lambda: _text(pick) if column == "string" else _text(pick).encode()
    if column in ("float", "double"):
        most = 65000.0 if dtype == "float16" else 3.3e38 if dtype != "float64" else 1e308
        narrow = column == "float" or dtype == "float32"

        def number() -> float:
            if not narrow and dtype != "float64" and pick.random() < 0.3:
                # Beside the middle of two of its numbers, which float32 takes for the middle.
                half = 2.0 ** (-8 if dtype == "bfloat16" else -11)
                return 1 + (2 * pick.randrange(99) + 1) * half + pick.choice((-1, 0, 1)) * 2.0**-40
            kind = pick.randrange(8)
            special = (math.nan, math.inf, -math.inf, 0.0, -0.0, most, 1e-42)
            found = (
                special[kind - 1]
                if 0 < kind <= len(special) and pick.random() < 0.3
                else (pick.gauss(0, 1) * 10.0 ** pick.randint(-3, 3))
            )
            narrowed = max(-most, min(most, found)) if math.isfinite(found) else found
            return struct.unpack("f", struct.pack("f", narrowed))[0] if narrow else narrowed

        return number
    low, high = -(2**62), 2**62
    if dtype.startswith(("int", "uint")):
        bits = int(dtype.lstrip("uint"))
        low, high = (
            (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
    if dtype == "float16":
        low, high = -65000, 65000
    if column in _WIDTHS:
        low = max(low, -(2 ** (_WIDTHS[column] - 1)))
        high = min(high, 2 ** (_WIDTHS[column] - 1) - 1)

    def whole() -> int:
        return pick.choice((low, high, min(high, 1), pick.randint(low, high)))

    if column.startswith("decimal"):
        precision, scale = map(int, column[8:-1].split(","))
        if dtype == "float64":
            return lambda: Decimal(pick.randint(-(10**precision) + 1, 10**precision - 1)).scaleb(
                -scale
            )
        most_digits = 10 ** (precision - scale) - 1
        return lambda: Decimal(max(-most_digits, min(most_digits, whole())))
    return whole


def _text(pick: random.Random) -> str:
    length = 2**20 if pick.random() < 0.002 else pick.choice((0, 1, 2, 5, 300))
    return pick.choice("aé模\0 \U0001f600") * length


def expected(found: Case, output: str) -> list[Any]:
    """By NumPy, row by row."""
    return [None if row is None else _expected_row(found, row, output) for row in found.rows]


def _expected_row(found: Case, row: Any, output: str) -> Any:
    shape = tuple(-1 if d is None else d for d in SHAPES[found.shape])
    if found.flat:
        count = len(row) // 2
        shape = tuple(count if d is None else d for d in SHAPES[found.shape])
        values = row
    else:
        values = _flat(row)
        shape = _lengths(row)
    if found.dtype == "string":
        texts = [v.decode() if isinstance(v, bytes) else v for v in values]
        results: list[Any] = [t + "!" if output == "made" else t for t in texts]
    else:
        results = _made(_array(values, found.dtype), output).tolist()
    return _nested(results, [2 if d < 0 else d for d in shape], found)


def _lengths(row: Any) -> tuple[int, ...]:
    lengths = []
    while isinstance(row, list):
        lengths.append(len(row))
        row = row[0] if row else None
    return tuple(lengths)


def _nested(values: list[Any], lengths: list[int], found: Case) -> Any:
    if not SHAPES[found.shape]:
        return values[0]
    whole = [*lengths, *[0] * (len(SHAPES[found.shape]) - len(lengths))]
    rest = iter(values)

    def build(dims: list[int]) -> Any:
        return [build(dims[1:]) for _ in range(dims[0])] if dims else next(rest)

    return build(whole)


def _array(values: list[Any], dtype: str) -> Any:
    if dtype in ("float16", "bfloat16"):
        # Values beyond float32's precision are rare enough to be rounded here by their own rule.
        import ml_dtypes

        kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
        return np.array([_nearest(float(v), v, kind) for v in values], kind)
    if dtype == "float32":
        return np.array([np.float32(v) for v in values], np.float32)
    if dtype == "float64":
        return np.array([float(v) for v in values], np.float64)
    return np.array([bool(v) if dtype == "bool" else int(v) for v in values], dtype)


def _nearest(value: float, exact: Any, kind: Any) -> Any:
    """Rounded once, by comparing with the neighbours."""
    if not math.isfinite(value):
        return kind.type(value)
    from fractions import Fraction

    near = np.array([value], np.float64).astype(kind)
    bits = int(near.view(np.uint16)[0])
    around = [b for b in (bits - 1, bits, bits + 1) if 0 <= b < 65536]
    candidates = np.array(around, np.uint16).view(kind)
    best = None
    for candidate in candidates:
        if not math.isfinite(float(candidate)):
            continue
        wrong = abs(Fraction(float(candidate)) - Fraction(exact))
        key = (wrong, int(np.array([candidate]).view(np.uint16)[0]) & 1)
        if best is None or key < best[0]:
            best = (key, candidate)
    assert best is not None
    return best[1] if float(best[1]) != 0 or value != 0 else near[0]


def _made(values: Any, output: str) -> Any:
    if output == "same":
        return (
            values.astype(np.float32)
            if values.dtype.itemsize == 2 and _is_float(values)
            else (values)
        )
    with np.errstate(all="ignore"):
        made = ~values if values.dtype == bool else values + values
    return made.astype(np.float32) if made.dtype.itemsize == 2 and _is_float(made) else made


def _is_float(values: Any) -> bool:
    return values.dtype.kind == "f" or values.dtype.name == "bfloat16"


def scored(spark: Any, path: str, found: Case) -> tuple[list[dict[str, Any]], Any]:
    """A dict of outputs or None for each row, in order; and the DataFrame, if there is one."""
    from pyspark.sql import functions as F  # noqa: N812

    import sparktf

    options: dict[str, Any] = {"signature": f"{found.dtype}_{found.shape}"}
    if found.way == "rdd":
        rdd = spark.sparkContext.parallelize(found.rows, found.partitions)
        given = {"outputs": found.outputs, "batch_size": found.batch_size, **options}
        rows = sparktf.predict_rdd(rdd, path, **given).collect()
        if len(found.outputs) == 1:
            rows = [None if row is None else {found.outputs[0]: row} for row in rows]
        return rows, None
    df = spark.createDataFrame(list(enumerate(found.rows)), f"i int, x {found.spark_type}")
    df = df.repartition(found.partitions)
    if found.way == "transformer":
        outputs = {f"{name} of it": name for name in found.outputs}
        scorer = sparktf.SavedModelTransformer(modelPath=path, outputs=outputs, **options)
        if found.batch_size is not None:
            scorer.setParams(batchSize=found.batch_size)
        df = scorer.transform(df).select("i", F.struct(*(F.col(f"`{c}`") for c in outputs)))
        df = df.toDF("i", "s")
    else:
        options |= {"outputs": found.outputs, "batch_size": found.batch_size}
        if found.way == "sql":
            sparktf.register_udf(spark, "fuzzed", path, **options)
            score = F.expr("fuzzed(x)")
        else:
            score = sparktf.predict_udf(path, **options)("x")
        df = df.select("i", (F.struct(score) if len(found.outputs) == 1 else score).alias("s"))
    rows = []
    for row in sorted(df.collect()):
        values = (None,) * len(found.outputs) if row.s is None else tuple(row.s)
        if all(value is None for value in values):
            rows.append(None)
        else:
            rows.append(dict(zip(found.outputs, values, strict=True)))
    return rows, df


def key(value: Any) -> Any:
    """What makes NaN equal to itself, 0.0 unequal to -0.0, and numbers of any class equal."""
    if isinstance(value, list):
        return tuple(map(key, value))
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else struct.pack("d", value))
    return int(value) if isinstance(value, Decimal) else value


def flushed(value: Any, dtype: str) -> Any:
    """On some of its threads TensorFlow has zeros for what is below the normal numbers."""
    if isinstance(value, list):
        return [flushed(inner, dtype) for inner in value]
    smallest = 2.0**-1022 if dtype == "float64" else 2.0**-126
    is_below = isinstance(value, float) and abs(value) < smallest
    return math.copysign(0.0, value) if is_below else value


def check(spark: Any, path: str, found: Case) -> None:
    """Raises an AssertionError if there is anything else than NumPy has."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    usual = spark.conf.get(name)
    spark.conf.set(name, str(found.arrow_rows))
    try:
        try:
            rows, df = scored(spark, path, found)
        except Exception as error:
            assert found.ragged, f"refused: {str(error)[-2000:]}"
            text = str(error)
            assert "ragged" in text or "a row is" in text or "not all of one type" in text, text
            return
        assert not found.ragged, "a ragged row was scored"
        assert len(rows) == len(found.rows)
        for output in found.outputs:
            wanted = expected(found, output)
            for number, (row, value) in enumerate(zip(rows, wanted, strict=True)):
                got = None if row is None else row[output]
                if output == "made":
                    got, value = flushed(got, found.dtype), flushed(value, found.dtype)
                assert key(got) == key(value), f"{output} of row {number}: {got!r}, not {value!r}"
        if df is not None and SHAPES[found.shape] == () and "float" not in found.dtype:
            counts = df.groupBy("s").count().collect()
            output = found.outputs[0]
            assert sum(row["count"] for row in counts) == len(rows)
            assert len(counts) == len({key(value) for value in expected(found, output)})
    finally:
        spark.conf.set(name, usual)


def run(spark: Any, path: str, seeds: Any) -> int:
    """How many cases there were; raises an AssertionError that tells the seed."""
    count = 0
    for seed in seeds:
        found = case(seed)
        try:
            check(spark, path, found)
        except AssertionError as error:
            shown = repr(found)
            raise AssertionError(f"--seed {seed} --count 1: {error}\n{shown[:3000]}") from error
        count += 1
    return count


def main() -> None:
    from pyspark.sql import SparkSession

    seeds = fuzzing.seeds(__doc__ or "")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    with tempfile.TemporaryDirectory() as folder:
        run(spark, model(Path(folder) / "model"), seeds)
    spark.stop()


if __name__ == "__main__":
    main()

"""`predict_udf` and `register_udf` on a classic session, beside what TensorFlow itself gives."""

import decimal
import io
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import functions as F  # noqa: N812
from scoring_models import DTYPES

import sparktf
from sparktf.columns import arrow
from sparktf.columns.inputs import Input
from sparktf.scoring import plans


def frame(spark, rows, kind, partitions=1):
    """One column `x`, and `i` to order by."""
    schema = f"i int, x {kind}"
    return spark.createDataFrame(list(enumerate(rows)), schema).repartition(partitions)


def scores(df, column):
    return [row[0] for row in df.orderBy("i").select(column).collect()]


def test_a_column_of_arrays_through_a_keras_model(spark, models):
    predict = sparktf.predict_udf(models.linear)
    rows = [[1.0, 2.0], [3.0, 5.0], [0.0, 0.0], [-1.5, 0.25]]
    df = frame(spark, rows, "array<float>", partitions=2)
    scored = df.withColumn("y", predict("x"))
    assert dict(scored.dtypes)["y"] == "array<float>"
    expected = np.array(rows, np.float32) @ [[2.0], [-3.0]] + 0.5
    np.testing.assert_allclose(scores(scored, "y"), expected, rtol=1e-6)
    np.testing.assert_allclose(scores(df, predict(df.x)), expected, rtol=1e-6)


def test_a_function_shows_what_it_takes_and_gives(models):
    predict = sparktf.predict_udf(models.linear, outputs={"y": "output_0"})
    assert repr(predict) == (
        f"<predict(features: float32[?, 2]) → y: float32[?, 1], by {models.linear}, "
        "signature 'serving_default'>"
    )


def test_a_function_of_sql(spark, models):
    sparktf.register_udf(spark, "tfpredict", models.linear)
    spark.createDataFrame(
        [([1.0, 2.0],), ([3.0, 5.0],)], "features array<double>"
    ).createOrReplaceTempView("points")
    rows = spark.sql("SELECT features, tfpredict(features) AS y FROM points").collect()
    assert [(row.features, [round(v, 4) for v in row.y]) for row in rows] == [
        ([1.0, 2.0], [-3.5]),
        ([3.0, 5.0], [-8.5]),
    ]
    literal = spark.sql("SELECT tfpredict(array(1, 2)) AS a, tfpredict(array(1.5, 2)) AS b").first()
    assert (literal.a, literal.b) == ([-3.5], [-2.5])


def test_several_inputs_and_outputs(spark, models):
    df = spark.createDataFrame(
        [([1.0, 2.0, 3.0], 10.0, 0), ([0.0, 0.5, 0.0], -1.0, 1)], "a array<float>, b float, i int"
    )
    expected = [([16.0], [10.0, 20.0, 30.0]), ([-0.5], [0.0, -0.5, 0.0])]
    predict = sparktf.predict_udf(models.pairs)
    calls = [
        predict(),
        predict(b="b", a=F.col("a")),
        sparktf.predict_udf(models.pairs, inputs=["b", "a"])("b", "a"),
        sparktf.predict_udf(models.pairs, inputs={"b": "b", "a": "a"})(),
    ]
    for call in calls:
        found = df.select("i", call.alias("p")).orderBy("i").collect()
        assert found[0].p.asDict().keys() == {"scaled", "total"}
        assert [(row.p.total, row.p.scaled) for row in found] == expected


def test_outputs_are_chosen_and_renamed(spark, models):
    df = spark.createDataFrame([([1.0, 2.0, 3.0], 10.0)], "a array<float>, b float")
    one = sparktf.predict_udf(models.pairs, outputs={"sum": "total"})
    assert df.select(one().alias("p")).first().p == [16.0]
    both = sparktf.predict_udf(models.pairs, outputs={"t": "total", "s": "scaled"})
    found = df.select(both().alias("p")).first().p
    assert found.asDict() == {"t": [16.0], "s": [10.0, 20.0, 30.0]}


def test_sql_takes_several_inputs_in_the_order_that_is_given(spark, models):
    with pytest.raises(ValueError, match=r"pairs\(\) has 2 arguments.*inputs=\['a', 'b'\]"):
        sparktf.register_udf(spark, "pairs", models.pairs)
    sparktf.register_udf(spark, "pairs", models.pairs, inputs=["b", "a"], outputs=["total"])
    found = spark.sql("SELECT pairs(10, array(1, 2, 3)) AS t").first()
    assert found.t == [16.0]


ECHOES = {
    "float32": ("float", [0.5, -math.inf, 3.25], "float"),
    "float64": ("double", [0.1, 1e300, -2.0], "double"),
    "float16": ("float", [0.5, -2.0, 65504.0], "float"),
    "bfloat16": ("float", [0.5, -2.0, 1e38], "float"),
    "int8": ("tinyint", [-128, 127, 0], "tinyint"),
    "int16": ("smallint", [-32768, 32767, 0], "smallint"),
    "int32": ("int", [-(2**31), 2**31 - 1, 0], "int"),
    "int64": ("bigint", [-(2**63), 2**63 - 1, 2**53 + 1], "bigint"),
    "uint8": ("int", [0, 255, 7], "smallint"),
    "uint16": ("int", [0, 65535, 7], "int"),
    "uint32": ("bigint", [0, 2**32 - 1, 7], "bigint"),
    "uint64": ("decimal(20,0)", [0, 2**64 - 1, 7], "decimal(20,0)"),
    "bool": ("boolean", [True, False, True], "boolean"),
    "string": ("string", ["", "é", "x\0y"], "string"),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_as_a_plain_value_and_in_an_array_with_nulls(spark, models, dtype):
    given, values, kind = ECHOES[dtype]
    if dtype == "uint64":
        values = [decimal.Decimal(value) for value in values]
    if dtype == "bfloat16":
        import ml_dtypes

        values = [float(ml_dtypes.bfloat16(value)) for value in values]
    plain = sparktf.predict_udf(models.signatures, signature=f"echo_{dtype}")
    arrays = sparktf.predict_udf(models.signatures, signature=f"echo3_{dtype}")
    df = frame(spark, [values[0], None, *values[1:]], given)
    df = df.withColumn(
        "a", F.when(F.col("i") != 2, F.array("x", "x", F.lit(values[1]).cast(given)))
    )
    df = df.withColumn("a", F.when(F.col("x").isNotNull(), F.col("a")))
    scored = df.select("i", plain("x").alias("p"), arrays("a").alias("q"))
    assert scored.dtypes[1:] == [("p", kind), ("q", f"array<{kind}>")]
    rows = scored.orderBy("i").collect()
    assert [row.p for row in rows] == [values[0], None, *values[1:]]
    assert [row.q for row in rows] == [
        [values[0], values[0], values[1]],
        None,
        None,
        [values[2], values[2], values[1]],
    ]


@pytest.mark.parametrize(
    "kind", ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal(5,2)"]
)
def test_all_kinds_of_numbers_go_into_a_float_input(spark, models, kind):
    predict = sparktf.predict_udf(models.linear)
    df = frame(spark, [0, None, 3], "int").selectExpr(
        "i", f"CASE WHEN x IS NOT NULL THEN array(cast(x AS {kind}), cast(2 AS {kind})) END AS x"
    )
    assert scores(df, predict("x")) == [[-5.5], None, [0.5]]


def test_vectors_dense_and_sparse(spark, models):
    rows = [
        (0, Vectors.dense([1.0, 2.0])),
        (1, None),
        (2, Vectors.sparse(2, [1], [5.0])),
        (3, Vectors.sparse(2, [], [])),
        (4, Vectors.dense([3.0, 0.0])),
    ]
    predict = sparktf.predict_udf(models.linear)
    df = spark.createDataFrame(rows, ["i", "x"]).coalesce(1)
    assert scores(df, predict("x")) == [[-3.5], None, [-14.5], [0.5], [6.5]]
    assert scores(df.where("i in (1, 4)"), predict("x")) == [None, [6.5]]
    assert scores(df.where("i in (2, 3)"), predict("x")) == [[-14.5], [0.5]]


def test_nested_arrays_and_flat_ones_in_row_major_order(spark, models):
    predict = sparktf.predict_udf(models.signatures, signature="image")
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1)
    expected = values.tolist()
    for shape, kind in (
        ((2, 3, 1), "array<array<array<float>>>"),
        ((2, 3), "array<array<float>>"),
        ((6,), "array<float>"),
    ):
        df = frame(spark, [*values.reshape(2, *shape).tolist(), None], kind)
        assert scores(df, predict("x")) == [*expected, None]


def test_a_plain_column_for_a_shape_of_one(spark, models):
    predict = sparktf.predict_udf(models.signatures, signature="plain")
    big = 2**60 + 1
    assert scores(frame(spark, [big, None, 5], "bigint"), predict("x")) == [[big + 1], None, [6]]
    assert scores(frame(spark, [[big], None], "array<bigint>"), predict("x")) == [[big + 1], None]
    assert scores(frame(spark, [None, None], "bigint"), predict("x")) == [None, None]


def test_nan_is_a_value_and_no_null(spark, models):
    echo = sparktf.predict_udf(models.signatures, signature="echo_float32")
    found = scores(frame(spark, [math.nan, None, 1.0], "float"), echo("x"))
    assert math.isnan(found[0]) and found[1:] == [None, 1.0]
    # Spark 3.5 and 4.0 have no such way to tell a plain argument's NaN from a null
    sparktf.register_udf(spark, "echo", models.signatures, signature="echo_float32")
    apart = F.expr("echo(if(x IS NULL, NULL, array(x)))")
    found = scores(frame(spark, [math.nan, None, 1.0], "float"), apart)
    assert math.isnan(found[0]) and found[1:] == [None, 1.0]
    echo = sparktf.predict_udf(models.signatures, signature="echo3_float32")
    found = scores(frame(spark, [[math.nan, 1.0, 2.0], None], "array<float>"), echo("x"))
    assert math.isnan(found[0][0]) and found[1] is None
    vectors = [Vectors.dense([math.nan, 1.0, 2.0]), None, Vectors.sparse(3, [1], [math.nan])]
    df = spark.createDataFrame(list(enumerate(vectors)), ["i", "x"]).coalesce(1)
    found = scores(df, echo("x"))
    np.testing.assert_array_equal(found[0], [math.nan, 1.0, 2.0])
    np.testing.assert_array_equal(found[2], [0.0, math.nan, 0.0])
    assert found[1] is None


def test_rows_of_a_free_dimension_differ_in_length(spark, models):
    predict = sparktf.predict_udf(models.signatures, signature="lengths", batch_size=2)
    rows = [[1.0, 2.0], [3.0], None, [], [4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 1.0]]
    found = scores(frame(spark, rows, "array<float>"), predict("x"))
    assert [row and (row.n, row.twice) for row in found] == [
        None if row is None else (len(row), [2 * value for value in row]) for row in rows
    ]


def test_two_free_dimensions(spark, models):
    predict = sparktf.predict_udf(models.signatures, signature="grid", outputs=["all", "rows"])
    rows = [[[1.0, 2.0]], [[3.0], [4.0]], [[5.0, 6.0], [7.0, 8.0]], [[1.0], [1.0]]]
    found = scores(frame(spark, rows, "array<array<float>>"), predict("x"))
    assert [tuple(row) for row in found] == [(3.0, 1), (7.0, 2), (26.0, 2), (2.0, 2)]


def test_an_input_of_any_rank_takes_columns_as_they_are(spark, models):
    predict = sparktf.predict_udf(models.signatures, signature="any")
    assert scores(frame(spark, [[[1.0, 2.0]]], "array<array<float>>"), predict("x")) == [3]


def test_encoded_images_for_a_signature_that_decodes(spark, models):
    from PIL import Image

    def png(value):
        with io.BytesIO() as file:
            Image.new("L", (4, 4), value).save(file, "PNG")
            return file.getvalue()

    predict = sparktf.predict_udf(models.signatures, signature="decode")
    df = frame(spark, [bytearray(png(7)), None, bytearray(png(200))], "binary")
    assert scores(df, predict("x")) == [7.0, None, 200.0]


def test_null_rows_give_null_whatever_else_they_hold(spark, models):
    predict = sparktf.predict_udf(models.pairs)
    rows = [([1.0, 2.0, 3.0], None, 0), (None, 1.0, 1), (None, None, 2), ([0.0] * 3, 1.0, 3)]
    df = spark.createDataFrame(rows, "a array<float>, b float, i int").coalesce(1)
    found = scores(df, predict())
    assert found[:3] == [None, None, None]
    assert found[3].total == [1.0]
    # a batch in which the model sees no row at all
    assert scores(df.where("i < 3"), predict()) == [None, None, None]


def test_empty_partitions_and_empty_frames(spark, models):
    predict = sparktf.predict_udf(models.linear)
    df = frame(spark, [[1.0, 2.0]], "array<float>").repartition(5)
    assert scores(df, predict("x")) == [[-3.5]]
    assert df.where("i > 5").select(predict("x")).collect() == []


def test_the_model_sees_batches_of_the_size_asked_for(spark, models):
    sizes = sparktf.predict_udf(models.signatures, signature="batch_size", batch_size=4)
    df = spark.range(0, 10, 1, 1).selectExpr("cast(id AS int) AS i", "float(id) AS x")
    assert scores(df, sizes("x")) == [4, 4, 4, 4, 4, 4, 4, 4, 2, 2]


def test_numbers_are_rounded_once():
    """Whatever lies between the column's type and the input's."""
    import ml_dtypes

    def of(values, kind, dtype):
        return arrow.Rows(pa.array(values, kind), Input("x", "x", dtype, ())).values

    random = np.random.default_rng(3)
    for precision, scale in ((10, 2), (18, 4), (38, 4), (38, 19), (38, 37)):
        digits = "".join(map(str, random.integers(0, 10, 400 * precision)))
        context = decimal.Context(prec=60)
        rows = [
            decimal.Decimal(digits[i : i + precision]).scaleb(-scale, context)
            for i in range(0, len(digits), precision)
        ]
        # In the middle of two float32, and beside it; and around the ends of int64.
        middles = [2**24 * k + 1 for k in range(1, 50)] if precision - scale > 10 else []
        rows += [decimal.Decimal(m) + d for m in middles for d in (0, decimal.Decimal("1e-4"))]
        ends = [2**53 + 1, 2**63, 2**64 + 5, -(2**63)] if precision - scale > 20 else []
        rows += map(decimal.Decimal, ends)
        kind = pa.decimal128(precision, scale)
        assert of([], kind, "float64").tolist() == []
        assert of(rows, kind, "float64").tolist() == [float(row) for row in rows]
        found = of(rows, kind, "float32")
        for value, row in zip(found, rows, strict=True):
            near = [np.nextafter(value, np.float32(to)) for to in (-np.inf, np.inf)]
            wrong = abs(Fraction(float(value)) - Fraction(row))
            assert all(abs(Fraction(float(other)) - Fraction(row)) >= wrong for other in near)
    # Just above the middle of two neighbours, which float32 takes for the middle.
    high = 1 + 2.0**-8 + 2.0**-40
    assert of([high], pa.float64(), "bfloat16").tolist() == [1 + 2.0**-7]
    assert of([2**40 + 2**32 + 1], pa.int64(), "bfloat16").tolist() == [2.0**40 + 2.0**33]
    wholes = [2**62 + 2**54 + 1, 2**62 + 2**54, 2**62 + 3 * 2**54, -(2**62) - 2**54 - 1]
    steps = [2**62 + 2**55, 2**62, 2**62 + 2**56, -(2**62) - 2**55]
    assert of(wholes, pa.int64(), "bfloat16").tolist() == steps
    assert of([2**63 + 2**55 + 1], pa.uint64(), "bfloat16").tolist() == [2.0**63 + 2.0**56]
    values = [math.inf, -math.inf, 0.0, -0.0, 1e-45, 65519.0]
    for dtype in ("float16", "bfloat16", "float32"):
        wanted = np.array(values).astype(getattr(ml_dtypes, dtype, dtype))
        np.testing.assert_array_equal(of(values, pa.float64(), dtype), wanted)


def test_an_empty_list_has_any_shape_below():
    boxes = Input("x", "column 'x'", "float32", (None, 4))
    assert arrow.fit((0, 0), boxes) == (0, 4)
    with pytest.raises(ValueError, match="nested arrays of lengths 2 x 0"):
        arrow.fit((2, 0), boxes)
    nested = arrow.Rows(pa.array([[], [[1, 2, 3, 4]]]), boxes)
    numbers, shapes = nested.by_shape(2)
    assert [nested.take(np.array([i]), shapes[numbers[i]], 2).shape for i in range(2)] == [
        (1, 0, 4),
        (1, 1, 4),
    ]


def test_the_default_batch_size_goes_by_the_width_of_a_row(models):
    def of(model, signature="serving_default"):
        return plans.make(model, signature, ("serve",), None, None, None, 1).batch_size

    assert of(models.linear) == 16384
    assert of(models.signatures, "lengths") == 64
    assert of(models.signatures, "decode") == 64
    wide = {"x": sparktf.models.signatures.TensorSpec("float32", (None, 28, 28, 1))}
    assert plans.default_batch_size(wide.values()) == 64


def test_other_columns_and_uses_of_the_score(spark, models):
    predict = sparktf.predict_udf(models.linear)
    df = frame(spark, [[1.0, 2.0], [3.0, 5.0], [9.0, 0.0]], "array<float>")
    kept = df.where(predict("x")[0] < 0).groupBy().agg(F.count("*"), F.sum(predict("x")[0]))
    assert tuple(kept.first()) == (2, -12.0)


@pytest.mark.one_spark
@pytest.mark.long
def test_a_model_is_loaded_once_per_worker(spark, models, loads):
    before = loads()
    df = frame(spark, [[1.0, 2.0]] * 8, "array<float>", partitions=4)
    for _ in range(3):
        predict = sparktf.predict_udf(models.linear)
        assert len(df.select(predict("x"), predict(F.col("x"))).collect()) == 8
    after = loads()
    grown = {pid: count - before.get(pid, 0) for pid, count in after.items()}
    assert set(grown.values()) <= {0, 1}, (before, after)

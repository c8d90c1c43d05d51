"""`sparktf.feature_spec`: Spark's types as features of `tf.io.parse_example`."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pyarrow as pa
import pytest
import tensorflow as tf
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import types as t
from pyspark.sql.pandas.types import to_arrow_type

import sparktf
from sparktf.columns import dtypes
from sparktf.data import ddl
from sparktf.data.feature_specs import spark_columns

pytestmark = pytest.mark.one_spark


def _struct(**columns: t.DataType) -> t.StructType:
    return t.StructType([t.StructField(name, kind) for name, kind in columns.items()])


@pytest.mark.parametrize(
    ("spark_type", "dtype"),
    [
        (t.LongType(), tf.int64),
        (t.IntegerType(), tf.int64),
        (t.ShortType(), tf.int64),
        (t.ByteType(), tf.int64),
        (t.BooleanType(), tf.int64),
        (t.DateType(), tf.int64),
        (t.TimestampType(), tf.int64),
        (t.TimestampNTZType(), tf.int64),
        (t.FloatType(), tf.float32),
        (t.DoubleType(), tf.float32),
        (t.DecimalType(20, 4), tf.float32),
        (t.StringType(), tf.string),
        (t.VarcharType(9), tf.string),
        (t.CharType(9), tf.string),
        (t.BinaryType(), tf.string),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_each_scalar_type_and_its_array(spark_type: t.DataType, dtype: tf.DType):
    spec = sparktf.feature_spec(_struct(one=spark_type, many=t.ArrayType(spark_type)))
    assert spec == {
        "one": tf.io.FixedLenFeature([], dtype),
        "many": tf.io.RaggedFeature(dtype),
    }


def test_a_vector_is_a_list_of_floats():
    assert sparktf.feature_spec(_struct(v=VectorUDT())) == {"v": tf.io.RaggedFeature(tf.float32)}


def test_shapes_make_arrays_dense():
    schema = _struct(
        image=t.ArrayType(t.FloatType()), v=VectorUDT(), one=t.LongType(), rest=t.BinaryType()
    )
    assert sparktf.feature_spec(schema, shapes={"image": (28, 28, 1), "v": [3], "one": 1}) == {
        "image": tf.io.FixedLenFeature([28, 28, 1], tf.float32),
        "v": tf.io.FixedLenFeature([3], tf.float32),
        "one": tf.io.FixedLenFeature([1], tf.int64),
        "rest": tf.io.FixedLenFeature([], tf.string),
    }


def test_the_columns_keep_the_schema_s_order():
    schema = _struct(z=t.LongType(), a=t.LongType(), m=t.LongType())
    assert list(sparktf.feature_spec(schema)) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("spark_type", "name"),
    [
        (t.MapType(t.StringType(), t.LongType()), "map<string,bigint>"),
        (_struct(a=t.LongType()), "struct<a:bigint>"),
        (t.ArrayType(_struct(a=t.LongType())), "array<struct<a:bigint>>"),
        (t.DayTimeIntervalType(), "interval day to second"),
        (t.NullType(), "void"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_type_without_a_feature_is_named_with_its_column(spark_type: t.DataType, name: str):
    with pytest.raises(TypeError) as error:
        sparktf.feature_spec(_struct(good=t.LongType(), bad=spark_type))
    assert str(error.value) == f"column 'bad' has type {name}, which has no feature"


def test_an_array_of_arrays_is_refused_with_advice():
    schema = _struct(x=t.ArrayType(t.ArrayType(t.FloatType())))
    with pytest.raises(TypeError) as error:
        sparktf.feature_spec(schema, shapes={"x": (2, 2)})
    assert str(error.value) == (
        "column 'x' has type array<array<float>>, which has no feature: flatten it, and name its "
        "shape in `shapes`"
    )


def test_shapes_of_an_unknown_column_are_an_error():
    with pytest.raises(ValueError, match=r"shapes names 'y', but the columns are x, z$"):
        sparktf.feature_spec(_struct(x=t.LongType(), z=t.LongType()), shapes={"y": (2,)})


@pytest.mark.parametrize("shape", [(0,), (-1, 2), (2.0,), (None, 3), (True,)])
def test_a_shape_has_positive_whole_dimensions(shape: tuple[object, ...]):
    with pytest.raises(ValueError, match=r"the shape of 'x' is .*: one row's dimensions"):
        sparktf.feature_spec(_struct(x=t.ArrayType(t.LongType())), shapes={"x": shape})


def test_something_that_is_no_schema_is_refused():
    with pytest.raises(
        TypeError, match=r"a Spark schema \(StructType, .* or a DataFrame.* not int"
    ):
        sparktf.feature_spec(5)


# ---------------------------------------------------------------- DDL


def test_a_text_is_a_schema():
    spec = sparktf.feature_spec("id long, `a b` STRING NOT NULL, x: array<float>", {"x": 3})
    assert spec == {
        "id": tf.io.FixedLenFeature([], tf.int64),
        "a b": tf.io.FixedLenFeature([], tf.string),
        "x": tf.io.FixedLenFeature([3], tf.float32),
    }


def _schemas(count: int) -> list[str]:
    """Made up from all that Spark's grammar has."""
    plain = "boolean tinyint byte smallint short int integer bigint long float real double date"
    plain += " timestamp timestamp_ltz timestamp_ntz string binary void decimal dec(7) decimal(5,2)"
    plain += " numeric(38,38) varchar(3) char(20) character(1)"
    random = Random(7)

    def kind(depth: int) -> str:
        choice = random.choice([*plain.split(), *["array", "map", "struct"] * (3 if depth else 0)])
        if choice == "array":
            choice += f"<{kind(depth - 1)}>"
        elif choice == "map":
            choice += f"< string,{kind(depth - 1)} >"
        elif choice == "struct":
            choice += f"<{columns(random.randrange(3), depth - 1)}>"
        return random.choice([str.lower, str.upper, str.title])(choice)

    def columns(number: int, depth: int) -> str:
        parts = []
        for index in range(number):
            name = random.choice(["a", "_b", "C3", "date", "struct", "not", "`a b`", "`x``,y`"])
            name = f"`{name[1:-1]}{index}`" if name[0] == "`" else f"{name}{index}"
            text = f"{name}{random.choice([' ', ': ', ' : '])}{kind(depth)}"
            text += random.choice(["", "", " NOT NULL", " not null"])
            text += random.choice(["", "", " COMMENT 'it\\'s, a'", ' comment "b"'])
            parts.append(text)
        return random.choice([",", ", ", " ,\n"]).join(parts)

    made = [columns(random.randint(1, 4), 2) for _ in range(count)]
    return [f"struct<{text}>" if random.random() < 0.2 else f" {text} " for text in made]


def test_a_text_says_what_it_says_to_spark(spark):
    without_feature = 0
    for text in _schemas(300):
        expected = t.StructType.fromDDL(text)
        assert [(name, found.text) for name, found in ddl.parse(text)] == [
            (field.name, field.dataType.simpleString()) for field in expected
        ], text
        try:
            columns = spark_columns(expected)
        except TypeError as error:
            without_feature += 1
            with pytest.raises(TypeError) as raised:
                spark_columns(text)
            assert str(raised.value) == str(error)
        else:
            assert spark_columns(text) == columns
    assert 50 < without_feature < 250


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has its end at position 0, and expected is a column's name"),
        ("id", "has its end at position 2, and expected is a type (string, bigint, "),
        ("id lng", "has 'lng' at position 3, and expected is a type (string, bigint, "),
        ("id long x int", "has 'x' at position 8, and expected is a comma or the end"),
        ("id long,", "has its end at position 8, and expected is a column's name (letters, "),
        ("a array<>", "has '>' at position 8, and expected is a type"),
        ("a array<int", "has its end at position 11, and expected is >"),
        ("a map<int>", "has '>' at position 9, and expected is ,"),
        ("a decimal(50)", "has '(' at position 9, and expected is up to 38 digits"),
        ("a decimal(3,5)", "has '(' at position 9, and expected is up to 38 digits"),
        ("a decimal(x)", "has 'x' at position 10, and expected is a whole number"),
        ("a decimal(1,2,3)", "has ')' at position 15, and expected is 1 or 2 numbers"),
        ("a varchar", "has its end at position 9, and expected is the length in brackets"),
        ("a-b int", "has '-' at position 1, and expected is a type"),
        ("1a int", "has '1' at position 0, and expected is a column's name"),
        ("`a int", "has '`' at position 0, and expected is a column's name"),
        ("a int not x", "has 'x' at position 10, and expected is NULL"),
        ("a int comment b", "has 'b' at position 14, and expected is the comment in quotes"),
        ("struct<a int> x", "has 'x' at position 14, and expected is the end"),
        ("a int; b int", "has ';' at position 5, and expected is a comma or the end"),
    ],
)
def test_a_text_that_is_no_schema_says_where_and_what_was_expected(text: str, message: str):
    with pytest.raises(ValueError) as error:
        sparktf.feature_spec(text)
    assert str(error.value).startswith(f"the schema {text!r} {message}")


def test_a_text_takes_no_spark():
    code = (
        "import sys; sys.modules['pyspark'] = None; from sparktf.data import feature_specs\n"
        "print(feature_specs.spark_columns('x array<decimal(5,2)>'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    column = (
        "Column(name='x', dtype='float32', is_list=True, spark_type='array<decimal(5,2)>', "
        "is_nested=False)"
    )
    assert done.stdout.strip() == f"[{column}]"


def test_a_dataframe_stands_for_its_schema(spark):
    df = spark.sql("SELECT 1L AS a, array(1.5f) AS b")
    assert sparktf.feature_spec(df) == sparktf.feature_spec(df.schema)
    assert list(sparktf.feature_spec(df)) == ["a", "b"]


def test_an_absent_scalar_fails_in_parse_example_and_a_default_repairs_it(example):
    spec = sparktf.feature_spec(_struct(x=t.FloatType(), y=t.ArrayType(t.LongType())))
    empty = example({})
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Feature: x .* is required but could"
    ):
        tf.io.parse_example([empty], spec)
    spec["x"] = tf.io.FixedLenFeature([], tf.float32, default_value=-1.0)
    parsed = tf.io.parse_example([empty, example({"x": [2.5], "y": [7, 8]})], spec)
    assert parsed["x"].numpy().tolist() == [-1.0, 2.5]
    assert parsed["y"].to_list() == [[], [7, 8]]


def test_the_dtypes_are_tensorflows_and_come_back_from_a_column_as_they_were():
    for number in range(1, 24):
        try:
            dtype = tf.as_dtype(number)
        except TypeError:
            continue
        if dtype.name.startswith("q"):  # of quantized graphs
            assert dtypes.by_number(number) is None
            continue
        assert dtypes.by_number(number) == dtype.name
        if dtypes.spark_type(dtype.name) is None:
            assert not (dtype.is_integer or dtype.is_floating)
            continue
        column = dtypes.spark_data_type(dtype.name)
        assert column.simpleString() == dtypes.spark_type(dtype.name)
        assert to_arrow_type(column) == dtypes.arrow_type(dtype.name)
        if dtype.is_integer or dtype.is_floating:
            for limit in (dtype.min, dtype.max):
                value = int(limit) if dtype.is_integer else float(limit)
                assert pa.array([value], dtypes.arrow_type(dtype.name)).to_pylist() == [value]

"""TensorFlow's dtypes, and what holds their values in Spark, in Arrow and in TFRecord files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import DataType

FLOATS: Final = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True)
class _DType:
    """
    Attributes:
        number: In TensorFlow's `types.proto`.
        name: In TensorFlow and (bfloat16 apart) in NumPy.
        spark: Spark's type that holds all its values, by its `simpleString`; None if none does.
        feature_list: The list of a `tf.train.Feature` whose values are read as this dtype, if one
            is.
    """

    number: int
    name: str
    spark: str | None = None
    feature_list: str | None = None


_TABLE: Final = (
    _DType(1, "float32", "float", "float_list"),
    _DType(2, "float64", "double"),
    _DType(3, "int32", "int"),
    _DType(4, "uint8", "smallint"),
    _DType(5, "int16", "smallint"),
    _DType(6, "int8", "tinyint"),
    _DType(7, "string", "string", "bytes_list"),
    _DType(8, "complex64"),
    _DType(9, "int64", "bigint", "int64_list"),
    _DType(10, "bool", "boolean"),
    _DType(14, "bfloat16", "float"),
    _DType(17, "uint16", "int"),
    _DType(18, "complex128"),
    _DType(19, "float16", "float"),
    _DType(20, "resource"),
    _DType(21, "variant"),
    _DType(22, "uint32", "bigint"),
    _DType(23, "uint64", "decimal(20,0)"),
)

_BY_NUMBER: Final = {dtype.number: dtype.name for dtype in _TABLE}
_SPARK_TYPES: Final = {dtype.name: dtype.spark for dtype in _TABLE if dtype.spark}
_LISTS_OF: Final = {dtype.name: dtype.feature_list for dtype in _TABLE if dtype.feature_list}
_OF_LISTS: Final = {dtype.feature_list: dtype.name for dtype in _TABLE if dtype.feature_list}

# The classes of Spark's types, and the list of a Feature in which the data source writes each.
_WRITTEN_AS: Final = {
    "int64_list": (
        "LongType",
        "IntegerType",
        "ShortType",
        "ByteType",
        "BooleanType",
        "DateType",
        "TimestampType",
        "TimestampNTZType",
    ),
    "float_list": ("FloatType", "DoubleType", "DecimalType"),
    "bytes_list": ("StringType", "VarcharType", "CharType", "BinaryType"),
}
_OF_CLASSES: Final = {
    name: _OF_LISTS[feature_list] for feature_list, names in _WRITTEN_AS.items() for name in names
}


def by_number(number: int) -> str | None:
    """The dtype that a SavedModel's graph names by its number."""
    return _BY_NUMBER.get(number)


def of_feature_list(name: str) -> str:
    """What the values of an "int64_list", a "float_list" or a "bytes_list" are read as."""
    return _OF_LISTS[name]


def feature_list_of(dtype: str) -> str:
    """The list whose values are read as "int64", "float32" or "string"."""
    return _LISTS_OF[dtype]


def as_written(column: DataType) -> str | None:
    """What a value of a Spark type is read as from a TFRecord file; None for a type of none."""
    # By the names of its classes: a subclass (StringType has some) counts as its parent, and
    # the oldest Spark need not know the newest type.
    dtypes = (as_written_by_class(c.__name__) for c in type(column).__mro__)
    return next(filter(None, dtypes), None)


def as_written_by_class(name: str) -> str | None:
    """The same of the type whose class in pyspark has this name."""
    return _OF_CLASSES.get(name)


def spark_type(dtype: str) -> str | None:
    """Spark's type that holds all values of a dtype, by its `simpleString`; None if none does."""
    return _SPARK_TYPES.get(dtype)


def spark_data_type(dtype: str) -> DataType:
    """The same as a type of pyspark's.

    Raises:
        KeyError: No type holds them.
    """
    from pyspark.sql import types

    kinds: dict[str, DataType] = {
        kind.simpleString(): kind
        for kind in (
            types.FloatType(),
            types.DoubleType(),
            types.ByteType(),
            types.ShortType(),
            types.IntegerType(),
            types.LongType(),
            types.DecimalType(20, 0),
            types.BooleanType(),
            types.StringType(),
        )
    }
    return kinds[_SPARK_TYPES[dtype]]


def arrow_type(dtype: str) -> pa.DataType:
    """Arrow's type of a column of that type of Spark's.

    Raises:
        KeyError: No type holds them.
    """
    import pyarrow as pa

    return {
        "float": pa.float32(),
        "double": pa.float64(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "decimal(20,0)": pa.decimal128(20, 0),
        "boolean": pa.bool_(),
        "string": pa.string(),
    }[_SPARK_TYPES[dtype]]

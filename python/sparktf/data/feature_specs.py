"""Columns as features: how Spark's types and `tf.io.parse_example`'s features correspond."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from sparktf.columns.dtypes import as_written, as_written_by_class
from sparktf.data import ddl
from sparktf.extras import require_tensorflow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["feature_spec"]

Shapes: TypeAlias = "Mapping[str, int | Sequence[int]]"


@dataclass(frozen=True)
class Column:
    """A column as it lies in TFRecord files.

    Attributes:
        name: Of the column and of the feature.
        dtype: Of its elements: "int64", "float32" or "string".
        is_list: Whether a row holds any number of elements; otherwise it holds one.
        spark_type: Its type in a Spark schema, as `simpleString` spells it; None where no such
            schema was given.
        is_nested: Whether a row holds any number of such lists, as a feature list does.
    """

    name: str
    dtype: str
    is_list: bool
    spark_type: str | None = None
    is_nested: bool = False


def feature_spec(
    schema_or_df: StructType | DataFrame | str, shapes: Shapes | None = None
) -> dict[str, Any]:
    """The features to give to `tf.io.parse_example` for records that hold these columns.

    ============================================= ==========================================
    Spark type                                    feature
    ============================================= ==========================================
    long, integer, short, byte, boolean           `FixedLenFeature([], tf.int64)`
    date                                          same: days since 1970-01-01
    timestamp, timestamp_ntz                      same: microseconds since 1970-01-01
    float, double, decimal                        `FixedLenFeature([], tf.float32)`
    string, binary                                `FixedLenFeature([], tf.string)`
    array of one of these, ml Vector (float32)    `RaggedFeature(dtype)`
    any of these, named in `shapes`               `FixedLenFeature(shape, dtype)`
    ============================================= ==========================================

    A null in a column is a feature that the record lacks. `RaggedFeature` makes it an empty row.
    `FixedLenFeature` has no value for it: `tf.io.parse_example` fails with "Feature: x ... is
    required but could not be found". Where a column has nulls, fill them before they are written
    (`df.na.fill`), or give a default in their stead:

        spec = sparktf.feature_spec(df)
        spec["x"] = tf.io.FixedLenFeature([], tf.float32, default_value=0.0)

    Args:
        schema_or_df: A Spark schema, as a StructType or as DDL text ("id long, x array<float>",
            for which no Spark is needed), or a DataFrame (classic or Spark Connect) for its schema.
        shapes: Column -> shape of one row, without the batch: `{"image": (28, 28, 1)}`. Every
            row of the column must hold that many elements, in row-major order.

    Returns:
        Column -> `tf.io.FixedLenFeature` or `tf.io.RaggedFeature`, in the schema's order.

    Raises:
        TypeError: A column whose type has no feature (a map, a struct, an array of arrays, ...);
            the message names it.
        ValueError: `shapes` names a column that is not there, a shape is not one, or a text is no
            schema.
    """
    require_tensorflow("sparktf.feature_spec")
    columns = spark_columns(schema_or_df)
    checked = check_shapes(shapes, [column.name for column in columns])
    return {column.name: feature(column, checked.get(column.name)) for column in columns}


def spark_columns(schema_or_df: StructType | DataFrame | str, nested: bool = False) -> list[Column]:
    """The columns of a Spark schema.

    Args:
        schema_or_df: Itself, or what has it.
        nested: Whether arrays of arrays have a place, as in a SequenceExample.

    Raises:
        TypeError: A type that has no feature, or something that is no schema.
        ValueError: A text that is no schema.
    """
    if isinstance(schema_or_df, str):
        return [_ddl_column(name, found, nested) for name, found in ddl.parse(schema_or_df)]
    schema = getattr(schema_or_df, "schema", schema_or_df)
    if not _is_struct(schema):
        raise TypeError(
            "a Spark schema (StructType, or a text such as 'id long, x array<float>') or a "
            f"DataFrame is wanted, not {type(schema_or_df).__name__}"
        )
    from pyspark.sql.types import ArrayType

    columns = []
    for field in schema.fields:
        data_type = field.dataType
        spark_type = data_type.simpleString()
        # Of spark.ml and of the older spark.mllib; neither need be loaded.
        if type(data_type).__name__ == "VectorUDT":
            columns.append(Column(field.name, "float32", True, spark_type))
            continue
        depth, element = 0, data_type
        while isinstance(element, ArrayType):
            depth, element = depth + 1, element.elementType
        columns.append(_column(field.name, as_written(element), depth, spark_type, nested))
    return columns


def _is_struct(schema: Any) -> TypeGuard[StructType]:
    # Where pyspark is not loaded, perhaps not even there, nothing is of its classes.
    types = sys.modules.get("pyspark.sql.types")
    return types is not None and isinstance(schema, types.StructType)


def _ddl_column(name: str, found: ddl.Type, nested: bool) -> Column:
    depth, element = 0, found
    while element.element is not None:
        depth, element = depth + 1, element.element
    return _column(name, as_written_by_class(element.kind), depth, found.text, nested)


def _column(name: str, dtype: str | None, depth: int, spark_type: str, nested: bool) -> Column:
    """A column of arrays of that depth: 0 for none."""
    if dtype is None or depth > 1 + nested:
        advice = ": flatten it, and name its shape in `shapes`" if dtype and depth > 1 else ""
        raise TypeError(f"column {name!r} has type {spark_type}, which has no feature{advice}")
    return Column(name, dtype, depth > 0, spark_type, depth > 1)


def feature(column: Column, shape: Sequence[int] | None) -> Any:
    """`FixedLenFeature` of `shape`; without one, of a scalar, or `RaggedFeature` of a list."""
    import tensorflow as tf

    dtype = tf.as_dtype(column.dtype)
    if shape is None and column.is_list:
        return tf.io.RaggedFeature(dtype)
    return tf.io.FixedLenFeature([] if shape is None else list(shape), dtype)


def check_shapes(shapes: Shapes | None, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`shapes` as tuples.

    Raises:
        ValueError: A name that is not among `names`, or a dimension that is not a positive
            integer.
    """
    checked = {}
    for name, shape in (shapes or {}).items():
        if name not in names:
            raise ValueError(f"shapes names {name!r}, but the columns are {', '.join(names)}")
        dimensions = (shape,) if isinstance(shape, int) else tuple(shape)
        if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in dimensions):
            raise ValueError(
                f"the shape of {name!r} is {shape!r}: one row's dimensions are wanted, each a "
                "positive integer, without the batch"
            )
        checked[name] = dimensions
    return checked

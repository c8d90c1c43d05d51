"""Whether a column of a type can fill a model's input, told before any row is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparktf.columns.dtypes import FLOATS
from sparktf.columns.inputs import Input

if TYPE_CHECKING:
    from pyspark.sql.types import DataType


def check(column: DataType, to: Input) -> None:
    """Raises a ValueError, as scoring it would, if no value of the type could fill the input."""
    from pyspark.sql import types

    leaf, depth = column, 0
    while isinstance(leaf, types.ArrayType):
        leaf, depth = leaf.elementType, depth + 1
    if isinstance(leaf, types.UserDefinedType):
        if depth or leaf.simpleString() != "vector":
            raise to.fail(f"a column of type {column.simpleString()} is no array or Vector")
        leaf, depth = types.DoubleType(), 1

    whole = isinstance(leaf, (types.IntegralType, types.DecimalType))
    if to.dtype == "string":
        fits, wanted = isinstance(leaf, (types.StringType, types.BinaryType)), "string or binary"
    elif to.dtype == "bool":
        fits, wanted = isinstance(leaf, types.BooleanType), "boolean"
    elif to.dtype in FLOATS:
        fits, wanted = whole or isinstance(leaf, types.FractionalType), "a number"
    else:
        fits, wanted = whole, "a whole number"
    if not fits:
        raise to.fail(
            f"its values are {leaf.simpleString()} where {wanted} is needed: cast the column"
        )
    if depth == 0 and to.dims is not None and any(dim not in (1, None) for dim in to.dims):
        raise to.fail("a row is one value; array(…) makes one column of several")

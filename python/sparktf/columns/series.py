"""Columns as Spark 3.5 and 4.0 give them to a function (pandas Series), to Arrow and back.

Spark makes them from Arrow, and what Arrow's null was is then NaN, in ints too. Where that cannot
be told from a value, the column comes packed as an array of one element (see `scoring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sparktf.columns.inputs import Input


def from_pandas(column: Any, to: Input, packed: bool) -> pa.Array:
    """The column as Arrow had it.

    Args:
        column: A Series, or the DataFrame that Spark makes of an ml Vector.
        to: The input that it is for.
        packed: Whether each value is the one element of an array.
    """
    if isinstance(column, pd.DataFrame):
        return _vectors(column, to)
    if packed:
        arrays = _arrays(column, to)
        return arrays if pa.types.is_null(arrays.type) else pc.list_element(arrays, 0)
    if column.dtype == object:
        return _arrays(column, to)
    return _scalars(column, to)


def _scalars(column: Any, to: Input) -> pa.Array:
    values = column.to_numpy()
    whole = not to.dtype.startswith(("float", "bfloat", "string", "bool"))
    if whole and values.dtype == np.float64 and column.isna().any():
        # bigint with nulls: beyond 2^53 it is no longer what it was
        known = values[~np.isnan(values)]
        if (np.abs(known) >= 2.0**53).any() or (known != np.trunc(known)).any():
            raise to.fail(
                "this Spark turns whole numbers with nulls among them into doubles, which do not "
                "hold all of these: put a value in the place of the nulls, or take Spark 4.1"
            )
        return pa.array(values, pa.int64(), mask=np.isnan(values), safe=False)
    return pa.Array.from_pandas(column)


def _arrays(column: Any, to: Input) -> pa.Array:
    rows = column.to_numpy()
    there = [row for row in rows if row is not None]
    if not there or not isinstance(there[0], np.ndarray) or there[0].dtype == object:
        _check_nested(there, to)
        return pa.array(rows, from_pandas=False)
    # Arrow's own view of its buffer cannot be written to. A copy was made to put NaN for a null.
    if there[0].flags.writeable and any(np.isnan(row).any() for row in there):
        raise to.fail("an array has a null element, and a tensor has no place for it")
    lengths = np.fromiter((0 if row is None else len(row) for row in rows), np.int64, len(rows))
    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    mask = None
    if len(there) < len(rows):
        mask = pa.array(np.fromiter((row is None for row in rows), bool, len(rows)))
    values = pa.array(np.concatenate(there))
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=mask)


def _check_nested(rows: Sequence[Any], to: Input) -> None:
    for row in rows:
        if isinstance(row, np.ndarray):
            if row.dtype == object:
                _check_nested([element for element in row if element is not None], to)
            elif row.flags.writeable and row.dtype.kind == "f" and np.isnan(row).any():
                raise to.fail("an array has a null element, and a tensor has no place for it")


def _vectors(column: Any, to: Input) -> pa.Array:
    if list(column.columns) != ["type", "size", "indices", "values"]:
        raise to.fail("a struct is no array, Vector or plain value")
    kinds = (pa.int8(), pa.int32(), pa.list_(pa.int32()), pa.list_(pa.float64()))
    # In plain columns NaN is what was null; in arrays it is a value.
    fields = [
        pa.array(column[name], kind, from_pandas=not pa.types.is_list(kind))
        for name, kind in zip(column.columns, kinds, strict=True)
    ]
    return pa.StructArray.from_arrays(
        fields, names=list(column.columns), mask=pc.is_null(fields[0])
    )


class _ArrowSeries(pd.Series):
    """A Series over Arrow's own array, which Spark takes as it is.

    Spark applies a conversion to each list, element by element; in what comes out of it, NaN and
    null are the same to Arrow.
    """

    def apply(self, *_: Any, **__: Any) -> Any:
        return self


class _ArrowFrame(pd.DataFrame):
    @property
    def _constructor_sliced(self) -> type[_ArrowSeries]:
        return _ArrowSeries


def to_pandas(column: pa.Array) -> Any:
    """What Spark turns into the same column: a Series, or a DataFrame of a struct's fields."""
    if pa.types.is_struct(column.type):
        names = [field.name for field in column.type]
        return _ArrowFrame(dict(zip(names, map(_series, column.flatten()), strict=True)))
    return _series(column)


def _series(column: pa.Array) -> _ArrowSeries:
    return _ArrowSeries(column, dtype=pd.ArrowDtype(column.type))

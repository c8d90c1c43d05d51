"""Arrow columns to the arrays that become tensors, and tensors back to Arrow columns.

Buffers are taken as they are where the types allow. What Arrow would do silently is checked first:
its `flatten` drops nulls, and rows of different lengths reshape into other rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sparktf.columns import dtypes
from sparktf.columns.dtypes import FLOATS
from sparktf.columns.inputs import Input

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rows:
    """The values of a column without nulls, and the shape that each row has.

    Attributes:
        values: All leaf values, rows one after the other (row-major).
        shapes: One shape for all rows as a tuple, or an array with a shape for each row.
    """

    def __init__(self, column: pa.Array, to: Input) -> None:
        self._input = to
        if pa.types.is_struct(column.type):
            leaf, self.shapes = _vectors(column, to)
        else:
            leaf, self.shapes = _nested(column, to)
        self.values = _leaf(leaf, to)

    def uniform(self, count: int) -> NDArray[Any] | None:
        """All rows as one array [count, …] of the input's shape; None where shapes differ."""
        if not isinstance(self.shapes, tuple):
            return None
        return self.values.reshape(count, *fit(self.shapes, self._input))

    def by_shape(self, count: int) -> tuple[NDArray[np.intp], list[tuple[int, ...]]]:
        """For each row the number of its shape, and the shapes."""
        if isinstance(self.shapes, tuple):
            return np.zeros(count, np.intp), [self.shapes]
        distinct, number = np.unique(self.shapes, axis=0, return_inverse=True)
        return number.reshape(count), [tuple(map(int, shape)) for shape in distinct]

    def take(self, rows: NDArray[np.intp], shape: tuple[int, ...], count: int) -> NDArray[Any]:
        """These rows, which all have that shape, as one array."""
        dims = fit(shape, self._input)
        if isinstance(self.shapes, tuple):
            return self.values.reshape(count, *dims)[rows]
        ends = np.cumsum(np.prod(self.shapes, axis=1))
        size = int(np.prod(shape))
        index = (ends[rows] - size)[:, None] + np.arange(size)
        taken: NDArray[Any] = self.values[index].reshape(len(rows), *dims)
        return taken


def fit(row_shape: tuple[int, ...], to: Input) -> tuple[int, ...]:
    """The shape that a row of shape `row_shape` has for the model.

    Lists nested as deep as the input's rank must have its lengths. Others are flattened in
    row-major order, or split: `array<float>` of 784 values fits [28, 28, 1].
    """
    dims = to.dims
    if dims is None:
        return row_shape
    if len(row_shape) == len(dims):
        # Below an empty list there is none whose length could be told, or be wrong.
        below = row_shape.index(0) + 1 if 0 in row_shape else len(row_shape)
        shape = *row_shape[:below], *(d or 0 for d in dims[below:])
        if all(d is None or d == n for n, d in zip(shape, dims, strict=True)):
            return shape
        raise to.fail(f"a row is {_row_text(row_shape)}")
    size = int(np.prod(row_shape, dtype=np.int64))
    known = int(np.prod([d for d in dims if d is not None], dtype=np.int64))
    free = dims.count(None)
    if free > 1:
        raise to.fail(
            f"a row is {_row_text(row_shape)}, from which the lengths of {free} free dimensions "
            "cannot be told: nest its arrays as deep as the shape"
        )
    if free == 1 and known and size % known == 0:
        return tuple(size // known if d is None else d for d in dims)
    if free == 0 and size == known:
        return tuple(d for d in dims if d is not None)
    raise to.fail(f"a row is {_row_text(row_shape)}")


def _row_text(row_shape: tuple[int, ...]) -> str:
    if not row_shape:
        return "one value"
    if len(row_shape) == 1:
        return f"an array of {row_shape[0]} value{'s' * (row_shape[0] != 1)}"
    return f"nested arrays of lengths {' x '.join(map(str, row_shape))}"


def _nested(column: pa.Array, to: Input) -> tuple[pa.Array, tuple[int, ...] | NDArray[np.int64]]:
    """The leaf values of a column of lists of lists…, and the rows' shapes."""
    lengths = []
    leaf = column
    while pa.types.is_list(leaf.type) or pa.types.is_large_list(leaf.type):
        lengths.append(np.diff(leaf.offsets.to_numpy()))
        leaf = leaf.flatten()
        if leaf.null_count:
            raise to.fail("an array has a null element, and a tensor has no place for it")
    uniform = []
    for level in lengths:
        if len(level) and level.min() != level.max():
            return leaf, _ragged(lengths, to)
        # Of no list at all, any length is right: the rows above are empty, or there are none.
        uniform.append(int(level[0]) if len(level) else 0)
    return leaf, tuple(uniform)


def _ragged(lengths: list[NDArray[Any]], to: Input) -> NDArray[np.int64]:
    """The shape of each row; within a row, the lists of one depth have one length."""
    rows = len(lengths[0])
    shapes = np.zeros((rows, len(lengths)), np.int64)
    owner = np.arange(rows)  # the row of each list of this depth
    for depth, level in enumerate(lengths):
        longest = np.zeros(rows, np.int64)
        shortest = np.full(rows, np.iinfo(np.int64).max)
        np.maximum.at(longest, owner, level)
        np.minimum.at(shortest, owner, level)
        shortest[np.bincount(owner, minlength=rows) == 0] = 0
        if (longest != shortest).any():
            row = int(np.argmax(longest != shortest))
            raise to.fail(
                f"a row is ragged: inside it are arrays of {shortest[row]} and of {longest[row]} "
                "elements side by side, which no tensor can hold: pad them to one length"
            )
        shapes[:, depth] = longest
        owner = np.repeat(owner, level)
    return shapes


def _vectors(column: pa.Array, to: Input) -> tuple[pa.Array, tuple[int, ...] | NDArray[np.int64]]:
    """The values of Spark's ml Vectors, sparse ones made dense."""
    if {field.name for field in column.type} != {"type", "size", "indices", "values"}:
        raise to.fail(f"a column of type {column.type} is no array, Vector or plain value")
    kind, size, indices, values = (
        pc.struct_field(column, name) for name in ("type", "size", "indices", "values")
    )
    if pc.all(pc.equal(kind, 1)).as_py() is not False:  # all dense, or no row at all
        return _nested(values, to)
    ends = np.diff(values.offsets.to_numpy())
    dense = kind.to_numpy() == 1
    lengths = np.where(dense, ends, size.fill_null(0).to_numpy()).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    flat = np.zeros(int(lengths.sum()), np.float64)
    source = values.flatten().to_numpy()
    row = np.repeat(np.arange(len(column)), ends)
    within = np.arange(len(source)) - np.repeat(np.cumsum(ends) - ends, ends)
    sparse = np.repeat(~dense, ends)
    within[sparse] = indices.flatten().to_numpy()
    flat[starts[row] + within] = source
    if len(lengths) and lengths.min() == lengths.max():
        return pa.array(flat), (int(lengths[0]),)
    return pa.array(flat), lengths[:, None]


def _leaf(values: pa.Array, to: Input) -> NDArray[Any]:
    """The values in the input's dtype; no copy where they have it already."""
    kind = values.type
    if pa.types.is_null(kind) and not len(values):  # of Python's lists, all empty
        return np.empty(0, object if to.dtype == "string" else _numpy_dtype(to.dtype))
    if to.dtype == "string":
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            values = values.cast(pa.binary() if pa.types.is_string(kind) else pa.large_binary())
        elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise _wrong_type(kind, to, "string or binary")
        return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    if to.dtype == "bool":
        if not pa.types.is_boolean(kind):
            raise _wrong_type(kind, to, "boolean")
        return values.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    decimal = pa.types.is_decimal(kind)
    if to.dtype in FLOATS:
        if not (decimal or pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise _wrong_type(kind, to, "a number")
        return _to_float(_decimals(values, to) if decimal else values.to_numpy(), to)
    if not (decimal or pa.types.is_integer(kind)):
        raise _wrong_type(kind, to, "a whole number")
    try:
        return values.cast(getattr(pa, to.dtype)()).to_numpy()  # type: ignore[no-any-return]
    except pa.ArrowInvalid as error:
        raise to.fail(f"a value does not fit: {error}") from None


def _wrong_type(kind: pa.DataType, to: Input, wanted: str) -> ValueError:
    return to.fail(f"its values are {kind} where {wanted} is needed: cast the column")


def _decimals(values: pa.Array, to: Input) -> NDArray[Any]:
    """Decimals as the nearest float32 or float64. Arrow's own cast multiplies, and rounds twice."""
    kind = pa.float32() if to.dtype == "float32" else pa.float64()

    def by_digits(some: pa.Array) -> NDArray[Any]:
        numbers: NDArray[Any] = some.cast(pa.string()).cast(kind).to_numpy()
        return numbers

    scale = values.type.scale
    if not pa.types.is_decimal128(values.type) or scale > 22:
        return by_digits(values)
    # A double holds whole numbers to 2^53 and powers of ten to 10^22, and rounds once to divide.
    words = np.frombuffer(values.buffers()[1], np.int64).reshape(-1, 2)
    low, high = words[values.offset : values.offset + len(values)].T
    held = (high == low >> 63) & (low >= -(1 << 53)) & (low <= 1 << 53)
    numbers: NDArray[Any] = low / float(10**scale)
    if to.dtype == "float32":  # twice, where the double is in the middle of two of these
        held &= numbers.view(np.int64) & 0x1FFFFFFF != 0x10000000
        numbers = numbers.astype(np.float32)
    if not held.all():
        numbers[~held] = by_digits(values.filter(pa.array(~held)))
    return numbers


def _to_float(values: NDArray[Any], to: Input) -> NDArray[Any]:
    """The nearest numbers of the input's dtype; one that it does not reach is an error."""
    dtype = _numpy_dtype(to.dtype)
    if values.dtype == dtype:
        return values
    source = values
    if dtype.itemsize == 2 and values.dtype.kind in "iu":
        source = _odd_float64(values)  # NumPy's way from there rounds to float32 first
    if to.dtype == "bfloat16" and source.dtype == np.float64:
        source = _odd_float32(source)
    beyond = False
    with np.errstate(over="raise"):
        try:
            cast = source.astype(dtype)
        except FloatingPointError:
            beyond = True
    # Which bfloat16's own conversion does not tell.
    if beyond or (to.dtype == "bfloat16" and (np.isinf(cast) & np.isfinite(source)).any()):
        raise to.fail(f"a finite value of {values.dtype} is beyond what it can hold")
    return cast


def _numpy_dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        from ml_dtypes import bfloat16  # comes with TensorFlow

        dtype: np.dtype[Any] = np.dtype(bfloat16)
        return dtype
    return np.dtype(name)


def _odd_float64(values: NDArray[Any]) -> NDArray[np.float64]:
    """The whole numbers as float64, and those between two as `_odd_float32` has them."""
    rounded: NDArray[np.float64] = values.astype(np.float64)
    large = np.abs(rounded) >= 2.0**53
    if large.any():  # of 64 bits: a float64 holds those without the last 11 of them
        high = values[large] >> 11
        odd = high | (values[large] != high << 11)
        rounded[large] = odd.astype(np.float64) * 2.0**11
    return rounded


def _odd_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The numbers as float32, and those between two as the odd one of the two: rounded from there,
    they are what they are when they are rounded once."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    between = (rounded != values) & np.isfinite(values) & (rounded.view(np.uint32) & 1 == 0)
    towards = np.where(values > rounded, np.inf, -np.inf).astype(np.float32)
    rounded[between] = np.nextafter(rounded[between], towards[between])
    return rounded


def arrow_type(dtype: str, depth: int) -> pa.DataType:
    """The type of the column that `to_arrow` makes of tensors with `depth` dimensions in a row."""
    kind = dtypes.arrow_type(dtype)
    for _ in range(depth):
        kind = pa.list_(pa.field("element", kind))
    return kind


def to_arrow(tensor: NDArray[Any], dtype: str, name: str) -> pa.Array:
    """A column with a row for each entry of the tensor's first dimension."""
    kind = arrow_type(dtype, 0)
    flat = np.ascontiguousarray(tensor).reshape(-1)
    if dtype == "string":
        column = pa.array(flat, pa.binary())
        if isinstance(column, pa.ChunkedArray):
            raise ValueError(
                f"the model's output {name!r} has more than 2 GiB of strings in one Arrow batch, "
                "more than a column of it holds: lower spark.sql.execution.arrow.maxRecordsPerBatch"
            )
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            raise ValueError(
                f"the model's output {name!r} has bytes that are not UTF-8, and a string column "
                "cannot hold them: let the model encode them (tf.io.encode_base64)"
            ) from None
    elif dtype == "uint64":
        column = pa.array(flat).cast(kind)
    elif dtype == "bool":
        column = pa.array(flat)
    else:
        column = pa.array(flat.astype(kind.to_pandas_dtype(), copy=False))
    # Outwards from the innermost dimension; the offsets of equal lists need no look at the data.
    for axis in range(tensor.ndim - 1, 0, -1):
        count, length = int(np.prod(tensor.shape[:axis])), tensor.shape[axis]
        if count * length > np.iinfo(np.int32).max:
            raise ValueError(
                f"the model's output {name!r} has {count * length} values in one Arrow batch, more "
                "than Arrow's lists hold: lower spark.sql.execution.arrow.maxRecordsPerBatch"
            )
        offsets = pa.array(np.arange(count + 1, dtype=np.int32) * np.int32(length))
        field = pa.field("element", column.type)
        column = pa.ListArray.from_arrays(offsets, column, type=pa.list_(field))
    return column


def slices(count: int, size: int) -> Iterator[slice]:
    """`count` rows in pieces of `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))

"""Columns that no array of NumPy holds by itself: strings, and rows of different lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


class Strings:
    """Byte strings, one behind another in one array, as Arrow keeps them.

        names = batch["name"]
        names[0]           # b"Ada"
        names.to_list()    # [b"Ada", ...]
        names.to_numpy()   # an array of bytes objects
        names.to_arrow()   # pyarrow's, without a copy

    Making an object of each string costs more than reading it: take them whole where you can.

    Attributes:
        content: uint8, the bytes of all strings.
        offsets: int64, where in `content` each string begins, and where the last one ends.
        shape: Of the array that they are, whose first dimension is the batch.
    """

    __slots__ = ("content", "offsets", "shape")

    def __init__(
        self, content: Array, offsets: Array, shape: tuple[int, ...] | None = None
    ) -> None:
        self.content, self.offsets = content, offsets
        self.shape = (len(offsets) - 1,) if shape is None else shape

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> Strings:
        """Those of a list."""
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum([len(string) for string in strings], out=offsets[1:])
        return cls(np.frombuffer(b"".join(strings), np.uint8), offsets)

    def take(self, rows: Array) -> Strings:
        """The strings of rows by their numbers, of a shape of one dimension."""
        begins = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - begins
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        # Where each byte comes from.
        places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
        return Strings(self.content[places], offsets)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        """The string, or the strings, of a row; or some consecutive rows, for a slice."""
        inner = math.prod(self.shape[1:])
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise IndexError("only slices of consecutive rows are taken")
            stop = max(start, stop)
            offsets = self.offsets[start * inner : stop * inner + 1]
            return Strings(self.content, offsets, (stop - start, *self.shape[1:]))
        row = range(len(self))[index]
        if len(self.shape) == 1:
            return self.content[self.offsets[row] : self.offsets[row + 1]].tobytes()
        offsets = self.offsets[row * inner : (row + 1) * inner + 1]
        return Strings(self.content, offsets, self.shape[1:])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_list())

    def to_list(self) -> list[Any]:
        """Lists of `bytes`, nested as the shape is."""
        found: list[Any] = self.to_numpy().tolist()
        return found

    def to_numpy(self) -> Array:
        """An array of `bytes` objects, of this shape."""
        objects = np.empty(len(self.offsets) - 1, object)
        begin = int(self.offsets[0])
        content = self.content[begin : self.offsets[-1]].tobytes()
        ends = (self.offsets - begin).tolist()
        objects[:] = [content[a:b] for a, b in pairwise(ends)]
        return objects.reshape(self.shape)

    def to_arrow(self) -> Any:
        """A `pyarrow.LargeBinaryArray` of the strings in row-major order, over the same memory."""
        import pyarrow as pa

        buffers = [None, pa.py_buffer(self.offsets), pa.py_buffer(self.content)]
        return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self.offsets) - 1, buffers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        objects = self.to_numpy()
        return objects if dtype is None else objects.astype(dtype)

    def __repr__(self) -> str:
        first = self.to_list() if len(self) <= 3 else [*self[:3].to_list(), ...]
        return f"Strings({first}, shape={self.shape})".replace("Ellipsis", "...")


class Ragged:
    """Rows of different lengths, as `tf.RaggedTensor` keeps them.

        visits = batch["visits"]
        visits[0]                            # the first row
        visits.to_list()
        visits.to_dense(length=8, fill=-1)   # padded

    Attributes:
        values: All rows' values, one behind another: an array of NumPy's, `Strings`, or `Ragged`.
        row_splits: int64: row `i` is `values[row_splits[i]:row_splits[i + 1]]`.
    """

    __slots__ = ("row_splits", "values")

    def __init__(self, values: Any, row_splits: Array) -> None:
        self.values, self.row_splits = values, row_splits

    @property
    def lengths(self) -> Array:
        """How many values each row has."""
        lengths: Array = np.diff(self.row_splits)
        return lengths

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    def __getitem__(self, index: Any) -> Any:
        """The values of a row, or some consecutive rows, for a slice."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise IndexError("only slices of consecutive rows are taken")
            splits = self.row_splits[start : max(start, stop) + 1]
            return Ragged(self.values[splits[0] : splits[-1]], splits - splits[0])
        row = range(len(self))[index]
        return self.values[self.row_splits[row] : self.row_splits[row + 1]]

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def to_list(self) -> list[Any]:
        """A list of each row."""
        ends = self.row_splits.tolist()
        flat = self.values.to_list() if hasattr(self.values, "to_list") else self.values.tolist()
        return [flat[a:b] for a, b in pairwise(ends)]

    def to_dense(self, length: int | None = None, fill: Any = None) -> Array:
        """An array `[rows, length]`; shorter rows are filled up behind their values.

        Strings become an array of `bytes` objects, and a `Ragged` of `Ragged` is made dense from
        the inside.

        Args:
            length: Of the rows; that of the longest by default.
            fill: What stands behind a row's values: 0, or b"" of strings, by default.

        Raises:
            ValueError: A row is longer than `length`.
        """
        values = self.values
        if isinstance(values, Strings):
            values = values.to_numpy()
        elif isinstance(values, Ragged):
            values = values.to_dense(fill=fill)
        lengths = self.lengths
        longest = int(lengths.max(initial=0))
        if length is None:
            length = longest
        elif longest > length:
            row = int(np.argmax(lengths > length))
            raise ValueError(
                f"row {row} has {int(lengths[row])} values, where there is room for {length}"
            )
        if fill is None:
            fill = b"" if values.dtype == object else 0
        dense: Array = np.full((len(self), length, *values.shape[1:]), fill, values.dtype)
        is_there = np.arange(length) < lengths[:, None]
        dense[is_there] = values[self.row_splits[0] : self.row_splits[-1]]
        return dense

    def __repr__(self) -> str:
        first = self.to_list() if len(self) <= 3 else [*self[:3].to_list(), ...]
        return f"Ragged({first}, rows={len(self)})".replace("Ellipsis", "...")

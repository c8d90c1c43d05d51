"""A worker's rows as tensors: Arrow's memory, mapped from disk, cut into batches by NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparktf.columns import arrow as tensors
from sparktf.columns.inputs import Input
from sparktf.training import spill as train_spill

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import NDArray

# TensorFlow takes rows over in blocks of several batches, for each costs some hundred microseconds.
_BLOCK_BYTES = 1 << 20

# Where rows are shuffled, pieces of so many are first, and then the rows of neighbouring ones. The
# pieces are by the rows' numbers: Arrow's batches end wherever Spark happened to cut what arrived.
_SHUFFLED_ROWS = 10_000


class Feed:
    """The rows of one worker, epoch after epoch.

    Args:
        spill: Descriptor of the file that has them.
        columns: Features, as in `TrainingContext.dataset`, and so are the next three.
        label: Name of a column.
        shapes: Column -> shape of one row.
        shuffle: Rows that are shuffled at a time.
        seeds: What the orders of the epochs follow from.

    Attributes:
        rows: How many.
        inputs: What the tensor of each column is like: of the features first, then of the label.
        features: Names of columns.
        takes_one: Whether the features are one tensor, not a dict.
        label: As given.
    """

    def __init__(
        self,
        spill: int,
        columns: str | Sequence[str] | None,
        label: str | None,
        shapes: Mapping[str, Sequence[int]] | None,
        shuffle: int,
        seeds: tuple[int, int],
    ) -> None:
        if not isinstance(shuffle, int) or shuffle < 0:
            raise ValueError(f"shuffle must be an integer of at least 0, not {shuffle!r}")
        self._batches = list(_cut(train_spill.read(spill), _SHUFFLED_ROWS))
        self._sizes = np.array([batch.num_rows for batch in self._batches])
        self._shuffle = shuffle
        self._seeds = [seed % (1 << 63) for seed in seeds]
        self.rows = int(self._sizes.sum())
        self.label = label
        self.takes_one = isinstance(columns, str)
        schema = self._batches[0].schema
        known = schema.names
        features = [columns] if isinstance(columns, str) else columns
        if features is None:
            features = [name for name in known if name != label]
        self.features = list(features)
        if not self.features:
            raise ValueError(
                "no column is left for the features"
                + (f": {label!r} is the label" if columns is None else ": columns is empty")
            )
        names = [*self.features, *([] if label is None else [label])]
        missing = [n for n in [*names, *(shapes or {})] if n not in known]
        if missing:
            raise ValueError(f"no column {missing[0]!r} among {', '.join(map(repr, known))}")
        twice = [n for n in names if known.count(n) > 1]
        if twice:
            raise ValueError(
                f"the DataFrame has {known.count(twice[0])} columns {twice[0]!r}, and which is "
                "meant cannot be told: rename them (DataFrame.toDF), or name other columns"
            )
        self.inputs: dict[str, _Column] = {}
        for name in names:
            given = None if shapes is None or name not in shapes else tuple(shapes[name])
            self.inputs[name] = _input(name, schema.field(name).type, given)
        # All rows are to be of the shape that the first ones have.
        for name, values in self._values(0).items():
            self.inputs[name] = replace(self.inputs[name], dims=values.shape[1:])

    def blocks(self, start: int, batch_size: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """Rows without end, from the row `start` of all epochs on, whole batches at a time."""
        first = self._values(0)
        row_bytes = sum(values[:1].nbytes for values in first.values())
        batches = max(1, _BLOCK_BYTES // max(1, row_bytes * batch_size))
        epoch, skipped = divmod(start, self.rows)
        rest: list[NDArray[Any]] = []
        while True:
            for piece in self._epoch(epoch, skipped, batches * batch_size):
                if rest:
                    piece = [np.concatenate(both) for both in zip(rest, piece, strict=True)]
                whole = len(piece[0]) // batch_size * batch_size
                if whole:
                    yield tuple(values[:whole] for values in piece)
                rest = [values[whole:] for values in piece] if whole < len(piece[0]) else []
            epoch, skipped = epoch + 1, 0

    def _epoch(self, epoch: int, skipped: int, most: int) -> Iterator[list[NDArray[Any]]]:
        """The rows of an epoch without the first ones, at most so many at a time."""
        if self._shuffle == 0:
            order: NDArray[np.intp] = np.arange(len(self._batches))
        else:
            random = np.random.default_rng([*self._seeds, epoch])
            pieces = (np.cumsum(self._sizes) - 1) // _SHUFFLED_ROWS
            places = random.permutation(int(pieces[-1]) + 1)
            order = np.argsort(places[pieces], kind="stable")
        ends = np.cumsum(self._sizes[order])
        known: dict[int, dict[str, NDArray[Any]]] = {}
        window = self._shuffle or most
        for first in range(0, self.rows, window):
            last = min(first + window, self.rows)
            rows = np.arange(first, last)
            if self._shuffle:
                random.shuffle(rows)
            if last <= skipped:
                continue
            low, high = np.searchsorted(ends, [first, last - 1], side="right")
            parts = order[low : high + 1]
            known = {part: known.get(part) or self._values(part) for part in parts}
            for i in range(max(0, skipped - first), len(rows), most):
                yield self._take(rows[i : i + most], order, ends, known)

    def _take(
        self,
        rows: NDArray[np.intp],
        order: NDArray[np.intp],
        ends: NDArray[np.intp],
        known: Mapping[int, Mapping[str, NDArray[Any]]],
    ) -> list[NDArray[Any]]:
        """The values of rows that are numbered in the epoch's order of the batches."""
        places = np.searchsorted(ends, rows, side="right")
        distinct = np.unique(places)
        offsets = rows - (ends - self._sizes[order])[places]
        if len(distinct) == 1:
            values = known[order[distinct[0]]]
            in_order = self._shuffle == 0
            at: Any = slice(offsets[0], offsets[-1] + 1) if in_order else offsets
            return [values[name][at] for name in self.inputs]
        taken = []
        for name in self.inputs:
            sample = known[order[distinct[0]]][name]
            into = np.empty((len(rows), *sample.shape[1:]), sample.dtype)
            for place in distinct:
                here = np.flatnonzero(places == place)
                into[here] = known[order[place]][name][offsets[here]]
            taken.append(into)
        return taken

    def _values(self, number: int) -> dict[str, NDArray[Any]]:
        """A batch's columns as arrays, which are views of the file where the types allow."""
        batch = self._batches[number]
        return {
            name: _array(batch.column(batch.schema.get_field_index(name)), to)
            for name, to in self.inputs.items()
        }


def _cut(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The batches, each cut where a multiple of `rows` is reached, without empty ones."""
    room = rows
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, room)
            yield piece
            start += piece.num_rows
            room = room - piece.num_rows or rows


class _Column(Input):
    def fail(self, problem: str) -> ValueError:
        wanted = "" if self.dims is None else f"; each is to be of shape {list(self.dims)}"
        return ValueError(f"{self.label}: {problem}{wanted}")


def _input(name: str, kind: pa.DataType, shape: tuple[int, ...] | None) -> _Column:
    label = f"column {name!r}"
    depth = 0
    leaf = kind
    while pa.types.is_list(leaf) or pa.types.is_large_list(leaf):
        leaf, depth = leaf.value_type, depth + 1
    is_binary = pa.types.is_binary(leaf) or pa.types.is_large_binary(leaf)
    if pa.types.is_struct(leaf):
        dtype = "float64"  # a Vector, or an error when it is looked at
    elif is_binary and depth == 0 and shape:
        dtype = "uint8"
    elif is_binary or pa.types.is_string(leaf) or pa.types.is_large_string(leaf):
        dtype = "string"
    elif pa.types.is_boolean(leaf):
        dtype = "bool"
    elif pa.types.is_decimal(leaf):
        dtype = "float64"
    elif pa.types.is_integer(leaf) or pa.types.is_floating(leaf):
        dtype = {"halffloat": "float16", "float": "float32", "double": "float64"}.get(
            str(leaf), str(leaf)
        )
    else:
        raise ValueError(
            f"{label} is of type {kind}, which has no tensor: cast it, or leave it out"
        )
    return _Column(name, label, dtype, shape)


def _array(column: pa.Array, to: Input) -> NDArray[Any]:
    if column.null_count:
        raise to.fail(f"{column.null_count} rows are null: fill them, or filter them out")
    if to.dtype == "uint8" and not pa.types.is_integer(column.type):
        column = _bytes(column, to)
    values = tensors.Rows(column, to).uniform(len(column))
    if values is None:
        raise to.fail("its rows are of different lengths: pad them to one")
    return values


def _bytes(column: pa.Array, to: Input) -> pa.Array:
    """Each value's bytes as a list of whole numbers; the bytes stay where they are."""
    offsets = np.frombuffer(
        column.buffers()[1],
        np.int64 if pa.types.is_large_binary(column.type) else np.int32,
        len(column) + 1,
        column.offset * (8 if pa.types.is_large_binary(column.type) else 4),
    )
    content = column.buffers()[2]
    values = pa.Array.from_buffers(
        pa.uint8(), int(offsets[-1] - offsets[0]), [None, content], offset=int(offsets[0])
    )
    lengths = pa.array(offsets - offsets[0])
    kind = pa.LargeListArray if pa.types.is_large_binary(column.type) else pa.ListArray
    return kind.from_arrays(lengths, values)


def dataset(feed: Feed, batch_size: int, start: Callable[[], int]) -> tf.data.Dataset:
    """The feed's rows in batches, from the row that `start` tells when an iteration begins."""
    import tensorflow as tf

    names = list(feed.inputs)

    def element(values: Sequence[Any]) -> Any:
        by_name = dict(zip(names, values, strict=True))
        features: Any = {name: by_name[name] for name in feed.features}
        if feed.takes_one:
            (features,) = features.values()
        return features if feed.label is None else (features, by_name[feed.label])

    specs = [
        tf.TensorSpec((None, *(to.dims or ())), tf.as_dtype(to.dtype))
        for to in feed.inputs.values()
    ]
    rows = tf.data.Dataset.from_generator(
        lambda: map(element, feed.blocks(start(), batch_size)), output_signature=element(specs)
    )
    return _without_end(rows.rebatch(batch_size, drop_remainder=True)).prefetch(tf.data.AUTOTUNE)


def resumed(dataset: tf.data.Dataset, count: Callable[[], int]) -> tf.data.Dataset:
    """An endless dataset without its first elements, counted when an iteration begins."""
    import tensorflow as tf

    def skip(_: Any) -> tf.data.Dataset:
        number = tf.py_function(lambda: tf.constant(count(), tf.int64), [], tf.int64)
        return dataset.skip(tf.reshape(number, []))

    return _without_end(tf.data.Dataset.range(1).flat_map(skip))


def _without_end(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset, known to be endless: otherwise all workers ask each other at each step whether
    there is one more, which takes milliseconds."""
    import tensorflow as tf

    return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

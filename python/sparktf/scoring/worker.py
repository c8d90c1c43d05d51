"""What the executors run for `sparktf.predict_udf`: Arrow columns in, one Arrow column out."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparktf.columns import arrow as tensors
from sparktf.columns.inputs import Input
from sparktf.extras import this_python
from sparktf.models import cache, files

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Output:
    """One output of the model.

    Attributes:
        column: Name of the column or of the struct's field.
        name: The model's name of it.
        dtype: TensorFlow's name of the dtype.
        depth: Its number of dimensions without the batch's.
    """

    column: str
    name: str
    dtype: str
    depth: int


@dataclass(frozen=True)
class Scoring:
    """All that a worker must know to score.

    Attributes:
        lacking: What to say where TensorFlow cannot be imported, see `interpreters.lacking`.
    """

    model: files.ModelLocation
    tags: tuple[str, ...]
    signature: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    batch_size: int
    threads: int
    lacking: str

    @property
    def arrow_type(self) -> pa.DataType:
        kinds = [tensors.arrow_type(output.dtype, output.depth) for output in self.outputs]
        if len(kinds) == 1:
            return kinds[0]
        names = [output.column for output in self.outputs]
        return pa.struct([pa.field(n, k) for n, k in zip(names, kinds, strict=True)])


@functools.lru_cache(maxsize=256)
def unpickled(payload: bytes) -> Scoring:
    scoring: Scoring = pickle.loads(payload)
    return scoring


def score_arrow(payload: bytes, columns: Sequence[pa.Array]) -> pa.Array:
    """What an arrow_udf runs for each Arrow batch."""
    try:
        return score(unpickled(payload), columns)
    except Exception as error:
        if not is_for_its_user(error):
            raise
        raise error.with_traceback(None) from None


def score_pandas(payload: bytes, packed: Sequence[bool], columns: Sequence[Any]) -> Any:
    """What a pandas_udf runs for each Arrow batch."""
    from sparktf.columns import series as pandas_columns

    scoring = unpickled(payload)
    try:
        arrow = [
            pandas_columns.from_pandas(column, to, pack)
            for column, to, pack in zip(columns, scoring.inputs, packed, strict=True)
        ]
        return pandas_columns.to_pandas(score(scoring, arrow))
    except Exception as error:
        if not is_for_its_user(error):
            raise
        raise error.with_traceback(None) from None


def is_for_its_user(error: Exception) -> bool:
    """Whether this package means its user to read it, who needs no way to where it arose.

    Spark shows each frame up to four times. What another package has raised keeps all that it has.
    """
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    arose_in = frame.tb_frame.f_globals.get("__name__", "") if frame else ""
    return type(error) in (ValueError, RuntimeError) and arose_in.startswith("sparktf.")


def score(scoring: Scoring, columns: Sequence[pa.Array]) -> pa.Array:
    """The model's outputs for each row of the columns, which are in the order of the inputs.

    A row that is null in any column gives null, and the model does not see it.

    Raises:
        ValueError: A column is not of a type, shape or range that its input takes.
    """
    count = len(columns[0])
    rows = None
    if any(column.null_count for column in columns):
        valid = np.ones(count, bool)
        for column in columns:
            valid &= column.is_valid().to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(valid)
        columns = [column.filter(pa.array(valid)) for column in columns]
    scored = count if rows is None else len(rows)
    if scored == 0:
        return pa.nulls(count, scoring.arrow_type)
    result = _score_rows(scoring, columns, scored)
    if rows is None:
        return result
    places = np.zeros(count, np.int64)
    places[rows] = np.arange(scored)
    return result.take(pa.array(places, mask=~valid))


def _score_rows(scoring: Scoring, columns: Sequence[pa.Array], count: int) -> pa.Array:
    # The model comes last: rows that do not fit fail without the seconds that loading it takes.
    inputs = [tensors.Rows(column, to) for column, to in zip(columns, scoring.inputs, strict=True)]
    arrays = {}
    for to, rows in zip(scoring.inputs, inputs, strict=True):
        values = rows.uniform(count)
        if values is None:
            return _score_by_shape(scoring, inputs, count)
        arrays[to.name] = values
    return _score_arrays(scoring, _model(scoring), arrays, count)


def _model(scoring: Scoring) -> cache.SignatureCall:
    try:
        return cache.get(
            scoring.model,
            scoring.tags,
            scoring.signature,
            [output.name for output in scoring.outputs],
            scoring.threads,
        )
    except ImportError as error:
        raise RuntimeError(scoring.lacking.format(this_python(), error)) from None


def _score_by_shape(scoring: Scoring, inputs: Sequence[tensors.Rows], count: int) -> pa.Array:
    """Rows of one shape together: those of a free dimension may differ from row to row."""
    numbered = [rows.by_shape(count) for rows in inputs]
    shapes = np.stack([numbers for numbers, _ in numbered], axis=1)
    groups, group = np.unique(shapes, axis=0, return_inverse=True)
    order = []
    results = []
    for index, numbers in enumerate(groups):
        rows = np.flatnonzero(group.reshape(count) == index)
        arrays = {
            to.name: part.take(rows, of[number], count)
            for to, part, (_, of), number in zip(
                scoring.inputs, inputs, numbered, numbers, strict=True
            )
        }
        results.append(_score_arrays(scoring, _model(scoring), arrays, len(rows)))
        order.append(rows)
    places = np.empty(count, np.int64)
    places[np.concatenate(order)] = np.arange(count)
    return pa.concat_arrays(results).take(pa.array(places))


def _score_arrays(
    scoring: Scoring, model: cache.SignatureCall, arrays: Mapping[str, NDArray[Any]], count: int
) -> pa.Array:
    parts = [
        model({name: values[part] for name, values in arrays.items()})
        for part in tensors.slices(count, scoring.batch_size)
    ]
    columns = []
    for output, pieces in zip(scoring.outputs, zip(*parts, strict=True), strict=True):
        if len({piece.shape[1:] for piece in pieces}) == 1:
            tensor = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            column = _to_arrow(tensor, output)
        else:  # a free dimension that differs from batch to batch
            column = pa.concat_arrays([_to_arrow(piece, output) for piece in pieces])
        columns.append(column)
    if len(columns) == 1:
        return columns[0]
    return pa.StructArray.from_arrays(columns, fields=list(scoring.arrow_type))


def _to_arrow(tensor: NDArray[Any], output: Output) -> pa.Array:
    if tensor.ndim - 1 != output.depth:
        raise ValueError(
            f"the model's output {output.name!r} is of shape {list(tensor.shape)}, but the "
            f"signature says that it has {output.depth + 1} dimensions"
        )
    return tensors.to_arrow(tensor, output.dtype, output.name)

"""What the executors run for `sparktf.predict_rdd`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa

from sparktf.columns.inputs import Input
from sparktf.scoring import worker

# Elements that become one Arrow column, and then the model's batches: so many at most, and no more
# than that take so much memory.
_ELEMENTS: Final = 10_000
_BYTES: Final = 64 << 20


def score(payload: bytes, fields: Sequence[str], elements: Iterable[Any]) -> Iterator[Any]:
    """The model's outputs for these fields of each element, or for elements that have none."""
    scoring = worker.unpickled(payload)
    field_of = _field if len(fields) > 1 else _only_field
    for piece in _pieces(elements, max(_ELEMENTS, scoring.batch_size)):
        try:
            columns = [
                _column([_plain(field_of(element, field)) for element in piece], to)
                for to, field in zip(scoring.inputs, fields, strict=True)
            ]
            scores = worker.score(scoring, columns).to_pylist()
        except Exception as error:
            if not worker.is_for_its_user(error):
                raise
            raise error.with_traceback(None) from None
        yield from scores


def _pieces(elements: Iterable[Any], most: int) -> Iterator[list[Any]]:
    piece: list[Any] = []
    held = 0
    for element in elements:
        piece.append(element)
        held += _size(element)
        if len(piece) == most or held >= _BYTES:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


def _size(element: Any) -> int:
    """The bytes of what is large in an element, roughly."""
    if isinstance(element, np.ndarray):
        return element.nbytes
    if isinstance(element, (str, bytes, bytearray)):
        return len(element)
    if hasattr(element, "toArray"):  # an ml Vector
        return 8 * len(element)
    if isinstance(element, dict):
        return sum(map(_size, element.values()))
    if isinstance(element, (list, tuple)):
        plain = len(element) > 0 and isinstance(element[0], (int, float))
        return 8 * len(element) if plain else sum(map(_size, element))
    return 0


def _column(values: list[Any], to: Input) -> pa.Array:
    try:
        try:
            return _array(values)
        except OverflowError:  # Arrow takes Python's ints for int64
            return _array([_with_decimals(value) for value in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise to.fail(f"its elements are not all of one type: {error}") from None
    except (pa.ArrowNotImplementedError, OverflowError) as error:
        raise to.fail(f"its elements are of no type that a tensor can have: {error}") from None


def _array(values: list[Any]) -> pa.Array:
    column = pa.array(values, from_pandas=False)
    if isinstance(column, pa.ChunkedArray):  # of more than 2 GiB
        raise OverflowError("they take more than 2 GiB together")
    return column


def _with_decimals(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_with_decimals(inner) for inner in value]
    return value


def _only_field(element: Any, field: str) -> Any:
    """What is for the one input of a model: the element, or of a Row or dict the field."""
    names = element if isinstance(element, dict) else getattr(element, "__fields__", None)
    if names is None:
        return element
    if field not in names and len(element) == 1 and not isinstance(element, dict):
        return element[0]
    return _field(element, field)


def _field(element: Any, field: str) -> Any:
    if element is None:
        return element
    if list(getattr(element, "__fields__", ())).count(field) > 1:
        raise ValueError(f"several fields {field!r} in an element: {element!r:.200}")
    try:
        return element[field]
    except (KeyError, ValueError, TypeError):  # of a dict, of a Row, of anything else
        raise ValueError(f"no field {field!r} in an element: {element!r:.200}") from None


def _plain(value: Any) -> Any:
    """What Arrow takes: of ml Vectors their values, of arrays of several dimensions lists."""
    if hasattr(value, "toArray"):
        return value.toArray()
    if isinstance(value, (list, tuple)):
        # Arrow would look into arrays of theirs as well, but not at their masks.
        kinds = set(map(type, value))
        nested = any(issubclass(kind, (np.ndarray, list, tuple)) for kind in kinds)
        return list(map(_plain, value)) if nested else value
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.name == "bfloat16":
        value = value.astype(np.float32)
    if value.ndim != 1 or isinstance(value, np.ma.MaskedArray):
        return value.tolist()  # None where it is masked
    return value.astype(value.dtype.newbyteorder("="), copy=False)

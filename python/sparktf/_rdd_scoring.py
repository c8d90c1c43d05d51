"""What the executors run for `sparktf.predict_rdd`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from sparktf import _scoring_worker as worker

# Elements that become one Arrow column, and then the model's batches.
_ELEMENTS: Final = 10_000


def score(payload: bytes, fields: Sequence[str] | None, elements: Iterable[Any]) -> Iterator[Any]:
    """The model's outputs for each element, or for these fields of each."""
    scoring = worker.unpickled(payload)
    names: Sequence[str | None] = fields or [None]
    rest = iter(elements)
    while piece := list(itertools.islice(rest, max(_ELEMENTS, scoring.batch_size))):
        columns = []
        for to, field in zip(scoring.inputs, names, strict=True):
            values = [_plain(_field(element, field)) for element in piece]
            try:
                columns.append(pa.array(values, from_pandas=False))
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise to.fail(f"its elements are not all of one type: {error}") from None
        yield from worker.score(scoring, columns).to_pylist()


def _field(element: Any, field: str | None) -> Any:
    if field is None or element is None:
        return element
    try:
        return element[field]
    except (KeyError, ValueError, TypeError):  # of a dict, of a Row, of anything else
        raise ValueError(f"no field {field!r} in an element: {element!r:.200}") from None


def _plain(value: Any) -> Any:
    """What Arrow takes: of ml Vectors their values, of arrays of several dimensions lists."""
    if isinstance(value, np.ndarray):
        return value if value.ndim == 1 else value.tolist()
    if hasattr(value, "toArray"):
        return value.toArray()
    return value

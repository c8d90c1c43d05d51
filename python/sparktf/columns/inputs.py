"""What a model takes in one input, and how errors speak of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Input:
    """An input of a model, filled by a column.

    Attributes:
        name: The model's name of it.
        label: How errors call the column that fills it.
        dtype: TensorFlow's name of the dtype.
        dims: Its shape without the batch dimension; None for a dimension that is free, and None
            instead of dims where the rank is not known.
    """

    name: str
    label: str
    dtype: str
    dims: tuple[int | None, ...] | None

    def fail(self, problem: str) -> ValueError:
        shape = "any shape" if self.dims is None else _shape_text(self.dims)
        return ValueError(
            f"{self.label}: {problem}; the model's input {self.name!r} takes {self.dtype} "
            f"of {shape} for each row"
        )


def _shape_text(dims: Sequence[int | None]) -> str:
    if not dims:
        return "one value"
    return f"shape [{', '.join('any' if d is None else str(d) for d in dims)}]"

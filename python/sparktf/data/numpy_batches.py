"""Runs of records as batches of NumPy's arrays: what `sparktf.batches` iterates over."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from sparktf.columns.arrays import Ragged, Strings
from sparktf.data.sources import Source
from sparktf.records.runs import Run


class Batches:
    """What `sparktf.batches` gives: to be iterated over, as often as one likes.

    Each iteration is one of `repeat` epochs, and each is shuffled anew.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seed = source.new_seed()
        self._next = 0  # iteration
        self._done = 0  # batches of it, which it leaves out
        self._current: _Iteration | None = None

    def __iter__(self) -> Iterator[Any]:
        self._current = _Iteration(self._source, self._seed, self._next, self._done)
        self._next, self._done = self._next + 1, 0
        return self._current

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration that was begun last is: small, and of JSON's types.

        Given to `load_state_dict` of the same call of `sparktf.batches`, in this process or in
        another one, the next iteration goes on with the batch that would have come next.

        Raises:
            ValueError: `deterministic=False` leaves the order open.
        """
        if not self._source.plan.in_turn:
            raise ValueError(
                "an iteration whose order is left open has no place: deterministic=False"
            )
        current = self._current
        place = (self._next, self._done) if current is None else (current.number, current.done)
        names = ("files", "seed", "iteration", "batches")
        return dict(zip(names, (_fingerprint(self._source), self._seed, *place), strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Where the next iteration begins: see `state_dict`.

        Records before that are read once more, but not decoded.

        Raises:
            ValueError: The state is of other files or of other arguments.
        """
        if state["files"] != _fingerprint(self._source):
            raise ValueError(
                "the state is of other files, or of other arguments, than these: with these its "
                "next batch would be another one"
            )
        self._seed, self._next = int(state["seed"]), int(state["iteration"])
        self._done, self._current = int(state["batches"]), None


class _Iteration(Iterator[Any]):
    def __init__(self, source: Source, seed: int, number: int, done: int) -> None:
        self.number, self.done = number, done
        self._batches = _decoded(source, source.reader(seed, number).batches(done))

    def __next__(self) -> Any:
        batch = next(self._batches)
        self.done += 1
        return batch


def _fingerprint(source: Source) -> str:
    known = [source.plan, source.selection, [(file.path, file.size) for file in source.files]]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def _decoded(source: Source, runs: Iterator[Run]) -> Iterator[Any]:
    decoder = source.decoder()
    size = source.plan.batch_size
    cores = _cores()

    def columns_of(run: Run) -> tuple[int, dict[str, Any]]:
        return len(run), _columns(source, run, decoder(run))

    waiting: deque[Future[tuple[int, dict[str, Any]]]] = deque()
    with (
        contextlib.closing(runs),  # type: ignore[type-var]
        ThreadPoolExecutor(cores, "sparktf-decode") as threads,
    ):
        try:
            for run in runs:
                waiting.append(threads.submit(columns_of, run))
                if len(waiting) > cores:
                    yield from _cut(source, size, *waiting.popleft().result())
            while waiting:
                yield from _cut(source, size, *waiting.popleft().result())
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    # Those that this process may use, where the system tells.
    known = getattr(os, "sched_getaffinity", None)
    return max(1, len(known(0)) if known is not None else os.cpu_count() or 1)


def _columns(source: Source, run: Run, decoded: list[Any]) -> dict[str, Any]:
    """All columns of some records, but for their padding."""
    selection = source.selection
    columns: dict[str, Any] = {}
    for (name, feature), values in zip(selection.features.items(), decoded, strict=True):
        if feature.shape is not None:
            values = _reshaped(values, (len(run), *feature.shape))
        columns[name] = values
    for name in selection.partitions:
        columns[name] = source.partition_values(name, run)
    for name, dtype in selection.dtypes.items():
        columns[name] = _cast(name, columns[name], np.dtype(dtype))
    return columns


def _reshaped(values: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(values, Strings):
        return Strings(values.content, values.offsets, shape)
    return values.reshape(shape)


def _cast(name: str, values: Any, dtype: Any) -> Any:
    """
    Raises:
        ValueError: A whole number is out of the range of a type of whole numbers.
    """
    if isinstance(values, Ragged):
        return Ragged(_cast(name, values.values, dtype), values.row_splits)
    if dtype.kind in "iu" and values.size:
        least, most = values.min(), values.max()
        bounds = np.iinfo(dtype)
        if not (bounds.min <= least and most <= bounds.max):
            raise ValueError(
                f"column {name!r} is to be {dtype.name}, but it has values from {least} to {most}"
            )
    return values.astype(dtype)


def _cut(source: Source, size: int, rows: int, columns: dict[str, Any]) -> Iterator[Any]:
    """Elements, batch by batch, without copies."""
    selection = source.selection
    for begin in range(0, rows, size):
        batch = {name: column[begin : begin + size] for name, column in columns.items()}
        for name, padding in selection.padding.items():
            try:
                batch[name] = batch[name].to_dense(padding.length, padding.value)
            except ValueError as error:
                raise ValueError(f"pad of {name!r}: {error}") from None
        yield selection.elements.element(batch)

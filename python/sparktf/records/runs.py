"""Records as they pass from files to columns: many at a time, where their bytes lie."""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sparktf.records import native
from sparktf.records.frames import CHECKSUM_BYTES, FRAME_BYTES, HEADER, masked_checksum
from sparktf.records.native import ADDRESS, LENGTH, RECORD, Frames, address_of

# An array of TensorFlow's begins at such an address, or else is copied.
_ALIGNMENT: Final = 64


@dataclass(frozen=True)
class Run:
    """Records one behind another.

    Attributes:
        rows: int64 `[records, RECORD]`, see `native.RECORD`.
        buffers: What the addresses in them point into, each with the checksum behind it.
    """

    rows: Any
    buffers: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Run:
        return Run(self.rows[index], self.buffers)

    @property
    def addresses(self) -> Any:
        return np.ascontiguousarray(self.rows[:, ADDRESS])

    @property
    def lengths(self) -> Any:
        return np.ascontiguousarray(self.rows[:, LENGTH])

    def record(self, row: int) -> bytes:
        return ctypes.string_at(int(self.rows[row, ADDRESS]), int(self.rows[row, LENGTH]))

    def checksum(self, row: int) -> int:
        """The one that lies behind a record."""
        behind = int(self.rows[row, ADDRESS] + self.rows[row, LENGTH])
        return int.from_bytes(ctypes.string_at(behind, CHECKSUM_BYTES), "little")


def empty_run() -> Run:
    return Run(np.empty((0, RECORD), np.int64), ())


def joined(runs: list[Run]) -> Run:
    """One behind another, where they lie."""
    if len(runs) == 1:
        return runs[0]
    buffers = {id(buffer): buffer for run in runs for buffer in run.buffers}
    return Run(np.concatenate([run.rows for run in runs]), tuple(buffers.values()))


def copied(run: Run) -> Run:
    """The same in one buffer of their own."""
    lengths = run.lengths
    sizes = lengths + CHECKSUM_BYTES
    buffer = new_buffer(int(sizes.sum()))
    library = native.library()
    if library is not None:
        library.copy(run.addresses, lengths, buffer)
    else:
        at = 0
        for address, size in zip(run.addresses.tolist(), sizes.tolist(), strict=True):
            buffer[at : at + size] = np.frombuffer(ctypes.string_at(address, size), np.uint8)
            at += size
    rows = run.rows.copy()
    rows[:, ADDRESS] = address_of(buffer) + np.cumsum(sizes) - sizes
    return Run(rows, (buffer,))


def frames_in(buffer: Any, most: int) -> Frames:
    """The whole frames at the beginning of an array of bytes, up to `most`.

    The checksums of lengths are compared, those of records are not.
    """
    library = native.library()
    if library is not None:
        return library.frames(buffer, most)
    checksum_of, content = masked_checksum(), memoryview(buffer)
    begins: list[int] = []
    lengths: list[int] = []
    at = needed = 0
    while len(begins) < most:
        needed = HEADER.size
        if len(content) - at < needed:
            break
        length, checksum = HEADER.unpack_from(content, at)
        if checksum_of(bytes(content[at : at + 8])) != checksum:
            needed = -1
            break
        needed = length + FRAME_BYTES
        if len(content) - at < needed:
            break
        begins.append(at + HEADER.size)
        lengths.append(length)
        at += needed
        needed = 0
    return Frames(np.array(begins, np.int64), np.array(lengths, np.int64), at, needed)


def exchanged(buffer: Any, coming: Any, draws: Any) -> Any:
    """The `draws[i]`-th rows of a buffer, whose place the i-th coming takes, one after another."""
    library = native.library()
    if library is not None:
        return library.exchange(buffer, np.ascontiguousarray(coming), draws)
    drawn = np.empty_like(coming)
    for number, place in enumerate(draws.tolist()):
        drawn[number] = buffer[place]
        buffer[place] = coming[number]
    return drawn


class _Lease:
    """Memory that goes back when the last array over it is gone."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        _give_back(self._memory)


# The system clears each page of memory that it gives, which takes as long as reading it. So what
# has been given once is used again: these are free.
_free: dict[int, list[Any]] = {}
_free_bytes = 0
_KEPT: Final = 64 << 20
_UNIT: Final = 1 << 20


def new_buffer(size: int) -> Any:
    """An array of so many bytes, which may hold anything, where TensorFlow takes it as it is."""
    global _free_bytes
    units = -(-(size + _ALIGNMENT) // _UNIT) * _UNIT
    if size < _UNIT // 4:
        memory = np.empty(size + _ALIGNMENT, np.uint8)
        begin = -address_of(memory) % _ALIGNMENT
        return memory[begin : begin + size]
    with contextlib.suppress(KeyError, IndexError):
        memory = _free[units].pop()
        _free_bytes -= units
        return np.asarray(_Lease(memory))[:size]
    memory = np.empty(units + _ALIGNMENT, np.uint8)
    begin = -address_of(memory) % _ALIGNMENT
    return np.asarray(_Lease(memory[begin : begin + units]))[:size]


def _give_back(memory: Any) -> None:
    global _free_bytes
    # Two threads may both find room: then there is a buffer more than there should be.
    if _free_bytes + memory.size <= _KEPT:
        _free_bytes += memory.size
        _free.setdefault(memory.size, []).append(memory)

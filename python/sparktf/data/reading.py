"""From files to runs of records in the order in which they are wanted, without TensorFlow."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, BinaryIO, Final

import numpy as np

from sparktf.data.plans import Plan
from sparktf.records.files import RecordFile
from sparktf.records.frames import (
    FRAME_BYTES,
    HEADER,
    DamagedFileError,
    bad_length,
    check_beginning,
    cut_off,
)
from sparktf.records.inflating import Inflated, InflateError
from sparktf.records.native import ADDRESS, FILE_NUMBER, LENGTH, OFFSET, RECORD, address_of
from sparktf.records.runs import Run, copied, exchanged, frames_in, joined, new_buffer

# Read at once of a file. Each piece costs some hundred microseconds on its way to TensorFlow.
_BLOCK: Final = 4 << 20
# Bytes that a shuffle's buffer may keep beside those of its records.
_WASTE: Final = 64 << 20

Opener = Callable[[str], BinaryIO]


class Reader:
    """Runs of records, as a plan has them.

    Args:
        files: All files.
        plan: Which of them are read, and how.
        open_file: Opens one by its path.
        seeds: Of all that is drawn.
    """

    def __init__(
        self, files: Sequence[RecordFile], plan: Plan, open_file: Opener, seeds: Sequence[int]
    ) -> None:
        self._files, self._plan, self._open, self._seeds = files, plan, open_file, seeds

    def batches(self, skipped: int = 0) -> Iterator[Run]:
        """Runs of as many whole batches as there are at hand; what is left of all comes last.

        Args:
            skipped: How many batches, from the beginning, are left out.

        Raises:
            DamagedFileError: A file is damaged, or shorter than it was when it was listed.
        """
        size = self._plan.batch_size
        return _in_batches(self._records(skipped * size), size, self._plan.drop_remainder)

    def _records(self, skipped: int) -> Iterator[Run]:
        epochs = self._plan.epochs
        with ThreadPoolExecutor(self._plan.reads, "sparktf-read") as threads:
            try:
                for epoch in itertools.count() if epochs is None else range(epochs):
                    any_records = False
                    for run in self._epoch(epoch, threads):
                        any_records = True
                        if skipped < len(run):
                            yield run[skipped:] if skipped else run
                        skipped = max(0, skipped - len(run))
                    if not any_records:
                        return  # or there would be no end to nothing
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _epoch(self, epoch: int, threads: ThreadPoolExecutor) -> Iterator[Run]:
        files = list(self._plan.files)
        if not self._plan.shuffle:
            yield from self._interleaved(files, threads)
            return
        random = np.random.default_rng([*self._seeds, epoch])
        random.shuffle(files)
        yield from _shuffled(self._interleaved(files, threads), self._plan.shuffle, random)

    def _interleaved(self, files: list[int], threads: ThreadPoolExecutor) -> Iterator[Run]:
        """The blocks of so many files at a time; of each the next is read meanwhile."""
        waiting = iter(files)
        turns: deque[tuple[Iterator[Run], Future[Run | None]]] = deque()

        def begin() -> None:
            for number in itertools.islice(waiting, self._plan.reads - len(turns)):
                blocks = self._blocks(number)
                turns.append((blocks, threads.submit(next, blocks, None)))

        begin()
        try:
            while turns:
                if not self._plan.in_turn:
                    done, _ = wait([future for _, future in turns], return_when=FIRST_COMPLETED)
                    while turns[0][1] not in done:
                        turns.rotate(-1)
                blocks, future = turns.popleft()
                run = future.result()
                if run is None:
                    begin()
                    continue
                turns.append((blocks, threads.submit(next, blocks, None)))
                if len(run):
                    yield run
        finally:
            for _, future in turns:
                future.cancel()

    def _blocks(self, number: int) -> Iterator[Run]:
        """The records of a file in runs, each of which lies in one buffer."""
        file = self._files[number]
        ordinal = 0
        for run in blocks_of(file, number, self._open):
            if self._plan.record_shard is None:
                yield run
                continue
            index, count = self._plan.record_shard
            # Each file begins with another shard, or the first would always get the most.
            yield run[(index - number - ordinal) % count :: count]
            ordinal += len(run)


def blocks_of(file: RecordFile, number: int, open_file: Opener) -> Iterator[Run]:
    """The records of a file in runs, each of which lies in one buffer.

    Args:
        file: Itself.
        number: Of it, among all.
        open_file: Opens it.

    Raises:
        DamagedFileError: It is damaged, or shorter than it was when it was listed.
    """
    path = file.path
    with open_file(path) as opened:
        listed = _Listed(opened, file)
        source: Any = (
            Inflated(listed, gzip=file.compression == "GZIP") if file.compression else listed
        )
        size = None if file.compression else file.size  # of the contents, where it is known
        rest: Any = np.empty(0, np.uint8)
        start, needed = 0, HEADER.size  # of `rest`, in the contents, and of its first frame
        while True:
            more = max(_BLOCK, needed - len(rest))
            if size is not None:
                # No memory is taken for what is not there.
                more = min(more, size - start - len(rest))
            try:
                buffer = _filled(source, rest, more)
            except InflateError as error:
                raise DamagedFileError(path, start, str(error)) from None
            if start == 0:
                check_beginning(path, buffer[: HEADER.size].tobytes(), size)
            is_end = len(buffer) < len(rest) + more or start + len(buffer) == size
            found = frames_in(buffer, len(buffer) // FRAME_BYTES)
            if found.needed < 0:
                raise bad_length(path, start + found.consumed)
            if len(found.begins):
                rows = np.empty((len(found.begins), RECORD), np.int64)
                rows[:, ADDRESS] = found.begins + address_of(buffer)
                rows[:, LENGTH] = found.lengths
                rows[:, OFFSET] = found.begins + (start - HEADER.size)
                rows[:, FILE_NUMBER] = number
                yield Run(rows, (buffer,))
            rest, start = buffer[found.consumed :], start + found.consumed
            needed = max(found.needed, HEADER.size)
            if is_end and len(rest):
                raise cut_off(path, start, needed - len(rest), needed == HEADER.size)
            if is_end:
                listed.check_end()
                return


class _Listed:
    """The bytes of a file that were there when it was listed, and no others."""

    def __init__(self, opened: BinaryIO, file: RecordFile) -> None:
        self._opened, self._file, self._left = opened, file, file.size

    def readinto(self, buffer: memoryview) -> int:
        if hasattr(self._opened, "readinto"):
            got: int = self._opened.readinto(buffer[: self._left])
        else:
            piece = self._opened.read(min(len(buffer), self._left))
            got = len(piece)
            buffer[:got] = piece
        if not got and self._left and len(buffer):
            self._complain()
        self._left -= got
        return got

    def read(self, size: int) -> bytes:
        piece = self._opened.read(min(size, self._left))
        if not piece and self._left and size:
            self._complain()
        self._left -= len(piece)
        return piece

    def check_end(self) -> None:
        if self._left:
            self._complain()

    def _complain(self) -> None:
        raise DamagedFileError(
            self._file.path,
            self._file.size - self._left,
            f"the file ends there, but it was changed since it was listed with {self._file.size} "
            "bytes",
        )


def _filled(source: Any, rest: Any, size: int) -> Any:
    """A buffer that begins with `rest`, and has up to `size` more bytes, fewer at the end."""
    buffer = new_buffer(len(rest) + size)
    buffer[: len(rest)] = rest
    at = len(rest)
    readinto = getattr(source, "readinto", None)
    while at < len(buffer):
        if readinto is not None:
            got = readinto(memoryview(buffer)[at:])
        else:
            piece = source.read(len(buffer) - at)
            got = len(piece)
            buffer[at : at + got] = np.frombuffer(piece, np.uint8)
        if not got:
            break
        at += got
    return buffer[:at]


def _shuffled(runs: Iterator[Run], size: int, random: np.random.Generator) -> Iterator[Run]:
    """The records, each drawn from a buffer of `size`, whose place the next to come takes."""
    places: Any = np.empty(
        (0, RECORD), np.int64
    )  # it grows, for there may be fewer records than asked
    count = 0
    held: dict[int, Any] = {}
    for run in runs:
        held.update((id(buffer), buffer) for buffer in run.buffers)
        taken = min(size - count, len(run))
        if count + taken > len(places):
            room = min(size, max(2 * len(places), count + taken))
            places = np.concatenate([places[:count], np.empty((room - count, RECORD), np.int64)])
        places[count : count + taken] = run.rows[:taken]
        count += taken
        if taken < len(run):
            draws = random.integers(0, size, len(run) - taken)
            drawn = exchanged(places, run.rows[taken:], draws)
            yield Run(drawn, tuple(held.values()))
        # A single record keeps the whole block that it came in.
        if sum(len(buffer) for buffer in held.values()) > _WASTE + 2 * int(
            places[:count, LENGTH].sum()
        ):
            compact = copied(Run(places[:count], ()))
            places[:count] = compact.rows
            held = {id(buffer): buffer for buffer in compact.buffers}
    if count:
        yield Run(places[random.permutation(count)], tuple(held.values()))


def _in_batches(runs: Iterator[Run], batch_size: int, drop_remainder: bool) -> Iterator[Run]:
    waiting: list[Run] = []
    count = 0
    with contextlib.closing(runs):  # type: ignore[type-var]
        for run in runs:
            waiting.append(run)
            count += len(run)
            if count < batch_size:
                continue
            whole = joined(waiting)
            end = count - count % batch_size
            yield whole[:end]
            # What is left holds only the bytes that it needs.
            waiting = [copied(whole[end:])] if end < count else []
            count -= end
        if waiting and not drop_remainder:
            yield joined(waiting)

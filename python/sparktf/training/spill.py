"""A worker's rows on its own disk: counted, read as often as there are epochs, mapped not copied.

The file has no name: its disk space is free again when the last process that has it open ends,
whatever ends that.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

# A column beside the user's, the last: where a row is among all rows, the same in each attempt. A
# worker gets rows of all partitions, in the order in which they happen to arrive.
PLACE: Final = "_sparktf_place"
PARTITION_BITS: Final = 33  # above the number of the row in its partition


class DiskError(OSError):
    """The rows do not fit on the disk; the message names the folder and the sizes."""


class Spill:
    """Rows in an unnamed file, which can be open elsewhere before they have come.

    Attributes:
        file: Open, at whatever position.
        rows: How many there are so far.
    """

    def __init__(self) -> None:
        """Opens the file.

        Raises:
            OSError: It cannot be made.
        """
        self.rows = 0
        self._bytes = 0
        self._folder = roomiest_folder()
        self.file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115
            prefix="sparktf-", dir=self._folder
        )
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch]) -> Spill:
        """All rows, written.

        Raises:
            DiskError: As `add` does.
        """
        spill = cls()
        try:
            for batch in batches:
                spill.add(batch)
            spill.finish()
        except BaseException:
            spill.close()
            raise
        return spill

    def add(self, batch: pa.RecordBatch) -> None:
        """Writes rows.

        Raises:
            DiskError: The disk is full.
        """
        import pyarrow as pa

        with self._disk():
            if self._writer is None:
                self._writer = pa.ipc.new_file(self.file, batch.schema)
            self._writer.write_batch(batch)
        self.rows += batch.num_rows
        self._bytes += batch.nbytes

    def finish(self) -> None:
        """Writes what makes the file readable, after the last rows.

        Raises:
            DiskError: As `add` does.
        """
        with self._disk():
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self.file.flush()

    def close(self) -> None:
        self.file.close()

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Those of the file are free again when its last user has ended.
            own = os.fstat(self.file.fileno()).st_blocks * 512
            free = shutil.disk_usage(self._folder).free + own
            raise DiskError(
                error.errno,
                f"the worker's rows do not fit on the disk of {self._folder}: {self._bytes:,} "
                f"bytes were written before {error.strerror or error}, and {free:,} bytes are "
                "free without them. spark.local.dir names folders on a larger disk; more "
                "processes have fewer rows each",
            ) from error


def roomiest_folder() -> str:
    """Of Spark's local folders on this machine the one with the most space."""
    named = os.environ.get("SPARK_LOCAL_DIRS") or os.environ.get("LOCAL_DIRS") or ""
    folders = [folder for folder in named.split(",") if folder and Path(folder).is_dir()]
    return max(folders, key=lambda f: shutil.disk_usage(f).free, default=tempfile.gettempdir())


def read(descriptor: int) -> list[pa.RecordBatch]:
    """The rows of a spill's file; their values stay in the file, mapped into memory.

    In the order of their places, whatever the order in which they came, and without these.
    """
    import pyarrow as pa

    if os.fstat(descriptor).st_size == 0:
        return []
    mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
    batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    if reader.schema.names[-1:] != [PLACE]:
        return batches
    return list(_in_order(batches))


def _in_order(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows by their last column, as few slices as can be: a merge of runs."""
    import numpy as np

    # A run is rows whose places ascend: the next one's first place, a number that tells runs
    # apart, the places, and the rows.
    runs: list[tuple[int, int, Any, pa.RecordBatch]] = []
    for batch in batches:
        places = batch.column(batch.num_columns - 1).to_numpy()
        rows = batch.select(range(batch.num_columns - 1))
        # One of several partitions would hold up others, whose rows are between.
        breaks = (np.diff(places) < 0) | (np.diff(places >> PARTITION_BITS) != 0)
        starts = [0, *(np.flatnonzero(breaks) + 1), len(places)]
        for start, end in itertools.pairwise(map(int, starts)):
            if end > start:
                run = rows.slice(start, end - start)
                runs.append((int(places[start]), len(runs), places[start:end], run))
    heapq.heapify(runs)
    while runs:
        _, number, places, rows = heapq.heappop(runs)
        end = int(np.searchsorted(places, runs[0][0])) if runs else len(places)
        yield rows.slice(0, end)
        if end < len(places):
            heapq.heappush(runs, (int(places[end]), number, places[end:], rows.slice(end)))

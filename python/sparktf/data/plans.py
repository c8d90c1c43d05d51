"""How records are led from files to batches: decided once, from the files and the arguments."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Records are handed from step to step in chunks, for each step costs some microseconds a piece:
# one by one they would cost more than their parsing. A chunk of large records is short, for
# several files are read at once.
_CHUNK_RECORDS: Final = 2048
_CHUNK_BYTES: Final = 2 << 20

# Parsing a chunk where it was read spares the threads the handing over of records, but its graph is
# set up again for each file (0.3 ms), which pays from some hundred records on; and batches are put
# together from pieces of as many tensors as there are columns, which pays up to some dozens.
_RECORDS_THAT_PAY: Final = 256
_COLUMNS_THAT_PAY: Final = 64

# How many files are read at once, unless the caller says. The order of the elements depends on
# it, so the machine's number of cores does not enter.
_READS: Final = 8

# Records are shuffled a whole buffer at a time up to this size, which takes three buffers of
# memory, and one by one beyond, which takes one.
_SHUFFLE_AT_ONCE_BYTES: Final = 128 << 20


class Parsing(enum.Enum):
    """Where records become tensors."""

    IN_READS = enum.auto()
    """A chunk at a time, where it was read; batches are cut from the chunks' tensors."""

    IN_CHUNKS = enum.auto()
    """A chunk at a time, behind the shuffling; batches are cut from the chunks' tensors."""

    IN_BATCHES = enum.auto()
    """A batch at a time, behind the shuffling."""


class Shuffling(enum.Enum):
    """How records change their order."""

    NONE = enum.auto()

    BUFFERS = enum.auto()
    """A whole buffer of records at a time, each in a random order."""

    RECORDS = enum.auto()
    """One by one, each drawn from a buffer that is filled up again."""


@dataclass(frozen=True)
class Plan:
    """
    Attributes:
        files: Positions of the files that are read, among all.
        record_shard: `(index, count)` where of each file every `count`-th record is wanted; None
            where all are.
        reads: Number of files read at once.
        chunk: Number of records that are handed on together.
        parsing: Where they become tensors.
        shuffling: How they are shuffled.
    """

    files: Sequence[int]
    record_shard: tuple[int, int] | None
    reads: int
    chunk: int
    parsing: Parsing
    shuffling: Shuffling


def make_plan(
    *,
    files: int,
    record_bytes: float,
    records_per_file: float,
    features: int,
    is_sliceable: bool,
    batch_size: int,
    shuffle: int,
    shard: tuple[int, int] | None,
    reads: int | None,
) -> Plan:
    """The plan for a dataset.

    Args:
        files: Their number.
        record_bytes: The mean size of a record in a sample.
        records_per_file: The mean number of records in a sample's files, at most as many as the
            sample takes of a file.
        features: Number of features that are parsed of a record.
        is_sliceable: Whether the tensors of a chunk can be cut into batches.
        batch_size, shuffle, shard: As in `sparktf.dataset`.
        reads: Number of files read at once, if the caller says.
    """
    index, count = shard or (0, 1)
    by_records = files < count
    read = range(files) if by_records else range(index, files, count)
    record_size = max(1, int(record_bytes))
    chunk = max(1, min(max(_CHUNK_RECORDS, batch_size), _CHUNK_BYTES // record_size))
    parsing = Parsing.IN_BATCHES
    # A small batch is a slice of a parsed chunk, where it can be: parsing has a price per call.
    if is_sliceable and batch_size < chunk:
        parsing = Parsing.IN_CHUNKS
        chunk -= chunk % batch_size
    if (
        is_sliceable
        and shuffle == 0
        # From a single file the next chunk is read while one is parsed.
        and len(read) > 1
        and records_per_file >= _RECORDS_THAT_PAY
        and features <= _COLUMNS_THAT_PAY
    ):
        parsing = Parsing.IN_READS
    shuffling = Shuffling.NONE
    if shuffle > 0:
        at_once = shuffle * record_size <= _SHUFFLE_AT_ONCE_BYTES
        shuffling = Shuffling.BUFFERS if at_once else Shuffling.RECORDS
    return Plan(
        files=read,
        record_shard=shard if by_records else None,
        reads=reads or max(1, min(_READS, len(read))),
        chunk=chunk,
        parsing=parsing,
        shuffling=shuffling,
    )

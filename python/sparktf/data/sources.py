"""What `sparktf.dataset` and `sparktf.batches` share: files, and what is wanted of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from sparktf.columns.arrays import Strings
from sparktf.data.plans import Plan, make_plan
from sparktf.data.reading import Reader
from sparktf.data.samples import take_sample
from sparktf.data.selections import Selection, select
from sparktf.records.decoding import RECORD_TYPES, WHOLE, Decoder, Wanted
from sparktf.records.files import PathLike, RecordFile, find_files
from sparktf.records.frames import check_beginning
from sparktf.records.native import FILE_NUMBER
from sparktf.records.runs import Run
from sparktf.storage.file_systems import FileSystem

_BITS = 63


@dataclass(frozen=True)
class Source:
    """
    Attributes:
        files: All files, in the order of their names.
        system: Where they are.
        plan: Which records are read, and in which order.
        seed: Of this order, where one is given.
        selection: What is wanted of them.
        known: File -> the number of its records, of those that the sample has whole.
        has_records: Whether the sample has some.
    """

    files: list[RecordFile]
    system: FileSystem
    plan: Plan
    seed: int | None
    selection: Selection
    known: dict[str, int]
    has_records: bool

    def reader(self, seed: int, iteration: int) -> Reader:
        """For the so manieth iteration by a seed; each has an order of its own."""
        return Reader(self.files, self.plan, self.open, (seed, iteration))

    def open(self, path: str) -> BinaryIO:
        return self.system.open(path)

    def new_seed(self) -> int:
        """The one that is given, or else another one each time; it is not negative."""
        return random.getrandbits(_BITS) if self.seed is None else self.seed % (1 << _BITS)

    def decoder(self) -> Decoder:
        """Of the columns in the records, in the order of the selection's features."""
        record_type = self.selection.record_type
        wanted = [feature.wanted for feature in self.selection.features.values()]
        if record_type == "ByteArray":
            wanted = [Wanted("", WHOLE, 1) for _ in wanted]
        return Decoder(wanted, self.paths, record_type)

    def records_decoder(self) -> Decoder:
        """Of the records themselves, as strings."""
        return Decoder([Wanted("", WHOLE, 1)], self.paths, "ByteArray")

    @property
    def paths(self) -> list[str]:
        return [file.path for file in self.files]

    def partition_values(self, name: str, run: Run) -> Any:
        """A partition column of these records, as an array of NumPy's, or `Strings`."""
        column, numbers = self.selection.partitions[name], run.rows[:, FILE_NUMBER]
        if column.dtype == "string":
            return Strings.of([str(value).encode() for value in column.values]).take(numbers)
        return np.array(column.values, column.dtype)[numbers]


def find(
    path: PathLike | Sequence[PathLike],
    system: FileSystem,
    *,
    compression: str,
    record_type: str | None,
    wanted: Mapping[str, Any],
    order: Mapping[str, Any],
) -> Source:
    """The files of a path, and a sample's answer to what is wanted of them.

    Args:
        path, compression, record_type: As in `sparktf.dataset`.
        system: Where the files are.
        wanted: The arguments of `selections.select`.
        order: Those of `plans.make_plan`.

    Raises:
        FileNotFoundError: There is no file.
        TypeError, ValueError: An argument does not fit, or the records do not.
        DamagedFileError: A file of the sample is damaged.
    """
    # What is wrong with an argument is told before a file is looked at.
    make_plan(1, **order)
    if record_type not in (None, *RECORD_TYPES):
        known = ", ".join(RECORD_TYPES)
        raise ValueError(f"record_type must be one of {known}, not {record_type!r}")
    files = find_files(path, compression, system)
    for file in files:
        if not file.compression:
            check_beginning(file.path, file.head, file.size)
    sample = take_sample(files, system.open, record_type)
    selection = select(files, sample, record_type=record_type, **wanted)
    return Source(
        files,
        system,
        make_plan(len(files), **order),
        order["seed"],
        selection,
        {path: sample.records[path] for path in sample.whole},
        bool(sample.records),
    )

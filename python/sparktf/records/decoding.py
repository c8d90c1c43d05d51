"""From records to columns of NumPy.

The library of native/ decodes what is laid out as TensorFlow and this project write it. A record
that is not (its fields in another order or twice, fields that an Example does not have) is written
once more by protobuf, whose rules so hold for it, and then decoded as all others are. Without that
library protobuf decodes all.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sparktf.columns.arrays import Ragged, Strings
from sparktf.records import native
from sparktf.records.frames import DamagedFileError, masked_checksum
from sparktf.records.messages import message_class
from sparktf.records.native import Column, Problem
from sparktf.records.record_types import AS_BYTES
from sparktf.records.runs import Run

#: The lists of a `Feature`, by their numbers.
KINDS: Final = (None, "bytes_list", "float_list", "int64_list")
#: The kind of a column that is the records themselves.
WHOLE: Final = "record"
_NUMBERS: Final = {kind: number for number, kind in enumerate((*KINDS, WHOLE))}
#: What records are, by their numbers.
RECORD_TYPES: Final = ("Example", "SequenceExample", "ByteArray")
_STRINGS: Final = ("bytes_list", WHOLE)
_DTYPES: Final = {"int64_list": np.int64, "float_list": np.float32}


@dataclass(frozen=True)
class Wanted:
    """A column that is wanted of the records.

    Attributes:
        name: Of the feature, or the feature list.
        kind: "int64_list", "float_list" or "bytes_list"; or WHOLE, of width 1.
        width: How many values each record must have; None for any number.
        default: These values, in row-major order, where a record lacks the feature; None where
            that is an error, or, without a width, where there are none.
        steps: Whether it is a feature list of a SequenceExample; then it has no width.
    """

    name: str
    kind: str
    width: int | None = None
    default: Sequence[Any] | None = None
    steps: bool = False

    @property
    def _form(self) -> int:
        if self.steps:
            return native.STEPS
        return native.RAGGED if self.width is None else native.DENSE


class Decoder:
    """Makes columns of records.

    Args:
        wanted: The columns, each of another name.
        files: Names of the files, as records number them.
        record_type: "Example", "SequenceExample", or "ByteArray", of which there is only the WHOLE.
    """

    def __init__(
        self, wanted: Sequence[Wanted], files: Sequence[str], record_type: str = "Example"
    ) -> None:
        self.wanted = list(wanted)
        self._files, self._record_type = files, record_type
        self._library = native.library()
        # Values, content bytes and steps of a column for each record, as far as is known.
        self._room = [[4.0, 16.0, 2.0] for _ in self.wanted]
        if self._library is not None:
            self._spec = _Spec(self.wanted, record_type, self._library)

    def spec(self, batch_size: int, shapes: Sequence[Sequence[int]]) -> Any:
        """What the operation of native/tensorflow.c takes for these columns, as uint8.

        Args:
            batch_size: Rows in a batch, 0 if all are one.
            shapes: Of a row, for each of the columns.
        """
        assert self._library is not None
        spec = _Spec(self.wanted, self._record_type, self._library, batch_size, shapes)
        return spec.content

    def __call__(self, run: Run) -> list[Any]:
        """The columns of these records, in the order in which they are wanted.

        Of one with a width they are flat: `width` values of each record, in an array or as
        `Strings`; of another `Ragged`, of a feature list `Ragged` of `Ragged`.

        Raises:
            DamagedFileError: A record's checksum does not fit it.
            ValueError: A record is no such message, or a feature is of another kind or has another
                number of values.
        """
        if self._library is None:
            return self._by_protobuf(run)
        flags = np.full(len(run), native.CHECK, np.uint8)
        columns, problems = self._by_library(run, flags)
        if problems:
            # What has been compared is not compared again, nor written again what was.
            rewritten, flags = self._rewritten(run, problems)
            columns, problems = self._by_library(rewritten, flags)
            if problems:
                raise self._error(run, problems[0])
        return columns

    # ------------------------------------------------------------ by the library

    def _by_library(self, run: Run, flags: Any) -> tuple[list[Any], list[Problem]]:
        assert self._library is not None
        rows, addresses, lengths = len(run), run.addresses, run.lengths
        while True:
            columns = self._spec.columns()
            arrays = [
                _Arrays(column, wanted, rows, room)
                for column, wanted, room in zip(columns, self.wanted, self._room, strict=True)
            ]
            problems = self._library.decode(
                addresses, lengths, flags, columns, self._spec.table, self._spec.record_type
            )
            if problems:
                return [], problems
            had_room = True
            for column, room in zip(columns, self._room, strict=True):
                had_room &= _learn(column, room, rows)
            if had_room:
                found = zip(arrays, columns, self.wanted, strict=True)
                return [array.column(column, wanted) for array, column, wanted in found], []

    def _rewritten(self, run: Run, problems: list[Problem]) -> tuple[Run, Any]:
        """The same records, those with problems as protobuf writes them."""
        rows = run.rows.copy()
        flags = np.zeros(len(run), np.uint8)
        buffers = []
        for problem in problems:
            if problem.problem == native.BAD_CHECKSUM:
                raise self._error(run, problem)
            written = rewritten(self._record_type, run.record(problem.row))
            if written is None:
                self._message(run, problem.row)  # which says why
                raise AssertionError(problem)
            buffer = np.frombuffer(written + b"\0", np.uint8)
            buffers.append(buffer)
            rows[problem.row, native.ADDRESS] = native.address_of(buffer)
            rows[problem.row, native.LENGTH] = len(buffer) - 1
            flags[problem.row] = native.FINAL
        return Run(rows, (*run.buffers, *buffers)), flags

    # ------------------------------------------------------------ by protobuf

    def _by_protobuf(self, run: Run) -> list[Any]:
        checksum_of = masked_checksum()
        values: list[list[Any]] = [[] for _ in self.wanted]
        ends: list[list[int]] = [[0] for _ in self.wanted]  # of rows
        steps: list[list[int]] = [[0] for _ in self.wanted]
        for row in range(len(run)):
            if checksum_of(run.record(row)) != run.checksum(row):
                raise self._error(run, Problem(row, -1, native.BAD_CHECKSUM, 0))
            features, lists = self._features(run, row)
            for number, wanted in enumerate(self.wanted):
                into = values[number]
                if wanted.kind == WHOLE:
                    into.append(run.record(row))
                    continue
                if wanted.steps:
                    for feature in lists[wanted.name].feature if wanted.name in lists else ():
                        into += self._values(run, row, number, feature) or ()
                        steps[number].append(len(into))
                    ends[number].append(len(steps[number]) - 1)
                    continue
                found = None
                if wanted.name in features:
                    found = self._values(run, row, number, features[wanted.name])
                into += self._checked(run, row, number, found)
                ends[number].append(len(into))
        return [
            _column(wanted, *parts)
            for wanted, *parts in zip(self.wanted, values, ends, steps, strict=True)
        ]

    def _features(self, run: Run, row: int) -> tuple[Any, Any]:
        """The features, or the context's, and the feature lists of a record; both are maps."""
        if self._record_type == "ByteArray":
            return {}, {}
        message = self._message(run, row)
        if self._record_type == "Example":
            return message.features.feature, {}
        return message.context.feature, message.feature_lists.feature_list

    def _values(self, run: Run, row: int, column: int, feature: Any) -> Any:
        """Those of a feature, None where it has no list. An empty list fits every type."""
        kind = feature.WhichOneof("kind")
        if kind is None:
            return None
        values = getattr(feature, kind).value
        if len(values) and kind != self.wanted[column].kind:
            raise self._error(run, Problem(row, column, native.BAD_KIND, KINDS.index(kind)))
        return values

    def _checked(self, run: Run, row: int, column: int, found: Any) -> Any:
        wanted = self.wanted[column]
        if found is None:
            if wanted.width is None:
                return ()
            if wanted.default is None:
                raise self._error(run, Problem(row, column, native.NO_VALUE, 0))
            return wanted.default
        if wanted.width is not None and len(found) != wanted.width:
            raise self._error(run, Problem(row, column, native.BAD_COUNT, len(found)))
        return found

    # ------------------------------------------------------------ both

    def _message(self, run: Run, row: int) -> Any:
        from google.protobuf.message import DecodeError

        name = self._record_type
        try:
            return message_class(name).FromString(run.record(row))
        except DecodeError as error:
            raise ValueError(
                f"{self._place(run, row)} is no tf.train.{name}: {error}. {AS_BYTES}"
            ) from None

    def _place(self, run: Run, row: int) -> str:
        _, _, offset, file = run.rows[row].tolist()
        return f"the record at byte {offset} of {self._files[file]}"

    def _error(self, run: Run, problem: Problem) -> ValueError:
        _, length, offset, file = run.rows[problem.row].tolist()
        if problem.problem == native.BAD_CHECKSUM:
            return DamagedFileError(
                self._files[file],
                offset,
                f"the checksum of a record of {length} bytes does not fit it",
            )
        wanted, place = self.wanted[problem.column], self._place(run, problem.row)
        if problem.problem == native.BAD_KIND:
            return ValueError(
                f"column {wanted.name!r} is to be of type {wanted.kind}, but it is of type "
                f"{KINDS[problem.found]} in {place}"
            )
        if problem.problem == native.BAD_COUNT:
            return ValueError(
                f"column {wanted.name!r} is to have {_counted(wanted.width)} in each record, but "
                f"{place} has {problem.found}"
            )
        if problem.problem == native.NO_VALUE:
            return ValueError(
                f"column {wanted.name!r} is null in {place}, and nothing is given for nulls: fill "
                "it before the data is written (df.na.fill), leave it out (columns=…), or give a "
                f"value: defaults={{{wanted.name!r}: …}}"
            )
        raise AssertionError(problem)


def rewritten(record_type: str, record: bytes) -> bytes | None:
    """A record as protobuf writes what it reads of it; None where it is no such message."""
    from google.protobuf.message import DecodeError

    try:
        message = message_class(record_type).FromString(record)
    except DecodeError:
        return None
    message.DiscardUnknownFields()
    written: bytes = message.SerializeToString()
    return written


def _counted(width: int | None) -> str:
    return f"{width} {'value' if width == 1 else 'values'}"


_HEADER_WORDS: Final = 5


class _Spec:
    """What is wanted, as the library and TensorFlow's operation take it.

    Attributes:
        record_type: Its number.
        content: uint8, as native/tensorflow.c says: with places in it for addresses.
        table: int32, by which columns are found.
    """

    def __init__(
        self,
        wanted: list[Wanted],
        record_type: str,
        library: native.Library,
        batch_size: int = 0,
        shapes: Sequence[Sequence[int]] = (),
    ) -> None:
        self.record_type = RECORD_TYPES.index(record_type)
        table_size = 1 << (4 * len(wanted) + 4).bit_length()
        begin = _HEADER_WORDS * 8 + len(wanted) * ctypes.sizeof(Column)
        parts: list[bytes] = []
        size = begin + 4 * table_size

        def place(part: bytes) -> int:
            nonlocal size
            at, part = size, part + bytes(-len(part) % 8)
            parts.append(part)
            size += len(part)
            return at

        columns = (Column * len(wanted))()
        for column, one in zip(columns, wanted, strict=True):
            name = one.name.encode()
            column.name, column.name_length = place(name + b"\0"), len(name)
            column.is_list, column.kind = one.steps, _NUMBERS[one.kind]
            column.form, column.width = one._form, one.width or 0
            if one.width is not None and one.default is not None:
                if one.kind == "bytes_list":
                    ends = np.cumsum([len(value) for value in one.default], dtype=np.int64)
                    column.missing = place(ends.tobytes() + bytes(8))
                    column.missing_content = place(b"".join(one.default) + b"\0")
                else:
                    values = np.array(one.default, _DTYPES[one.kind])
                    column.missing = place(values.tobytes() + bytes(8))
        for column, shape in zip(columns, shapes, strict=False):
            column.shape = place(np.array([len(shape), *shape], np.int64).tobytes())
        words = [len(wanted), self.record_type, begin, table_size, batch_size]
        header = np.array(words, np.int64)
        self.table = np.empty(table_size, np.int32)
        self.content = np.frombuffer(
            header.tobytes() + bytes(columns) + bytes(4 * table_size) + b"".join(parts), np.uint8
        ).copy()
        self._columns = bytes(self._at_addresses(columns))
        library.index(self.columns(), self.table)
        self.content[begin : begin + 4 * table_size] = self.table.view(np.uint8)

    def columns(self) -> Any:
        """The columns with addresses, for one call."""
        count = len(self._columns) // ctypes.sizeof(Column)
        return (Column * count).from_buffer_copy(self._columns)

    def _at_addresses(self, columns: Any) -> Any:
        begin = native.address_of(self.content)
        found = type(columns).from_buffer_copy(columns)
        for column in found:
            column.name += begin
            if column.missing:
                column.missing += begin
            if column.missing_content:
                column.missing_content += begin
        return found


# The tests put memory in its place that ends where it says.
_new_array: Any = np.empty


class _Arrays:
    """Memory for a column of some rows."""

    def __init__(self, column: Any, wanted: Wanted, rows: int, room: list[float]) -> None:
        size = rows * wanted.width if wanted.width is not None else math.ceil(rows * room[0])
        self.content = self.splits = self.steps = None
        if wanted.kind in _STRINGS:
            self.values = _new_array(size + 1, np.int64)
            self.content = _new_array(math.ceil(rows * room[1]), np.uint8)
            column.content, column.content_size = _lent(self.content)
        else:
            self.values = _new_array(size, _DTYPES[wanted.kind])
        column.values, column.values_size = native.address_of(self.values), size
        if wanted.width is None:
            self.splits = _new_array(rows + 1, np.int64)
            column.splits = native.address_of(self.splits)
        if wanted.steps:
            self.steps = _new_array(math.ceil(rows * room[2]) + 1, np.int64)
            column.steps, column.steps_size = native.address_of(self.steps), self.steps.size - 1

    def column(self, column: Any, wanted: Wanted) -> Any:
        values: Any = self.values
        if self.content is not None:
            ends = values[: column.values_used + 1]
            values = Strings(self.content[: column.content_used], ends)
        elif wanted.width is None:
            values = values[: column.values_used]
        if self.steps is not None:
            values = Ragged(values, self.steps[: column.steps_used + 1])
        return values if self.splits is None else Ragged(values, self.splits)


def _lent(array: Any) -> tuple[int, int]:
    return native.address_of(array), array.size


def _learn(column: Any, room: list[float], rows: int) -> bool:
    """Whether there was room for all; if not, there will be."""
    had_room = True
    for number, (used, size) in enumerate(
        (
            (column.values_used, column.values_size),
            (column.content_used, column.content_size),
            (column.steps_used, column.steps_size),
        )
    ):
        if used > size:
            had_room = False
            # So much for this call, and some more for the next.
            room[number] = max(room[number], 1.1 * used / max(1, rows) + 1)
    return had_room


def _column(wanted: Wanted, values: list[Any], ends: list[int], steps: list[int]) -> Any:
    if wanted.kind in _STRINGS:
        array: Any = Strings.of(values)
    else:
        array = np.array(values, _DTYPES[wanted.kind])
    if wanted.steps:
        array = Ragged(array, np.array(steps, np.int64))
    return array if wanted.width is not None else Ragged(array, np.array(ends, np.int64))

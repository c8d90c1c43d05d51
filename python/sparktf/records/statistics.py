"""What the records of TFRecord files hold, feature by feature, without TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from sparktf.records import record_types as record_kinds
from sparktf.records.messages import map_key, message_class

# Numbers that wait to be looked at together.
_PENDING: Final = 1 << 16
# From so many on, floats come sooner as the bytes of their message than one by one.
_MANY_FLOATS: Final = 16
# Different strings of a feature that are counted: those that come first, each of them exactly.
_MOST_STRINGS: Final = 10_000
# A longer string is text or an encoded image, of which none comes twice.
_LONGEST_STRING: Final = 128

#: The kind of a list to the type of its values in Spark; of bytes, where all of them are UTF-8.
SPARK_TYPES: Final = {"int64_list": "bigint", "float_list": "float", "bytes_list": "string"}


@dataclass
class FeatureStatistics:
    """What is known of one feature.

    Attributes:
        steps: Whether it is a feature list of a SequenceExample: a list of lists.
        kind: "int64_list", "float_list" or "bytes_list"; None where it was seen only empty. Whole
            numbers in some records and others in others are floats.
        kind_file: A file that shows the kind.
        is_mixed: Whether some of the floats were whole numbers, an "int64_list".
        present: Number of records that have it.
        shortest, longest: Number of values in a record that has it; of a feature list, of steps.
        values: Number of all values.
        minimum, maximum: Of numbers other than NaN; of strings the lengths in bytes.
        total: Sum of numbers other than NaN, or of the lengths of strings.
        nans: How many values are NaN.
        is_text: Whether all strings are UTF-8.
        strings: How often each of the first different short strings came.
        all_strings: Whether `strings` has all that came.
    """

    steps: bool = False
    kind: str | None = None
    kind_file: str = ""
    is_mixed: bool = False
    present: int = 0
    shortest: int = 0
    longest: int = 0
    values: int = 0
    minimum: float | int | None = None
    maximum: float | int | None = None
    total: float | int = 0
    nans: int = 0
    is_text: bool = True
    strings: Counter[bytes] = field(default_factory=Counter)
    all_strings: bool = True
    _pending: list[Any] = field(default_factory=list, repr=False)
    _arrays: list[Any] = field(default_factory=list, repr=False)  # of floats that wait, too
    _in_arrays: int = field(default=0, repr=False)

    def add(self, length: int) -> None:
        """A record that has the feature, with so many values or steps."""
        if not self.present or length < self.shortest:
            self.shortest = length
        if length > self.longest:
            self.longest = length
        self.present += 1

    def add_values(self, name: str, feature: Any, file: str) -> int:
        """The values of a `Feature` message, and how many they are."""
        kind = feature.WhichOneof("kind")
        if kind is None:
            return 0
        values = getattr(feature, kind).value
        count = len(values)
        if kind != self.kind and not (self.is_mixed and kind == "int64_list"):
            if count == 0:
                return 0  # an empty list is of any kind
            if self.kind is None:
                self.kind, self.kind_file = kind, file
            elif {self.kind, kind} == {"int64_list", "float_list"}:
                self.flush()
                self.kind, self.is_mixed = "float_list", True
            else:
                raise ValueError(
                    f"the feature {name!r} is of type {self.kind} in {self.kind_file} and of type "
                    f"{kind} in {file}"
                )
        self.values += count
        if kind == "bytes_list":
            for value in values:
                self._add_string(value)
        else:
            if count >= _MANY_FLOATS and kind == "float_list":
                packed = feature.float_list.SerializeToString()
                self._arrays.append(np.frombuffer(packed, "<f4", count, len(packed) - 4 * count))
                self._in_arrays += count
            else:
                self._pending.extend(values)
            if len(self._pending) + self._in_arrays >= _PENDING:
                self.flush()
        return count

    def _add_string(self, value: bytes) -> None:
        size = len(value)
        self._pending.append(size)
        if self.is_text and not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                self.is_text = False
        if size > _LONGEST_STRING:
            self.all_strings = False
        elif value in self.strings or len(self.strings) < _MOST_STRINGS:
            self.strings[value] += 1
        else:
            self.all_strings = False
        if len(self._pending) >= _PENDING:
            self.flush()

    def flush(self) -> None:
        """Takes the numbers that wait into account."""
        if not self._pending and not self._arrays:
            return
        is_float = self.kind == "float_list"
        numbers: Any = np.array(self._pending, np.float64 if is_float else np.int64)
        self._pending.clear()
        if is_float:
            numbers = np.concatenate([numbers, *self._arrays])
            self._arrays.clear()
            self._in_arrays = 0
            known = numbers[~np.isnan(numbers)]
            self.nans += len(numbers) - len(known)
            numbers = known
            if not len(numbers):
                return
            # Infinities of both signs have no sum, and that is what is said of them.
            with np.errstate(invalid="ignore", over="ignore"):
                self.total += float(numbers.sum())
        else:
            # Not NumPy's sum, which wraps around.
            low, high = numbers & 0xFFFFFFFF, numbers >> 32
            self.total += int(low.sum()) + (int(high.sum()) << 32)
        least, most = numbers.min().item(), numbers.max().item()
        self.minimum = least if self.minimum is None else min(self.minimum, least)
        self.maximum = most if self.maximum is None else max(self.maximum, most)

    @property
    def mean(self) -> float | None:
        """Of numbers other than NaN, or of the lengths of strings."""
        count = self.values - self.nans
        return self.total / count if count else None

    @property
    def kind_text(self) -> str:
        """What lists the values lie in."""
        return "int64_list, float_list" if self.is_mixed else str(self.kind)

    @property
    def spark_type(self) -> str | None:
        """The type that the data source infers for the column; None where none can be told."""
        if self.kind is None:
            return None
        leaf = SPARK_TYPES[self.kind]
        if self.kind == "bytes_list" and not self.is_text:
            leaf = "binary"
        if self.is_mixed:
            leaf = "double"  # which holds both
        if self.steps:
            return f"array<array<{leaf}>>"
        return f"array<{leaf}>" if self.longest > 1 else leaf


class Statistics:
    """Of the records that it was given.

    Attributes:
        records: Their number.
        size: Their bytes, without the frames.
        features: By name, in the order of first appearance: file by file those of an Example, or of
            a context, before the feature lists.
    """

    def __init__(self, record_type: str | None) -> None:
        """For records of type "Example", "SequenceExample" or "ByteArray"; None finds out."""
        self.records = 0
        self.size = 0
        self.features: dict[str, FeatureStatistics] = {}
        self._record_type = record_type
        self._in_file = ""
        self._files = 0
        self._features: dict[str, FeatureStatistics] = {}
        self._lists: dict[str, FeatureStatistics] = {}
        # Of a feature, or a list, which file was the first to have it.
        self._order: dict[tuple[str, bool], int] = {}
        self._kinds = record_kinds.Kinds()

    def add(self, record: bytes, file: str, offset: int = 0) -> None:
        """Looks at a record, which lies at `offset` in the file.

        Raises:
            ValueError: It is no message of the type, or a feature's kind is not that of others.
        """
        self.records += 1
        self.size += len(record)
        if self._record_type == "ByteArray":
            return
        if file != self._in_file:
            self._in_file = file
            self._files += 1
        features, lists = decode(record, self._record_type)
        if not self._kinds.is_known:
            place = f"the record at byte {offset} of {file}"
            self._kinds.add(place, record, features, lists)
        self._add_features(features, record, file)
        self._name(lists, record, steps=True)
        for name, steps in lists.items():
            statistics = self._lists[name]
            for feature in steps.feature:
                statistics.add_values(name, feature, file)
            statistics.add(len(steps.feature))

    def _add_features(self, features: Any, record: bytes, file: str) -> None:
        self._name(features, record, steps=False)
        known = self._features
        for name, feature in features.items():
            statistics = known[name]
            count = statistics.add_values(name, feature, file)
            if count or feature.WhichOneof("kind") is not None:
                statistics.add(count)

    def _name(self, names: Iterable[str], record: bytes, steps: bool) -> None:
        known = self._lists if steps else self._features
        new = [name for name in names if name not in known]
        # A map of protobuf has no order; the record has.
        for name in sorted(new, key=lambda name: record.find(map_key(name))):
            known[name] = FeatureStatistics(steps)
            self._order[name, steps] = self._files

    def finish(self) -> Statistics:
        """Itself, with all numbers taken into account.

        Raises:
            ValueError: The records are messages of another kind, or something is a feature of the
                context and a feature list.
        """
        if self._record_type is None:
            self._kinds.check()
        for name, is_list in sorted(self._order, key=lambda key: (self._order[key], key[1])):
            found = (self._lists if is_list else self._features)[name]
            found.flush()
            other = self.features.get(name)
            if other is not None and other.kind and found.kind:
                raise ValueError(
                    f"{name!r} is a feature of the context and a feature list (in "
                    f"{other.kind_file} and {found.kind_file}): no table has both"
                )
            if other is None or found.kind:
                self.features[name] = found
        return self


def decode(record: bytes, record_type: str | None) -> tuple[Any, Any]:
    """The features and the feature lists of a record that is no "ByteArray"; None finds out which.

    Raises:
        DecodeError: It is no such message.
    """
    example = message_class("Example")
    if record_type == "Example":
        return example.FromString(record).features.feature, {}
    sequence = message_class("SequenceExample")
    if record_type is None:
        return record_kinds.parse(record, example, sequence)
    message = sequence.FromString(record)
    return message.context.feature, message.feature_lists.feature_list

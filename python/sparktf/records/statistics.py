"""What the records of TFRecord files hold, feature by feature, without TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from sparktf.records.inference import NUMBERS, SeenFeature
from sparktf.records.messages import in_order
from sparktf.records.record_types import RecordTypes, decode

# Numbers that wait to be looked at together.
_PENDING: Final = 1 << 16
# From so many on, floats come sooner as the bytes of their message than one by one.
_MANY_FLOATS: Final = 16
# Different strings of a feature that are counted: those that come first, each of them exactly.
_MOST_STRINGS: Final = 10_000
# A longer string is text or an encoded image, of which none comes twice.
_LONGEST_STRING: Final = 128


@dataclass
class FeatureStatistics(SeenFeature):
    """What is known of one feature and of its values.

    Attributes:
        values: Number of all values.
        minimum, maximum: Of numbers other than NaN; of strings the lengths in bytes.
        total: Sum of numbers other than NaN, or of the lengths of strings.
        nans: How many values are NaN.
        is_text: Whether all strings are UTF-8.
        strings: How often each of the first different short strings came.
        all_strings: Whether `strings` has all that came.
    """

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

    def add_values(self, name: str, feature: Any, file: str) -> int:
        """The values of a `Feature` message, and how many they are."""
        kind = feature.WhichOneof("kind")
        if kind is None:
            return 0
        values = getattr(feature, kind).value
        count = len(values)
        if count and kind not in self.kinds:
            if self.kinds and not {kind, *self.kinds} <= NUMBERS:
                seen, seen_in = next(iter(self.kinds.items()))
                raise ValueError(
                    f"the feature {name!r} is of type {seen} in {seen_in} and of type {kind} in "
                    f"{file}"
                )
            self.flush()  # as numbers of the kind that they were
        self.add_kind(kind, count, file)
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
    def _value_type(self) -> str:
        if self.kind == "bytes_list" and not self.is_text:
            return "binary"
        return super()._value_type


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
        self._record_types = RecordTypes()

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
        if not self._record_types.is_known:
            place = f"the record at byte {offset} of {file}"
            self._record_types.add(place, record, features, lists)
        self._add_features(features, record, file)
        self._name(lists, record, steps=True)
        for name, steps in lists.items():
            statistics = self._lists[name]
            for feature in steps.feature:
                statistics.add_values(name, feature, file)
            statistics.add_record(len(steps.feature), file)

    def _add_features(self, features: Any, record: bytes, file: str) -> None:
        self._name(features, record, steps=False)
        known = self._features
        for name, feature in features.items():
            statistics = known[name]
            count = statistics.add_values(name, feature, file)
            if count or feature.WhichOneof("kind") is not None:
                statistics.add_record(count, file)

    def _name(self, names: Iterable[str], record: bytes, steps: bool) -> None:
        known = self._lists if steps else self._features
        for name in in_order((name for name in names if name not in known), record):
            known[name] = FeatureStatistics(steps)
            self._order[name, steps] = self._files

    def finish(self) -> Statistics:
        """Itself, with all numbers taken into account.

        Raises:
            ValueError: The records are messages of another kind, or something is a feature of the
                context and a feature list.
        """
        if self._record_type is None:
            self._record_types.check()
        for name, is_list in sorted(self._order, key=lambda key: (self._order[key], key[1])):
            found = (self._lists if is_list else self._features)[name]
            found.flush()
            other = self.features.get(name)
            if other is not None and other.kind and found.kind:
                raise ValueError(
                    f"{name!r} is a feature of the context and a feature list (in "
                    f"{next(iter(other.kinds.values()))} and {next(iter(found.kinds.values()))}): "
                    "no table has both"
                )
            if other is None or found.kind:
                self.features[name] = found
        return self

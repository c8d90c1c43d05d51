"""What a sample of the records says of their features."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sparktf.data import record_datasets
from sparktf.records import record_types as record_kinds
from sparktf.records.files import RecordFile, evenly_spaced
from sparktf.records.frames import DamagedFileError, read_records
from sparktf.records.messages import map_key
from sparktf.storage.file_systems import TensorFlowFiles

# The sample's bounds. It is taken in Python, some 10 us a record, before the first batch.
_MAX_FILES: Final = 32
_MAX_RECORDS: Final = 10_000
_MAX_RECORDS_PER_FILE: Final = 1_000
_MAX_BYTES: Final = 64 << 20

_DTYPES: Final = {"int64_list": "int64", "float_list": "float32", "bytes_list": "string"}


@dataclass
class Feature:
    """What is known of one feature.

    Attributes:
        kind: "int64_list", "float_list" or "bytes_list"; None where it was seen only empty.
        kind_file: A file that shows the kind.
        other_kind, other_file: Another kind that it has elsewhere, and a file that shows it.
        shortest, longest: Number of values, over the records that have the feature.
        shortest_file, longest_file: Files that have a list as short and as long.
        records: File -> number of records sampled from it that have the feature.
    """

    kind: str | None = None
    kind_file: str = ""
    other_kind: str | None = None
    other_file: str = ""
    shortest: int = 0
    shortest_file: str = ""
    longest: int = 0
    longest_file: str = ""
    records: dict[str, int] = field(default_factory=dict)

    @property
    def dtype(self) -> str | None:
        return _DTYPES[self.kind] if self.kind else None

    def add(self, kind: str | None, length: int, file: str) -> None:
        if kind is not None and self.kind is None:
            self.kind, self.kind_file = kind, file
        elif kind not in (None, self.kind) and self.other_kind is None:
            self.other_kind, self.other_file = kind, file
        if length < self.shortest or not self.shortest_file:
            self.shortest, self.shortest_file = length, file
        if length > self.longest or not self.longest_file:
            self.longest, self.longest_file = length, file
        self.records[file] = self.records.get(file, 0) + 1


@dataclass
class Sample:
    """A sample of records.

    Attributes:
        features: By name, in the order of first appearance.
        feature_lists: Of SequenceExamples by name, each with a file that shows it.
        records: File -> number of records sampled from it.
        size: Bytes of all records sampled, without their frames.
    """

    features: dict[str, Feature] = field(default_factory=dict)
    feature_lists: dict[str, str] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    size: int = 0
    _kinds: record_kinds.Kinds = field(default_factory=record_kinds.Kinds)

    @property
    def mean_record_bytes(self) -> float:
        return self.size / max(1, sum(self.records.values()))

    @property
    def mean_records_per_file(self) -> float:
        """Of those sampled: few where the files have few."""
        return sum(self.records.values()) / max(1, len(self.records))

    def file_without(self, name: str) -> str | None:
        """A file that has a record without the feature, where there is one."""
        found = self.features[name].records if name in self.features else {}
        return next((file for file, n in self.records.items() if found.get(file, 0) < n), None)

    def fixed_length(self, name: str) -> int | None:
        """The number of values in the feature, where every record has as many and at least one."""
        feature = self.features.get(name)
        if feature is None or self.file_without(name) is not None:
            return None
        return feature.longest if feature.shortest == feature.longest > 0 else None

    def add(self, record: bytes, file: str) -> None:
        import tensorflow as tf
        from google.protobuf.message import DecodeError

        place = f"record {self.records.get(file, 0)} of {file}"
        try:
            features, lists = record_kinds.parse(record, tf.train.Example, tf.train.SequenceExample)
        except DecodeError as e:
            raise ValueError(
                f"{place} is no tf.train.Example: {e}. {record_kinds.AS_BYTES}"
            ) from None
        if not self._kinds.is_known:
            self._kinds.add(place, record, features, lists)
        for name in lists:
            self.feature_lists.setdefault(name, file)
        self.records[file] = self.records.get(file, 0) + 1
        self.size += len(record)
        new = [name for name in features if name not in self.features]
        # A protobuf map has no order; the record has.
        for name in sorted(new, key=lambda name: record.find(map_key(name))):
            self.features[name] = Feature()
        for name, value in features.items():
            kind = value.WhichOneof("kind")
            length = len(getattr(value, kind).value) if kind else 0
            self.features[name].add(kind, length, file)

    def check(self) -> None:
        """
        Raises:
            ValueError: The records are messages of another kind.
        """
        self._kinds.check()


def take_sample(files: Sequence[RecordFile]) -> Sample:
    """Looks at the first records of some of the files, evenly spread, the first and last included.

    Raises:
        ValueError: A record is no `tf.train.Example`; the message names its file.
        tf.errors.DataLossError: A file is damaged; the message names it.
    """
    sample = Sample()
    files = evenly_spaced(files, _MAX_FILES)
    limit = min(_MAX_RECORDS_PER_FILE, _MAX_RECORDS // max(1, len(files)))
    for number, file in enumerate(files, start=1):
        for record in _first_records(file, limit):
            sample.add(record, file.path)
            if sample.size >= _MAX_BYTES * number / len(files):
                break
    return sample


def _first_records(file: RecordFile, limit: int) -> Iterator[bytes]:
    import tensorflow as tf

    try:
        yield from itertools.islice(record_datasets.records(file), limit)
    except tf.errors.DataLossError as e:
        raise tf.errors.DataLossError(e.node_def, e.op, _damage(file, e.message)) from None


def _damage(file: RecordFile, message: str) -> str:
    """What is wrong with a file that cannot be read to its end, with the place."""
    try:
        for _ in read_records(file.path, file.compression, file=TensorFlowFiles().open(file.path)):
            pass
    except DamagedFileError as e:
        return str(e)
    return message  # as it may be where the file has changed

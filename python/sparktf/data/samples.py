"""What a sample of the records says of their features."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sparktf.columns.dtypes import of_feature_list
from sparktf.data import record_datasets
from sparktf.records.files import RecordFile, evenly_spaced
from sparktf.records.frames import DamagedFileError, read_records
from sparktf.records.inference import SeenFeature
from sparktf.records.messages import in_order
from sparktf.records.record_types import AS_BYTES, RecordTypes, decode
from sparktf.storage.file_systems import TensorFlowFiles

# The sample's bounds. It is taken in Python, some 10 us a record, before the first batch.
_MAX_FILES: Final = 32
_MAX_RECORDS: Final = 10_000
_MAX_RECORDS_PER_FILE: Final = 1_000
_MAX_BYTES: Final = 64 << 20


@dataclass
class SampledFeature(SeenFeature):
    """What a sample shows of one feature.

    Attributes:
        records: File -> number of records sampled from it that have the feature.
    """

    records: Counter[str] = field(default_factory=Counter)

    @property
    def dtype(self) -> str | None:
        """What its values are read as; None where the sample shows no list of it."""
        kind = next(iter(self.all_kinds), None)
        return None if kind is None else of_feature_list(kind)


@dataclass
class Sample:
    """A sample of records.

    Attributes:
        features: By name, in the order of first appearance.
        feature_lists: Of SequenceExamples by name, each with a file that shows it.
        records: File -> number of records sampled from it.
        size: Bytes of all records sampled, without their frames.
    """

    features: dict[str, SampledFeature] = field(default_factory=dict)
    feature_lists: dict[str, str] = field(default_factory=dict)
    records: Counter[str] = field(default_factory=Counter)
    size: int = 0
    _record_types: RecordTypes = field(default_factory=RecordTypes)

    @property
    def mean_record_bytes(self) -> float:
        return self.size / max(1, sum(self.records.values()))

    @property
    def mean_records_per_file(self) -> float:
        """Of those sampled: few where the files have few."""
        return sum(self.records.values()) / max(1, len(self.records))

    def file_without(self, name: str) -> str | None:
        """A file that has a record without the feature, where there is one."""
        having = self.features[name].records if name in self.features else Counter[str]()
        return next((file for file, n in self.records.items() if having[file] < n), None)

    def fixed_length(self, name: str) -> int | None:
        """The number of values in the feature, where every record has as many and at least one."""
        feature = self.features.get(name)
        if feature is None or self.file_without(name) is not None:
            return None
        return feature.longest if feature.shortest == feature.longest > 0 else None

    def add(self, record: bytes, file: str) -> None:
        from google.protobuf.message import DecodeError

        place = f"record {self.records[file]} of {file}"
        try:
            features, lists = decode(record, None)
        except DecodeError as e:
            raise ValueError(f"{place} is no tf.train.Example: {e}. {AS_BYTES}") from None
        if not self._record_types.is_known:
            self._record_types.add(place, record, features, lists)
        for name in lists:
            self.feature_lists.setdefault(name, file)
        self.records[file] += 1
        self.size += len(record)
        for name in in_order((n for n in features if n not in self.features), record):
            self.features[name] = SampledFeature()
        for name, value in features.items():
            kind = value.WhichOneof("kind")
            if kind is None:
                continue  # as good as no feature
            feature, count = self.features[name], len(getattr(value, kind).value)
            feature.add_kind(kind, count, file)
            feature.add_record(count, file)
            feature.records[file] += 1

    def check(self) -> None:
        """
        Raises:
            ValueError: The records are messages of another kind.
        """
        self._record_types.check()


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

"""What a sample of the records says of their features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from sparktf.columns.dtypes import of_feature_list
from sparktf.records.files import RecordFile, evenly_spaced
from sparktf.records.frames import read_records
from sparktf.records.inference import SeenFeature
from sparktf.records.messages import in_order
from sparktf.records.record_types import AS_BYTES, RecordTypes, decode

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

    @property
    def a_file(self) -> str:
        """One that has it."""
        return next(iter(self.records))

    def add(self, length: int, file: str) -> None:
        """A record of a file that has it, with so many values or steps."""
        self.add_record(length, file)
        self.records[file] += 1


@dataclass
class Sample:
    """A sample of records.

    Attributes:
        features: By name, in the order of first appearance; of SequenceExamples the context's.
        feature_lists: Of SequenceExamples, likewise.
        records: File -> number of records sampled from it.
        size: Bytes of all records sampled, without their frames.
        whole: Files of which it has all records.
    """

    features: dict[str, SampledFeature] = field(default_factory=dict)
    feature_lists: dict[str, SampledFeature] = field(default_factory=dict)
    records: Counter[str] = field(default_factory=Counter)
    size: int = 0
    whole: set[str] = field(default_factory=set)
    _record_types: RecordTypes = field(default_factory=RecordTypes)

    @property
    def mean_record_bytes(self) -> float:
        return self.size / max(1, sum(self.records.values()))

    def file_without(self, name: str) -> str | None:
        """A file that has a record without the feature, where there is one."""
        having = self.features[name].records if name in self.features else Counter[str]()
        return next((file for file, n in self.records.items() if having[file] < n), None)

    def fixed_length(self, name: str, may_lack: bool = False) -> int | None:
        """The number of values in the feature, where every record has as many and at least one.

        With `may_lack` those records count that have it.
        """
        feature = self.features.get(name)
        if feature is None or not (may_lack or self.file_without(name) is None):
            return None
        return feature.longest if feature.shortest == feature.longest > 0 else None

    def add(self, record: bytes, file: str, record_type: str | None) -> None:
        from google.protobuf.message import DecodeError

        place = f"record {self.records[file]} of {file}"
        self.records[file] += 1
        self.size += len(record)
        if record_type == "ByteArray":
            return
        try:
            features, lists = decode(record, record_type)
        except DecodeError as e:
            name = record_type or "Example"
            raise ValueError(f"{place} is no tf.train.{name}: {e}. {AS_BYTES}") from None
        if not self._record_types.is_known:
            self._record_types.add(place, record, features, lists)
        for name in in_order((n for n in features if n not in self.features), record):
            self.features[name] = SampledFeature()
        for name, value in features.items():
            kind = value.WhichOneof("kind")
            if kind is None:
                continue  # as good as no feature
            count = len(getattr(value, kind).value)
            self.features[name].add_kind(kind, count, file)
            self.features[name].add(count, file)
        for name in in_order((n for n in lists if n not in self.feature_lists), record):
            self.feature_lists[name] = SampledFeature(steps=True)
        for name, steps in lists.items():
            self._add_steps(self.feature_lists[name], steps.feature, file)

    def _add_steps(self, feature: SampledFeature, steps: Any, file: str) -> None:
        for step in steps:
            kind = step.WhichOneof("kind")
            if kind is not None:
                feature.add_kind(kind, len(getattr(step, kind).value), file)
        feature.add(len(steps), file)

    def check(self) -> None:
        """
        Raises:
            ValueError: The records are messages of another kind.
        """
        self._record_types.check()


def take_sample(
    files: Sequence[RecordFile], open_file: Callable[[str], BinaryIO], record_type: str | None
) -> Sample:
    """Looks at the first records of some of the files, evenly spread, the first and last included.

    Args:
        files: All of them.
        open_file: Opens one by its path.
        record_type: What the records are; None finds out whether they have feature lists.

    Raises:
        ValueError: A record is no such message; the error names its file.
        DamagedFileError: A file is damaged.
    """
    sample = Sample()
    files = evenly_spaced(files, _MAX_FILES)
    limit = min(_MAX_RECORDS_PER_FILE, _MAX_RECORDS // max(1, len(files)))
    for number, file in enumerate(files, start=1):
        with open_file(file.path) as opened:
            records = read_records(file.path, file.compression, file=opened, size=file.size)
            for _, record in records:
                if sample.records[file.path] == limit or sample.size >= _MAX_BYTES * number / len(
                    files
                ):
                    break
                sample.add(record, file.path, record_type)
            else:
                sample.whole.add(file.path)
    return sample

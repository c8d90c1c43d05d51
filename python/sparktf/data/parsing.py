"""From serialized records to tensors: which columns are wanted, and as what features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparktf.data.feature_specs import Column, Shapes, check_shapes, feature, spark_columns
from sparktf.data.samples import Sample
from sparktf.records import partitions
from sparktf.records.files import RecordFile


@dataclass(frozen=True)
class Wanted:
    """What a dataset's elements consist of.

    Attributes:
        names: Of all columns wanted.
        features: Names of those among the features; a single name stands for the bare tensor.
        label: Name of the label, if there is one.
    """

    names: tuple[str, ...]
    features: tuple[str, ...] | str
    label: str | None

    def element(self, tensors: Mapping[str, Any]) -> Any:
        features: Any
        if isinstance(self.features, str):
            features = tensors[self.features]
        else:
            features = {name: tensors[name] for name in self.features}
        return features if self.label is None else (features, tensors[self.label])


class Parser:
    """Makes tensors of a batch of records.

    Args:
        files: All files, in the order in which records name them.
        sample: Of the records in these files.
        schema: The files' columns: a Spark schema, or features by name; by the sample if None.
        columns: Names of the columns that are wanted as features, all if None.
        label: Name of the column that is wanted as label.
        shapes: Column -> shape of one row.

    Raises:
        TypeError: A schema that is none, or has a type that has no feature.
        ValueError: A column that is wanted does not exist, or `tf.io.parse_example` could not
            make it of the records in the sample.
    """

    def __init__(
        self,
        files: Sequence[RecordFile],
        sample: Sample,
        schema: Any,
        columns: str | Sequence[str] | None,
        label: str | None,
        shapes: Shapes | None,
    ) -> None:
        if schema is None:
            sample.check()
        _check_lists(sample, schema, columns, label)
        in_folders = files[0].partition_columns
        # As in Spark, a folder's value is believed before a feature of the same name.
        in_schema, in_records = _features(sample, schema, shapes, in_folders)
        names = [*in_records, *in_folders]
        self._wanted = select(names, columns, label)
        self._spec = {n: in_records[n] for n in self._wanted.names if n in in_records}
        for name, wanted in self._spec.items():
            _check(name, wanted, sample)
        self._partitions = {
            name: _partition_values(name, files, in_schema.get(name))
            for name in in_folders
            if name in self._wanted.names
        }
        self._files = [file.path for file in files]

    @property
    def feature_count(self) -> int:
        """How many features of a record are parsed."""
        return len(self._spec)

    @property
    def is_sliceable(self) -> bool:
        """Whether the tensors of a batch can be cut into smaller batches."""
        import tensorflow as tf

        return all(
            isinstance(wanted, tf.io.FixedLenFeature)
            or (isinstance(wanted, tf.io.RaggedFeature) and not wanted.partitions)
            for wanted in self._spec.values()
        )

    def __call__(self, records: Any, files: Any, names: Any = None) -> Any:
        """An element of the dataset.

        Args:
            records: `[batch]` strings: serialized `tf.train.Example`s.
            files: `[batch]` int32: the position of each one's file.
            names: `[batch]` strings: the names of these files, where they are at hand.
        """
        import tensorflow as tf

        tensors = {}
        if self._spec:
            if names is None:
                names = tf.gather(tf.constant(self._files), files)
            # They stand in TensorFlow's message about a record that does not fit.
            tensors = tf.io.parse_example(records, self._spec, example_names=names)
        for name, (dtype, values) in self._partitions.items():
            tensors[name] = tf.gather(tf.constant(values, dtype), files)
        return self._wanted.element(tensors)


def select(names: Sequence[str], columns: str | Sequence[str] | None, label: str | None) -> Wanted:
    """The columns that a dataset's elements consist of, of those that there are.

    Raises:
        ValueError: A name that is not there, or no column is left for the features.
    """
    if isinstance(columns, str):
        asked = [columns]
    else:
        asked = list(names) if columns is None else list(columns)
    for name in [*asked, *([] if label is None else [label])]:
        if name not in names:
            raise ValueError(
                f"there is no column {name!r}: the columns are {', '.join(names)} (partition "
                "columns are those of the column=value folders below the path)"
            )
    features = tuple(dict.fromkeys(name for name in asked if name != label))
    if not features:
        raise ValueError(
            "no column is left for the features"
            + (f": {label!r} is the label" if label in asked else ": columns is empty")
        )
    return Wanted(
        names=features if label is None else (*features, label),
        features=features[0] if isinstance(columns, str) else features,
        label=label,
    )


def _features(
    sample: Sample, schema: Any, shapes: Shapes | None, in_folders: Sequence[str]
) -> tuple[dict[str, Column], dict[str, Any]]:
    """The columns of the schema, and the features of the records."""
    if isinstance(schema, Mapping):
        given = {name: Column(name, wanted.dtype.name, True) for name, wanted in schema.items()}
    elif schema is not None:
        given = {column.name: column for column in spark_columns(schema)}
    else:
        given = _inferred(sample, in_folders)
    in_records = [column for name, column in given.items() if name not in in_folders]
    checked = check_shapes(shapes, [column.name for column in in_records])
    features = {}
    for column in in_records:
        shape = checked.get(column.name)
        if shape is None and isinstance(schema, Mapping):
            features[column.name] = schema[column.name]
            continue
        if shape is None and column.is_list:
            length = sample.fixed_length(column.name)
            shape = None if length is None else (length,)
        features[column.name] = feature(column, shape)
    return given if schema is not None else {}, features


def _inferred(sample: Sample, in_folders: Sequence[str]) -> dict[str, Column]:
    inferred = {
        name: Column(name, feature.dtype, feature.longest > 1)
        for name, feature in sample.features.items()
        if feature.dtype and feature.longest > 0
    }
    if not inferred and not in_folders:
        lack = "hold no values" if sample.records else "are none"
        raise ValueError(f"the columns cannot be inferred, for the records {lack}: give a schema")
    return inferred


def _check_lists(
    sample: Sample, schema: Any, columns: str | Sequence[str] | None, label: str | None
) -> None:
    """That no feature list is left out without a word: only names that are given choose."""
    if not sample.feature_lists:
        return
    asked = [columns] if isinstance(columns, str) else list(columns or [])
    if isinstance(schema, Mapping):
        asked += schema
    elif schema is not None:
        asked += [column.name for column in spark_columns(schema)]
    name, file = next(
        ((n, f) for n, f in sample.feature_lists.items() if n in asked or n == label),
        next(iter(sample.feature_lists.items())),
    )
    if asked and name not in asked and name != label:
        return
    raise ValueError(
        f"the records are tf.SequenceExamples, with feature lists such as {name!r} in {file}, "
        "which are not read here: take the context's features alone by their names (columns=[…]), "
        'or the lists by spark.read.format("tfrecord").option("recordType", "SequenceExample"), '
        "or by tf.io.parse_sequence_example over a tf.data.TFRecordDataset"
    )


def _check(name: str, wanted: Any, sample: Sample) -> None:
    """That `tf.io.parse_example` can make `wanted` of the records in the sample."""
    import tensorflow as tf

    if not isinstance(wanted, (tf.io.FixedLenFeature, tf.io.RaggedFeature, tf.io.VarLenFeature)):
        return
    # A ragged feature may be made of a feature of another name.
    key = getattr(wanted, "value_key", None) or name
    seen = sample.features.get(key)
    kinds = [] if seen is None else list(seen.all_kinds.items())
    if len(kinds) > 1:
        (kind, file), (other_kind, other_file) = kinds[:2]
        raise ValueError(
            f"the feature {name!r} is of type {kind} in {file} and of type {other_kind} in "
            f"{other_file}, and tf.io.parse_example makes one type of a feature: leave it out "
            "(columns=…), read the files apart, or write them again by Spark, which makes "
            "floating-point numbers of both kinds of numbers"
        )
    if seen is not None and seen.dtype not in (None, wanted.dtype.name):
        (kind, file) = kinds[0]
        raise ValueError(
            f"column {name!r} is to be {wanted.dtype.name}, but it is of type {kind} in {file}: "
            f"give it tf.{seen.dtype}"
        )
    if not isinstance(wanted, tf.io.FixedLenFeature) or wanted.default_value is not None:
        return
    size = math.prod(wanted.shape)
    without = sample.file_without(name)
    if seen is not None and without is None and seen.shortest == 0:
        without = seen.shortest_file
    if without is not None:
        raise ValueError(
            f"column {name!r} is null or empty in a record of {without}, and "
            "tf.io.parse_example has no value for it: fill it before the data is written "
            "(df.na.fill), leave it out (columns=…), or read with a schema of features where it "
            f"has a default: schema={{{name!r}: tf.io.FixedLenFeature({list(wanted.shape)}, "
            f"tf.{wanted.dtype.name}, default_value=…), …}}"
        )
    if seen is None or seen.shortest == seen.longest == size:
        return
    is_short = seen.longest == size
    raise ValueError(
        f"column {name!r} is to have {size} {'value' if size == 1 else 'values'} in each record"
        + (f", for its shape is {tuple(wanted.shape)}" if len(wanted.shape) else "")
        + f", but it has {seen.shortest if is_short else seen.longest} in a record of "
        + (seen.shortest_file if is_short else seen.longest_file)
    )


def _partition_values(
    name: str, files: Sequence[RecordFile], column: Column | None
) -> tuple[str, list[int | float | str]]:
    """The dtype of a partition column, and its value for each of the files."""
    values = [dict(file.partition)[name] for file in files]
    for file, value in zip(files, values, strict=True):
        if value == partitions.NULL_VALUE:
            raise ValueError(
                f"the partition column {name!r} is null in {file.folder}, and a tensor has no "
                "null: give the path of the folders that have a value, or leave the column out "
                "(columns=…)"
            )
    dtype = partitions.infer_dtype(values) if column is None else column.dtype
    spark_type = None if column is None else column.spark_type
    converted: dict[str, int | float | str] = {}
    for file, value in zip(files, values, strict=True):
        if value not in converted:
            try:
                converted[value] = partitions.convert(value, dtype, spark_type)
            except ValueError as e:
                raise ValueError(f"partition column {name!r} of {file.folder}: {e}") from None
    return dtype, [converted[value] for value in values]

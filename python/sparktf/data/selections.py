"""Which columns a batch has, and what an element is made of: decided before the first is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from sparktf.columns.dtypes import feature_list_of
from sparktf.data.feature_specs import Column, Shapes, check_shapes, spark_columns
from sparktf.data.features import Feature, check_names, default_values, features_by_name
from sparktf.data.samples import Sample, SampledFeature
from sparktf.records import partitions
from sparktf.records.files import RecordFile

Label: TypeAlias = "str | Sequence[str] | Mapping[str, str] | None"

#: The column of records that are read as bytes, as the data source calls it.
BYTE_ARRAY: Final = "byteArray"
_CASTS: Final = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip


@dataclass(frozen=True)
class Padding:
    """
    Attributes:
        length: Of all rows; None for that of the batch's longest.
        value: What stands behind a row's values.
    """

    length: int | None
    value: Any


@dataclass(frozen=True)
class Elements:
    """What an element consists of.

    Attributes:
        features: Names of the columns among the features; a single name stands for the column
            itself.
        label: The same of labels; a tuple, or names of their own by which they come; None for none.
        weight: Name of the column that weighs the examples, if one does.
    """

    features: tuple[str, ...] | str
    label: str | tuple[str, ...] | Mapping[str, str] | None
    weight: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns, each once."""
        features = (self.features,) if isinstance(self.features, str) else self.features
        weight = () if self.weight is None else (self.weight,)
        return tuple(dict.fromkeys((*features, *_names(self.label), *weight)))

    def element(self, columns: Mapping[str, Any]) -> Any:
        features: Any
        if isinstance(self.features, str):
            features = columns[self.features]
        else:
            features = {name: columns[name] for name in self.features}
        if self.label is None:
            return features
        label: Any
        if isinstance(self.label, str):
            label = columns[self.label]
        elif isinstance(self.label, tuple):
            label = tuple(columns[name] for name in self.label)
        else:
            label = {name: columns[column] for name, column in self.label.items()}
        if self.weight is None:
            return features, label
        return features, label, columns[self.weight]


def _names(label: Label) -> tuple[str, ...]:
    if label is None:
        return ()
    if isinstance(label, str):
        return (label,)
    return tuple(label.values()) if isinstance(label, Mapping) else tuple(label)


@dataclass(frozen=True)
class PartitionColumn:
    """
    Attributes:
        dtype: "int64", "float32" or "string".
        values: For each of the files.
    """

    dtype: str
    values: list[int | float | str]


@dataclass(frozen=True)
class Selection:
    """What is read, and what is made of it.

    Attributes:
        record_type: One of RECORD_TYPES.
        features: Column -> what it is made of, of those that are in the records; None where
            `by_tensorflow` has them.
        by_tensorflow: The same as features of a kind that only TensorFlow knows, if one is.
        partitions: Column -> its values, of those that are in the folders' names.
        padding: Column -> to what length its rows are filled up.
        dtypes: Column -> the dtype it is made in the end, of columns of numbers.
        elements: What is made of all of them.
    """

    record_type: str
    features: dict[str, Feature]
    by_tensorflow: dict[str, Any] | None
    partitions: dict[str, PartitionColumn]
    padding: dict[str, Padding]
    dtypes: dict[str, str]
    elements: Elements


def select(
    files: Sequence[RecordFile],
    sample: Sample,
    *,
    record_type: str | None,
    schema: Any = None,
    columns: str | Sequence[str] | None = None,
    label: Label = None,
    weight: str | None = None,
    shapes: Shapes | None = None,
    defaults: Mapping[str, Any] | None = None,
    pad: Mapping[str, Any] | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> Selection:
    """What the arguments of `sparktf.dataset` and `sparktf.batches` ask for.

    Raises:
        TypeError: A schema that is none, or has a type that has no feature.
        ValueError: A column that is wanted does not exist, an argument does not fit it, or the
            records of the sample do not.
    """
    if schema is None:
        sample.check()
    found = _Columns(files, sample, record_type, schema, shapes, defaults or {})
    elements = _elements(found.names, columns, label, weight)
    for name, given in (("defaults", defaults), ("pad", pad), ("dtypes", dtypes)):
        check_names(given, name, found.names)
    features = {name: found.features[name] for name in elements.names if name in found.features}
    foreign = None
    if found.by_tensorflow is not None:
        foreign = {n: f for n, f in found.by_tensorflow.items() if n in elements.names}
        known = features_by_name(foreign)
        if known is not None:  # those of other kinds are not wanted
            foreign, features = None, known
    problems = [
        problem
        for name, feature in features.items()
        if found.record_type != "ByteArray"
        and (problem := _misfit(name, feature, sample)) is not None
    ]
    if problems:
        raise ValueError("\n".join(problems))
    in_folders = {
        name: _partition_column(name, files, found.in_schema.get(name))
        for name in files[0].partition_columns
        if name in elements.names
    }
    return Selection(
        found.record_type,
        features,
        foreign,
        in_folders,
        {n: _padding(n, p, features) for n, p in (pad or {}).items() if n in elements.names},
        {
            n: _dtype(n, d, features, in_folders)
            for n, d in (dtypes or {}).items()
            if n in elements.names
        },
        elements,
    )


class _Columns:
    """All columns that there are.

    Attributes:
        record_type: One of RECORD_TYPES.
        in_schema: The columns of the schema, where one is given.
        features: Of the records, by column.
        by_tensorflow: The schema, where it has features of a kind that only TensorFlow knows.
        names: Of all, those of folders too.
    """

    def __init__(
        self,
        files: Sequence[RecordFile],
        sample: Sample,
        record_type: str | None,
        schema: Any,
        shapes: Shapes | None,
        defaults: Mapping[str, Any],
    ) -> None:
        self._sample = sample
        if record_type is None:
            record_type = "SequenceExample" if sample.feature_lists else "Example"
        self.record_type = record_type
        # As in Spark, a folder's value is believed before a feature of the same name.
        in_folders = files[0].partition_columns
        self.in_schema: dict[str, Column] = {}
        self.by_tensorflow: dict[str, Any] | None = None
        self.features: dict[str, Feature] = {}
        if isinstance(schema, Mapping):
            in_records = self._of_mapping(schema, shapes, defaults, in_folders)
        elif record_type == "ByteArray":
            in_records = [BYTE_ARRAY]
            self.features[BYTE_ARRAY] = Feature(BYTE_ARRAY, "string", ())
        else:
            in_records = self._of_columns(schema, shapes, defaults, in_folders)
        self.names = [*in_records, *in_folders]

    def _of_mapping(
        self,
        schema: Mapping[str, Any],
        shapes: Shapes | None,
        defaults: Mapping[str, Any],
        in_folders: Sequence[str],
    ) -> list[str]:
        self.in_schema = {
            name: Column(name, wanted.dtype.name, True) for name, wanted in schema.items()
        }
        names = [name for name in schema if name not in in_folders]
        checked = check_shapes(shapes, names)
        if defaults:
            raise ValueError(
                "defaults are for columns, but the schema is of features: give them there "
                "(tf.io.FixedLenFeature(…, default_value=…))"
            )
        given: dict[str, Any] = {name: schema[name] for name in names}
        known = features_by_name({name: given[name] for name in names if name not in checked})
        for name, shape in checked.items():
            feature = Feature(name, given[name].dtype.name, shape)
            given[name] = feature.of_tensorflow
            if known is not None:
                known[name] = feature
        if known is None:
            self.by_tensorflow = given
        else:
            self.features = {name: self._in_lists(known[name]) for name in names}
        return names

    def _in_lists(self, feature: Feature) -> Feature:
        """The same as a feature list, where that is what the records have."""
        sample = self._sample
        if feature.key in sample.features or feature.key not in sample.feature_lists:
            return feature
        if feature.shape is not None:
            raise ValueError(
                f"{feature.key!r} is a feature list in {sample.feature_lists[feature.key].a_file}, "
                "whose rows have no shape: it is read as a ragged column of lists"
            )
        return replace(feature, is_list=True)

    def _of_columns(
        self,
        schema: Any,
        shapes: Shapes | None,
        defaults: Mapping[str, Any],
        in_folders: Sequence[str],
    ) -> list[str]:
        is_sequence = self.record_type == "SequenceExample"
        if schema is None:
            columns = self._inferred(in_folders)
        else:
            columns = {c.name: c for c in spark_columns(schema, nested=is_sequence)}
            self.in_schema = columns
        in_records = [column for name, column in columns.items() if name not in in_folders]
        names = [column.name for column in in_records]
        checked = check_shapes(shapes, names)
        check_names(defaults, "defaults", [*names, *in_folders])
        for column in in_records:
            self.features[column.name] = self._feature(
                column, checked.get(column.name), defaults.get(column.name)
            )
        return names

    def _feature(self, column: Column, shape: tuple[int, ...] | None, default: Any) -> Feature:
        name, sample = column.name, self._sample
        is_list = column.is_nested or (
            name in sample.feature_lists and name not in sample.features and column.is_list
        )
        if is_list:
            for argument, given in (("shapes", shape), ("defaults", default)):
                if given is not None:
                    raise ValueError(
                        f"{argument} names {name!r}, which is a feature list: its rows are lists "
                        "of lists of any length"
                    )
            return Feature(name, column.dtype, None, None, is_list=True)
        if shape is None and column.is_list:
            length = sample.fixed_length(name, may_lack=default is not None)
            shape = None if length is None else (length,)
        elif shape is None:
            shape = ()
        if default is None:
            return Feature(name, column.dtype, shape)
        if shape is None:
            raise ValueError(
                f"defaults names {name!r}, whose rows have any number of values: a null is an "
                "empty row there. Give its shape in `shapes`, or fill rows up by `pad`"
            )
        try:
            return Feature(name, column.dtype, shape, default_values(default, column.dtype, shape))
        except ValueError as error:
            raise ValueError(f"column {name!r}: {error}") from None

    def _inferred(self, in_folders: Sequence[str]) -> dict[str, Column]:
        sample = self._sample
        inferred = {
            name: Column(name, feature.dtype, feature.longest > 1)
            for name, feature in sample.features.items()
            if feature.dtype and feature.longest > 0
        }
        for name, feature in sample.feature_lists.items():
            if not feature.kinds:
                continue
            if name in inferred:
                raise ValueError(
                    f"{name!r} is a feature of the context and a feature list (in "
                    f"{sample.features[name].a_file} and {feature.a_file}): no table has both"
                )
            assert feature.dtype is not None
            inferred[name] = Column(name, feature.dtype, True, is_nested=True)
        if not inferred and not in_folders:
            lack = "hold no values" if sample.records else "are none"
            raise ValueError(
                f"the columns cannot be inferred, for the records {lack}: give a schema"
            )
        return inferred


def _elements(
    names: Sequence[str], columns: str | Sequence[str] | None, label: Label, weight: str | None
) -> Elements:
    """
    Raises:
        ValueError: A name that is not there, or no column is left for the features.
    """
    if isinstance(columns, str):
        asked = [columns]
    else:
        asked = list(names) if columns is None else list(columns)
    others = (*_names(label), *([] if weight is None else [weight]))
    for name in (*asked, *others):
        if name not in names:
            raise ValueError(
                f"there is no column {name!r}: the columns are {', '.join(names)} (partition "
                "columns are those of the column=value folders below the path)"
            )
    if label is not None and not _names(label):
        raise ValueError(f"label names no column: {label!r}")
    if weight is not None and label is None:
        raise ValueError("weight is for examples with a label: name it (label=…)")
    features = tuple(dict.fromkeys(name for name in asked if name not in others))
    if not features:
        taken = next((name for name in asked if name in others), None)
        raise ValueError(
            "no column is left for the features"
            + (f": {taken!r} is the label" if taken is not None else ": columns is empty")
        )
    kept: Any = label
    if label is not None and not isinstance(label, (str, Mapping)):
        kept = tuple(label)
    return Elements(features[0] if isinstance(columns, str) else features, kept, weight)


def _misfit(name: str, feature: Feature, sample: Sample) -> str | None:
    """Why the column cannot be made of the records in the sample; None if it can."""
    seen: SampledFeature | None = (
        sample.feature_lists if feature.is_list else sample.features
    ).get(feature.key)
    kinds = [] if seen is None else list(seen.kinds.items())
    if len(kinds) > 1:
        (kind, file), (other_kind, other_file) = kinds[:2]
        return (
            f"the feature {feature.key!r} is of type {kind} in {file} and of type {other_kind} in "
            f"{other_file}, and a column has one type: leave it out (columns=…), read the files "
            "apart, or write them again by Spark, which makes floating-point numbers of both kinds "
            "of numbers"
        )
    if kinds and kinds[0][0] != feature_list_of(feature.dtype):
        kind, file = kinds[0]
        assert seen is not None
        return (
            f"column {name!r} is to be {feature.dtype}, but it is of type {kind} in {file}: "
            f"give it {seen.dtype}"
        )
    size = feature.size
    if size is None:
        return None
    without = None if feature.default is not None else sample.file_without(feature.key)
    if without is not None:
        return (
            f"column {name!r} is null in a record of {without}, and nothing is given for nulls: "
            "fill it before the data is written (df.na.fill), leave it out (columns=…), or give a "
            f"value: defaults={{{name!r}: …}}, or a feature's default_value"
        )
    if seen is None or not seen.present or seen.shortest == seen.longest == size:
        return None
    is_short = seen.longest == size
    wanted = f"{size} {'value' if size == 1 else 'values'}"
    return (
        f"column {name!r} is to have {wanted} in each record"
        + (f", for its shape is {feature.shape}" if feature.shape else "")
        + f", but it has {seen.shortest if is_short else seen.longest} in a record of "
        + (seen.shortest_file if is_short else seen.longest_file)
    )


def _padding(name: str, given: Any, features: Mapping[str, Feature]) -> Padding:
    length, value = given if isinstance(given, tuple) else (given, None)
    feature = features.get(name)
    if feature is None or feature.shape is not None or feature.is_list:
        raise ValueError(
            f"pad names {name!r}, whose rows are not of different lengths in the sample: give its "
            "shape in `shapes`, or leave it out of `pad`"
        )
    if length is not None and (
        not isinstance(length, int) or isinstance(length, bool) or length < 1
    ):
        raise ValueError(
            f"pad of {name!r} is a length, None for that of a batch's longest row, or (length, "
            f"value), not {given!r}"
        )
    if value is None:
        value = b"" if feature.dtype == "string" else 0
    try:
        (value,) = default_values(value, feature.dtype, ())
    except ValueError as error:
        raise ValueError(f"pad of {name!r}: {error}") from None
    return Padding(length, value)


def _dtype(
    name: str,
    given: Any,
    features: Mapping[str, Feature],
    in_folders: Mapping[str, PartitionColumn],
) -> str:
    dtype: str = getattr(given, "name", None) or getattr(given, "__name__", None) or str(given)
    column: Feature | PartitionColumn | None = features.get(name) or in_folders.get(name)
    if dtype not in _CASTS:
        raise ValueError(f"dtypes of {name!r} must be one of {', '.join(_CASTS)}, not {given!r}")
    if column is None or column.dtype == "string":
        raise ValueError(f"dtypes names {name!r}, which is no column of numbers")
    return dtype


def _partition_column(
    name: str, files: Sequence[RecordFile], column: Column | None
) -> PartitionColumn:
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
    return PartitionColumn(dtype, [converted[value] for value in values])

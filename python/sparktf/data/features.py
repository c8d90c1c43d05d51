"""What is made of a feature of the records: a column's name, dtype and shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sparktf.columns.dtypes import feature_list_of
from sparktf.records.decoding import Wanted

_NUMBERS: Final = {"int64": np.int64, "float32": np.float32}


@dataclass(frozen=True)
class Feature:
    """A feature of the records, as a column.

    Attributes:
        key: Its name in the records.
        dtype: "int64", "float32" or "string".
        shape: Of one row; None where rows may have any number of values.
        default: The values of a row that lacks it, in row-major order; None where that is an error,
            or, without a shape, where there are none.
        is_list: Whether it is a feature list of a SequenceExample, a list of lists.
        splits_dtype: Of a ragged tensor's row splits, "int64" or "int32".
    """

    key: str
    dtype: str
    shape: tuple[int, ...] | None = None
    default: tuple[Any, ...] | None = None
    is_list: bool = False
    splits_dtype: str = "int32"

    @property
    def size(self) -> int | None:
        """The number of values in a row; None for any."""
        return None if self.shape is None else math.prod(self.shape)

    @property
    def wanted(self) -> Wanted:
        """The same for `records.decoding`."""
        kind = feature_list_of(self.dtype)
        return Wanted(self.key, kind, self.size, self.default, self.is_list)

    @property
    def of_tensorflow(self) -> Any:
        """The same for `tf.io.parse_example`, or `parse_sequence_example`."""
        import tensorflow as tf

        dtype = tf.as_dtype(self.dtype)
        if self.shape is None:
            return tf.io.RaggedFeature(
                dtype, value_key=self.key, row_splits_dtype=tf.as_dtype(self.splits_dtype)
            )
        default = None
        if self.default is not None:
            default = np.reshape(
                np.array(self.default, _NUMBERS.get(self.dtype, object)), self.shape
            )
        return tf.io.FixedLenFeature(list(self.shape), dtype, default)


def default_values(value: Any, dtype: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A default of one value or of a whole row as the values of a row.

    Raises:
        ValueError: It is of another shape or type.
    """
    if dtype == "string":
        array: Any = np.array(value, object)
        flat = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
        if not all(isinstance(v, bytes) for v in flat):
            raise ValueError(f"a default of strings is str or bytes, not {value!r}")
        array = np.empty(len(flat), object)
        array[:] = flat
        array = array.reshape(np.shape(np.array(value, object)))
    else:
        given = np.asarray(value)
        is_number = given.dtype.kind in "iufb"
        array = given.astype(_NUMBERS[dtype]) if is_number else given
        if not is_number or (dtype == "int64" and np.any(array != given)):
            raise ValueError(f"a default of {dtype} is wanted, not {value!r}")
    if array.ndim == 0 or array.size == 1:
        return tuple(array.ravel().tolist()) * math.prod(shape)
    if array.size != math.prod(shape):
        raise ValueError(f"a default of shape {shape} is wanted, not of {array.shape}")
    return tuple(array.ravel().tolist())


def features_by_name(schema: Mapping[str, Any]) -> dict[str, Feature] | None:
    """Features of TensorFlow's by name; None where one is of a kind that only TensorFlow knows."""
    features = {}
    for name, given in schema.items():
        kind = type(given).__name__
        dtype = getattr(getattr(given, "dtype", None), "name", None)
        if kind == "FixedLenFeature" and dtype is not None:
            shape = _shape(given.shape)
            if shape is None:
                return None
            default = given.default_value
            values = None if default is None else default_values(default, dtype, shape)
            features[name] = Feature(name, dtype, shape, values)
        elif kind == "RaggedFeature" and not given.partitions and dtype is not None:
            splits = given.row_splits_dtype.name
            features[name] = Feature(given.value_key or name, dtype, splits_dtype=splits)
        else:
            return None
    return features


def _shape(given: Any) -> tuple[int, ...] | None:
    dimensions = [given] if isinstance(given, int) else given
    known = [None if n is None else int(n) for n in dimensions]
    return None if None in known else tuple(n for n in known if n is not None)


def check_names(given: Mapping[str, Any] | None, what: str, names: Sequence[str]) -> None:
    """
    Raises:
        ValueError: An argument, called `what`, names a column that is not there.
    """
    for name in given or {}:
        if name not in names:
            raise ValueError(f"{what} names {name!r}, but the columns are {', '.join(names)}")

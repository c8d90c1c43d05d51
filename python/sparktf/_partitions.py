"""Partition columns: the ``name=value`` folders that Spark's ``partitionBy`` makes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Final

#: The folder value in which Hive and Spark keep a null (or an empty string).
NULL_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
# What java.lang.Double.parseDouble takes, but for hexadecimal.
_DOUBLE: Final = re.compile(
    r"\s*[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?)\s*"
)


def parse_folder(folder: str) -> tuple[str, str] | None:
    """The column and the value of a folder named ``column=value``, or None for other names.

    Spark writes characters that file systems do not like as ``%`` and two hexadecimal digits, in
    names and values alike (``ExternalCatalogUtils.escapePathName``).
    """
    name, equals, value = folder.partition("=")
    return (_unescape(name), _unescape(value)) if equals and name else None


def _unescape(escaped: str) -> str:
    return re.sub("%([0-9A-Fa-f]{2})", lambda digits: chr(int(digits[1], 16)), escaped)


def infer_dtype(values: Iterable[str]) -> str:
    """ "int64", "float32" or "string": the type that Spark infers for a partition column.

    As ``PartitioningUtils.inferPartitionColumnValue`` and ``findWiderTypeForPartitionColumn`` do
    it: 007 is a number; whole numbers and fractions together are fractions, but numbers that a
    double does not hold exactly (long, decimal) beside fractions are strings. Dates and times,
    which Spark tells from strings, are strings here.
    """
    kinds = {_kind(value) for value in values if value != NULL_VALUE}
    if not kinds or "string" in kinds:
        return "string"
    if "double" in kinds:
        return "string" if kinds & {"long", "decimal"} else "float32"
    return "float32" if "decimal" in kinds else "int64"


def infer_spark_type(values: Iterable[str]) -> str:
    """The same as a type of Spark's, but for dates and times."""
    dtype = infer_dtype(values := list(values))
    if dtype == "string":
        return "string"
    kinds = {_kind(value) for value in values if value != NULL_VALUE}
    if dtype == "int64":
        return "bigint" if "long" in kinds else "int"
    return "decimal(38,0)" if kinds <= {"int", "long", "decimal"} else "double"


def _kind(value: str) -> str:
    if _INTEGER.fullmatch(value):
        number = int(value)
        if -(2**31) <= number < 2**31:
            return "int"
        return "long" if -(2**63) <= number < 2**63 else "decimal"
    decimal = _DECIMAL.fullmatch(value)
    if decimal and len(decimal[1] or decimal[2] or "") <= int(decimal[3] or 0):
        return "decimal"  # a whole number with an exponent, like 1e3
    return "double" if _DOUBLE.fullmatch(value) else "string"


def convert(value: str, dtype: str, spark_type: str | None) -> int | float | str:
    """`value` as the column would hold it in a file.

    Args:
        value: A folder's, unescaped.
        dtype: "int64", "float32" or "string".
        spark_type: The type that the column has in a Spark schema, where there is one, by its
            `simpleString`.

    Raises:
        ValueError: `dtype` or `spark_type` cannot hold the value.
    """
    if spark_type == "boolean":
        return _boolean(value)
    if spark_type == "date":
        return _days(value)
    if spark_type in ("timestamp", "timestamp_ntz"):
        # The folder holds local time, in a session's time zone that is not known here.
        raise ValueError(f"{spark_type} has no fixed meaning in a folder's name: use string")
    if dtype == "int64":
        return _integer(value)
    return _float(value) if dtype == "float32" else value


def _integer(value: str) -> int:
    if _INTEGER.fullmatch(value) and -(2**63) <= (number := int(value)) < 2**63:
        return number
    raise ValueError(f"{value!r} is not a 64-bit integer")


def _float(value: str) -> float:
    if not _DOUBLE.fullmatch(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value.strip().rstrip("dDfF"))


def _boolean(value: str) -> int:
    if value.lower() not in ("true", "false"):
        raise ValueError(f"{value!r} is not true or false")
    return int(value.lower() == "true")


def _days(value: str) -> int:
    # Spark keeps a date as days since 1970-01-01.
    try:
        return (datetime.date.fromisoformat(value) - datetime.date(1970, 1, 1)).days
    except ValueError:
        raise ValueError(f"{value!r} is not a date (year-month-day)") from None

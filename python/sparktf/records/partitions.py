"""Partition columns: the ``name=value`` folders that Spark's ``partitionBy`` makes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Final

#: The folder value in which Hive and Spark keep a null (or an empty string).
NULL_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"

# Java's Long.parseLong takes the digits of all scripts that have their place in one of its chars.
_INTEGER: Final = re.compile(r"[+-]?(?:(?![\U00010000-\U0010ffff])\d)+")
_DECIMAL: Final = re.compile(r"[+-]?(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
# What java.lang.Double.parseDouble takes, but for hexadecimal; blanks are what String.trim removes.
_BLANKS: Final = "".join(map(chr, range(0x21)))
_DOUBLE: Final = re.compile(
    r"[\x00-\x20]*[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?)"
    r"[\x00-\x20]*"
)
# The digits of Spark's largest decimal, and of those that hold all its int and bigint.
_MOST_DIGITS: Final = 38
_DIGITS: Final = {"int": 10, "long": 20}


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
    if "double" in kinds:
        return "double"
    digits = (_DIGITS.get(_kind(v)) or _digits(v) for v in values if v != NULL_VALUE)
    return f"decimal({max(digits)},0)"


def _kind(value: str) -> str:
    if _INTEGER.fullmatch(value):
        number = int(value)
        if -(2**31) <= number < 2**31:
            return "int"
        if -(2**63) <= number < 2**63:
            return "long"
    if 0 < _digits(value) <= _MOST_DIGITS:
        return "decimal"  # a larger whole number, or one with an exponent, like 1e3
    return "double" if _DOUBLE.fullmatch(value) else "string"


def _digits(value: str) -> int:
    """How many a whole number has in a decimal of Spark's; 0 for what is none."""
    decimal = _DECIMAL.fullmatch(value)
    if decimal is None:
        return 0
    fraction = decimal[2] or decimal[3] or ""
    known = ((decimal[1] or "") + fraction).lstrip("0") or "0"
    zeros = int(decimal[4] or 0) - len(fraction)
    return len(known) + zeros if zeros >= 0 else 0


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
    return float(value.strip(_BLANKS).rstrip("dDfF"))


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

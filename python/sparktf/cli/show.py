"""How the command shows records, schemas and statistics, to people and as JSON."""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sparktf.records import partitions
from sparktf.records.files import RecordFile
from sparktf.records.messages import in_order
from sparktf.spark.column_names import quoted

if TYPE_CHECKING:
    from sparktf.records.statistics import FeatureStatistics, Statistics

_KINDS: Final = {"int64_list": "int64", "float_list": "float", "bytes_list": "bytes"}
_JSON_TYPES: Final = {"bigint": "long", "int": "integer"}
_FREQUENT: Final = 3

#: Features and feature lists of a record, by name; None where it is only bytes.
Decoded: TypeAlias = "tuple[Mapping[str, Any], Mapping[str, Any]] | None"


# ---------------------------------------------------------------- schema


def columns(
    statistics: Statistics, record_type: str | None, files: Sequence[RecordFile]
) -> list[tuple[str, str, str]]:
    """Name, Spark's type and where it comes from, of each column."""
    if record_type == "ByteArray":
        table = [("byteArray", "binary", "the record")]
    else:
        table = [
            (name, feature.spark_type, "feature list" if feature.steps else feature.kind_text)
            for name, feature in statistics.features.items()
            if feature.spark_type
        ]
    for name in files[0].partition_columns:
        values = [dict(file.partition)[name] for file in files]
        table.append((name, partitions.infer_spark_type(values), "folders"))
    return table


def schema(table: Sequence[tuple[str, str, str]], form: str | None) -> str:
    """The columns in a form: "ddl", "json" or for people."""
    if form == "json":
        fields = [
            {"name": name, "type": _json_type(kind), "nullable": True, "metadata": {}}
            for name, kind, _ in table
        ]
        return json.dumps({"type": "struct", "fields": fields}, ensure_ascii=False)
    if form == "ddl":
        return ", ".join(f"{_identifier(name)} {kind.upper()}" for name, kind, _ in table)
    return _table([("column", "type", "from"), *table])


def _json_type(kind: str) -> Any:
    if kind.startswith("array<"):
        element = _json_type(kind[len("array<") : -1])
        return {"type": "array", "elementType": element, "containsNull": True}
    return _JSON_TYPES.get(kind, kind)


def _identifier(name: str) -> str:
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return quoted(name)


# ---------------------------------------------------------------- records


def plain(decoded: Decoded, record: bytes, file: RecordFile) -> dict[str, Any]:
    """A record as JSON's values, with those of its folders."""
    values: dict[str, Any]
    if decoded is None:
        values = {"byteArray": _json_value(record)}
    else:
        features, lists = decoded
        values = {name: _list(features[name]) for name in in_order(features, record)}
        for name in in_order(lists, record):
            step_values = [_list(step) for step in lists[name].feature]
            if values.get(name) and any(step_values):
                raise ValueError(
                    f"{name!r} is a feature of the context and a feature list: no table has both"
                )
            values[name] = values.get(name) or step_values
    return values | {
        name: None if value == partitions.NULL_VALUE else value for name, value in file.partition
    }


def _list(feature: Any) -> list[Any] | None:
    kind = feature.WhichOneof("kind")
    return None if kind is None else [_json_value(v) for v in getattr(feature, kind).value]


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return _short_float(value) if isinstance(value, float) else value


def _short_float(value: float) -> Any:
    """The shortest number that is the same 32-bit float: 0.1, and not 0.10000000149011612."""
    import numpy as np

    return _json_double(float(str(np.float32(value))))


def _json_double(value: float | None) -> Any:
    """JSON has no names for what is no finite number."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def record(decoded: Decoded, raw: bytes, file: RecordFile, offset: int) -> str:
    """A record for people, a line for each feature."""
    title = f"{file.path}, byte {offset:,}: {len(raw):,} bytes"
    rows = []
    for name, value in plain(decoded, raw, file).items():
        if value is None:
            rows.append((f"  {name}", "", "null"))
        elif isinstance(value, list):
            rows.append((f"  {name}", f"[{len(value)}]", ", ".join(map(_text, value[:100]))))
        else:
            rows.append((f"  {name}", "", _text(value)))
    return "\n".join([title, *([_table(rows)] if rows else [])])


def _text(value: Any) -> str:
    if isinstance(value, dict):
        raw = base64.b64decode(value["base64"])
        return f"{len(raw):,} bytes {raw[:24]!r}{'…' * (len(raw) > 24)}"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value[:100]))}]"
    return json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------- statistics


def statistics_json(seen: Statistics, files: int, size: int) -> dict[str, Any]:
    """All that `statistics` tells, as JSON's values."""
    features = {}
    for name, feature in seen.features.items():
        features[name] = {
            "kind": feature.kind and feature.kind_text,
            "feature_list": feature.steps,
            "records": feature.present,
            "values": feature.values,
            "shortest": feature.shortest,
            "longest": feature.longest,
            "min": _extreme(feature, feature.minimum),
            "max": _extreme(feature, feature.maximum),
            "mean": _json_double(feature.mean),
        }
        if feature.kind == "float_list":
            features[name]["nan"] = feature.nans
        if feature.kind == "bytes_list":
            features[name]["utf8"] = feature.is_text
            features[name]["most_frequent"] = [
                {"value": _json_value(value), "count": count}
                for value, count in feature.strings.most_common(_FREQUENT)
            ]
            features[name]["all_counted"] = feature.all_strings
    return {
        "files": files,
        "file_bytes": size,
        "records": seen.records,
        "record_bytes": seen.size,
        "features": features,
    }


def _extreme(feature: FeatureStatistics, value: float | int | None) -> Any:
    # Of numbers of both kinds it may be a whole one, which a 32-bit float need not hold.
    return _json_double(value) if feature.is_mixed else _json_value(value)


def statistics(seen: Statistics, files: int, size: int) -> str:
    """For people: a line for each feature."""
    lines = [
        f"{files:,} file{'s' * (files != 1)} of {_bytes(size)}, {seen.records:,} "
        f"record{'s' * (seen.records != 1)} of {_bytes(seen.size)}"
    ]
    if seen.features:
        titles = ("feature", "kind", "in records", "values each", "min", "max", "mean", "")
        rows: list[tuple[str, ...]] = [titles]
        rows += [_row(name, feature, seen.records) for name, feature in seen.features.items()]
        lines += ["", _table(rows)]
    return "\n".join(lines)


def _row(name: str, feature: FeatureStatistics, records: int) -> tuple[str, ...]:
    each = f"{feature.shortest:,}"
    if feature.longest != feature.shortest:
        each += f" to {feature.longest:,}"
    kind = "int64, float" if feature.is_mixed else _KINDS.get(feature.kind or "", "empty")
    unit = " bytes" if feature.kind == "bytes_list" else ""
    return (
        name,
        f"{kind} lists" if feature.steps else kind,
        "all" if feature.present == records else f"{feature.present:,}",
        each,
        _number(feature.minimum) + unit * (feature.minimum is not None),
        _number(feature.maximum) + unit * (feature.maximum is not None),
        _number(feature.mean),
        _remark(feature),
    )


def _remark(feature: FeatureStatistics) -> str:
    if feature.kind == "float_list" and feature.nans:
        return f"{feature.nans:,} NaN"
    if feature.kind != "bytes_list":
        return ""
    frequent = [
        f"{_text(_json_value(value))} {count:,}x"
        for value, count in feature.strings.most_common(_FREQUENT)
        if count > 1
    ]
    more = len(feature.strings) > len(frequent) or not feature.all_strings
    text = "" if feature.is_text else "not UTF-8"
    return ", ".join([*([text] if text else []), *frequent, *(["…"] if frequent and more else [])])


def _number(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _bytes(size: int) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):,.1f} {unit}"
    return f"{size:,} bytes"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, on a terminal cut off at its width."""
    widths = [max(len(_visible(row[i])) for row in rows) for i in range(len(rows[0]))]
    terminal = max(shutil.get_terminal_size().columns, 40) if sys.stdout.isatty() else None
    lines = []
    for row in rows:
        cells = (_visible(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        line = "  ".join(cells).rstrip()
        if terminal is not None and len(line) > terminal:
            line = line[: terminal - 1] + "…"
        lines.append(line)
    return "\n".join(lines)


def _visible(text: str) -> str:
    """Without what would move the terminal's cursor; names come from files."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

"""Messages as lines of JSON: on sockets, on pipes, and as text.

The line of a message has its class's name and its fields:

    {"type": "RowsWritten", "fields": {"rows": 7}}

Of a field of bytes the line has the length; the bytes follow after it, as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from io import BytesIO
from types import UnionType
from typing import IO, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Message:
    """What can be sent: a dataclass of plain values, tuples of them, and such dataclasses."""


M = TypeVar("M", bound=Message)


class Codec(Generic[M]):
    """Writes and reads the messages that go one way between two sides.

    Args:
        *kinds: Their classes.
        longest_line: Bytes of the longest line that is read; -1 for no limit.
    """

    def __init__(self, *kinds: type[M], longest_line: int = -1) -> None:
        self.kinds = kinds
        self._by_name = {kind.__name__: kind for kind in kinds}
        self._longest_line = longest_line

    def encode(self, message: M) -> bytes:
        """The message's line, and the bytes that follow. What JSON has no value for is text."""
        fields = asdict(message)
        contents = [value for value in fields.values() if isinstance(value, bytes)]
        fields = {n: len(v) if isinstance(v, bytes) else v for n, v in fields.items()}
        line = json.dumps({"type": type(message).__name__, "fields": fields}, default=str)
        return b"".join([line.encode(), b"\n", *contents])

    def decode(self, content: bytes) -> M:
        """The message that was encoded.

        Raises:
            ValueError: As `read` does, or there is none.
        """
        message = self.read(BytesIO(content))
        if message is None:
            raise ValueError("there is no message")
        return message

    def read(self, source: IO[bytes]) -> M | None:
        """The next message; None where there are no more.

        Raises:
            ValueError: It is cut, longer than the limit, or none of those that go this way.
        """
        line = source.readline(self._longest_line)
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise ValueError(f"a message is cut after {len(line):,} bytes of its line")
        try:
            received = json.loads(line)
        except ValueError as error:
            raise ValueError(f"a message is no JSON: {error}") from error
        if not isinstance(received, dict) or received.keys() != {"type", "fields"}:
            raise ValueError(f"a message has a type and fields, unlike {line[:200]!r}")
        kind = self._by_name.get(str(received["type"]))
        if kind is None:
            known = ", ".join(self._by_name)
            raise ValueError(f"unknown message {received['type']!r}: expected one of {known}")
        message: M = _decoded(kind, received["fields"], source)
        return message


@cache
def _field_types(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _decoded(kind: Any, fields: Any, source: IO[bytes] | None) -> Any:
    """A dataclass from its fields; those of bytes are read from `source`."""
    types = _field_types(kind)
    if not isinstance(fields, dict) or fields.keys() != types.keys():
        raise ValueError(f"{kind.__name__} has the fields {', '.join(types)}, unlike {fields!r}")
    values = {}
    for name, expected in types.items():
        value = fields[name]
        if expected is bytes and source is not None:
            value = _content(f"{kind.__name__}.{name}", value, source)
        try:
            values[name] = _typed(expected, value)
        except TypeError:
            expected = getattr(expected, "__name__", str(expected))
            raise ValueError(f"{kind.__name__}.{name} is {expected}, unlike {value!r}") from None
    return kind(**values)


def _content(name: str, size: Any, source: IO[bytes]) -> bytes:
    if type(size) is not int or size < 0:
        raise ValueError(f"{name} is bytes, and their length is no {size!r}")
    content = source.read(size)
    if len(content) < size:
        raise ValueError(f"{name} is cut: {len(content):,} of {size:,} bytes")
    return content


def _typed(expected: Any, value: Any) -> Any:
    """A field's value from JSON's.

    Raises:
        TypeError: It is of another type.
    """
    origin, parameters = get_origin(expected), get_args(expected)
    if origin is Union or origin is UnionType:
        for choice in parameters:
            try:
                return _typed(choice, value)
            except TypeError:
                continue
    elif origin is Literal:
        if value in parameters:
            return value
    elif origin is tuple:
        if isinstance(value, list):
            return tuple(_typed(parameters[0], element) for element in value)
    elif origin is dict:
        if isinstance(value, dict):
            return {key: _typed(parameters[1], element) for key, element in value.items()}
    elif is_dataclass(expected):
        return _decoded(expected, value, None)
    elif expected is float and type(value) is int:
        return float(value)
    elif type(value) is expected:
        return value
    raise TypeError

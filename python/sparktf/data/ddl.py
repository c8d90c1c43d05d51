"""Spark's schemas as DDL text, ``"id long, x array<float>"``, without Spark and its JVM."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<quoted>`(?:[^`]|``)+`)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d+)
    | (?P<text>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
    | (?P<sign>[,:<>()])
    )""",
    re.VERBOSE | re.DOTALL,
)

# Keyword -> pyspark's class, and how its `simpleString` spells the type.
_PLAIN: Final = {
    "boolean": ("BooleanType", "boolean"),
    "tinyint": ("ByteType", "tinyint"),
    "byte": ("ByteType", "tinyint"),
    "smallint": ("ShortType", "smallint"),
    "short": ("ShortType", "smallint"),
    "int": ("IntegerType", "int"),
    "integer": ("IntegerType", "int"),
    "bigint": ("LongType", "bigint"),
    "long": ("LongType", "bigint"),
    "float": ("FloatType", "float"),
    "real": ("FloatType", "float"),
    "double": ("DoubleType", "double"),
    "date": ("DateType", "date"),
    "timestamp": ("TimestampType", "timestamp"),
    "timestamp_ltz": ("TimestampType", "timestamp"),
    "timestamp_ntz": ("TimestampNTZType", "timestamp_ntz"),
    "binary": ("BinaryType", "binary"),
    "void": ("NullType", "void"),
    "variant": ("VariantType", "variant"),
}
_DECIMAL: Final = ("decimal", "dec", "numeric")
_MOST_DIGITS: Final = 38
_OF_LENGTH: Final = {"varchar": "VarcharType", "char": "CharType", "character": "CharType"}
_UNITS: Final = ("year", "month", "day", "hour", "minute", "second")

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Type:
    """A type.

    Attributes:
        kind: Name of pyspark's class.
        text: As `simpleString` spells it.
        element: An array's.
    """

    kind: str
    text: str
    element: Type | None = None


def parse(ddl: str) -> list[tuple[str, Type]]:
    """The columns' names and types, by Spark's grammar.

    Raises:
        ValueError: The text is no schema; the message says where, and what was expected there.
    """
    return _Parser(ddl).schema()


class _Parser:
    def __init__(self, ddl: str) -> None:
        self._ddl = ddl
        # Kind, text and position of each; the last is the end.
        self._tokens: list[tuple[str, str, int]] = []
        self._next = 0
        position, end = 0, len(ddl.rstrip())
        while position < end:
            found = _TOKEN.match(ddl, position)
            if found is None:
                start = position + len(ddl[position:]) - len(ddl[position:].lstrip())
                self._tokens.append(("", ddl[start], start))
                break
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind], found.start(kind)))
            position = found.end()
        else:
            self._tokens.append(("end", "", end))

    def schema(self) -> list[tuple[str, Type]]:
        whole = len(self._tokens) > 1 and self._tokens[1][1] == "<" and self._takes("struct")
        # As a whole schema's simpleString has it, or as columns.
        fields = (self._listed if whole else self._separated)(self._field)
        if self._tokens[self._next][0] != "end":
            raise self._expected("the end" if whole else "a comma or the end")
        return fields

    def _field(self) -> tuple[str, Type]:
        kind, text, _ = self._tokens[self._next]
        if kind not in ("word", "quoted"):
            raise self._expected("a column's name (letters, digits and _, or in backticks)")
        self._next += 1
        name = text if kind == "word" else text[1:-1].replace("``", "`")
        self._takes(":")
        found = self._type()
        if self._takes("not"):
            self._take("null")
        if self._takes("comment"):
            if self._tokens[self._next][0] != "text":
                raise self._expected("the comment in quotes")
            self._next += 1
        return name, found

    def _type(self) -> Type:
        kind, text, _ = self._tokens[self._next]
        keyword = text.lower()
        if kind != "word" or keyword not in (
            *_PLAIN, *_DECIMAL, *_OF_LENGTH, "string", "array", "map", "struct", "interval"
        ):  # fmt: skip
            raise self._expected(
                "a type (string, bigint, int, float, double, boolean, binary, date, timestamp, "
                "decimal(p,s), array<…>, …)"
            )
        self._next += 1
        if keyword in _PLAIN:
            return Type(*_PLAIN[keyword])
        if keyword in _DECIMAL:
            return self._decimal()
        if keyword in _OF_LENGTH:
            (length,) = self._numbers("the length in brackets", 1)
            name = "varchar" if keyword == "varchar" else "char"
            return Type(_OF_LENGTH[keyword], f"{name}({length})")
        if keyword == "string":
            if self._takes("collate"):
                return Type("StringType", f"string collate {self._name('a collation')}")
            return Type("StringType", "string")
        if keyword == "interval":
            units = [self._unit(), self._unit()] if self._is_unit() else []
            return Type("IntervalType", f"interval {' to '.join(filter(None, units))}".rstrip())
        if keyword == "struct":
            fields = ",".join(f"{name}:{of.text}" for name, of in self._listed(self._field))
            return Type("StructType", f"struct<{fields}>")
        inner = self._listed(self._type, 1 if keyword == "array" else 2)
        text = f"{keyword}<{','.join(of.text for of in inner)}>"
        return Type("ArrayType", text, inner[0]) if keyword == "array" else Type("MapType", text)

    def _decimal(self) -> Type:
        start = self._next
        precision, scale = 10, 0
        if self._tokens[self._next][1] == "(":
            precision, scale = (*self._numbers("digits", 1, 2), 0)[:2]
        if not 0 < precision <= _MOST_DIGITS or scale > precision:
            self._next = start
            raise self._expected(
                f"up to {_MOST_DIGITS} digits, and no more of them behind the point"
            )
        return Type("DecimalType", f"decimal({precision},{scale})")

    def _numbers(self, what: str, *counts: int) -> list[int]:
        """That many whole numbers in brackets."""
        self._take("(", what)
        numbers = self._separated(self._number)
        if len(numbers) not in counts:
            raise self._expected(f"{' or '.join(map(str, counts))} numbers")
        self._take(")")
        return numbers

    def _number(self) -> int:
        if self._tokens[self._next][0] != "number":
            raise self._expected("a whole number")
        self._next += 1
        return int(self._tokens[self._next - 1][1])

    def _name(self, what: str) -> str:
        if self._tokens[self._next][0] != "word":
            raise self._expected(what)
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _is_unit(self) -> bool:
        return self._tokens[self._next][1].lower() in _UNITS

    def _unit(self) -> str:
        """The next unit of an interval, behind a ``to`` perhaps, if there is one."""
        if not self._is_unit() and not self._takes("to"):
            return ""
        if not self._is_unit():
            raise self._expected(f"a unit ({', '.join(_UNITS)})")
        return self._name("a unit").lower()

    def _listed(self, part: Callable[[], _Part], count: int | None = None) -> list[_Part]:
        """What stands in angle brackets."""
        self._take("<")
        if count is None and self._takes(">"):
            return []
        parts = [part()]
        while count is None or len(parts) < count:
            if count is None and self._tokens[self._next][1] != ",":
                break
            self._take(",")
            parts.append(part())
        self._take(">", "a comma or >" if count is None else None)
        return parts

    def _separated(self, part: Callable[[], _Part]) -> list[_Part]:
        parts = [part()]
        while self._takes(","):
            parts.append(part())
        return parts

    def _take(self, what: str, called: str | None = None) -> None:
        if not self._takes(what):
            raise self._expected(called or what.upper())

    def _takes(self, what: str) -> bool:
        kind, text, _ = self._tokens[self._next]
        found = kind in ("word", "sign") and text.lower() == what
        self._next += found
        return found

    def _expected(self, what: str) -> ValueError:
        _, text, position = self._tokens[self._next]
        there = repr(text) if text else "its end"
        return ValueError(
            f"the schema {self._ddl!r} has {there} at position {position}, and expected is {what}"
        )

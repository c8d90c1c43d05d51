"""What a feature is, inferred from the records that have it: its type, and how long its lists are.

The rules are the data source's. An empty list fits every type; whole numbers in some records and
others in others make a double.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sparktf.columns.dtypes import of_feature_list, spark_type

#: The kinds of lists that hold numbers.
NUMBERS: Final = {"int64_list", "float_list"}


@dataclass
class SeenFeature:
    """What the records that were looked at show of a feature.

    Attributes:
        steps: Whether it is a feature list of a SequenceExample: a list of lists.
        kind: "int64_list", "float_list" or "bytes_list"; None where it was seen only empty, and
            "float_list" where it has both
            kinds of numbers.
        kinds: All kinds that had values, each with a file that shows it.
        empty_kinds: The same of kinds that had none.
        present: Number of records that have it.
        shortest, longest: Number of values in a record that has it; of a feature list, of steps.
        shortest_file, longest_file: Files that have a list as short and as long.
    """

    steps: bool = False
    kind: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    empty_kinds: dict[str, str] = field(default_factory=dict)
    present: int = 0
    shortest: int = 0
    shortest_file: str = ""
    longest: int = 0
    longest_file: str = ""

    def add_kind(self, kind: str, count: int, file: str) -> None:
        """A list of so many values."""
        if count == 0:
            self.empty_kinds.setdefault(kind, file)
        elif kind != self.kind and kind not in self.kinds:
            self.kinds[kind] = file
            self.kind = "float_list" if self.is_mixed else self.kind or kind

    def add_record(self, length: int, file: str) -> None:
        """A record that has the feature, with so many values or steps."""
        if not self.present or length < self.shortest:
            self.shortest, self.shortest_file = length, file
        if not self.present or length > self.longest:
            self.longest, self.longest_file = length, file
        self.present += 1

    @property
    def all_kinds(self) -> dict[str, str]:
        """Those with values, then those without, each with a file that shows it."""
        return self.kinds | {k: f for k, f in self.empty_kinds.items() if k not in self.kinds}

    @property
    def is_mixed(self) -> bool:
        """Whether it has whole numbers in some records and others in others."""
        return self.kinds.keys() >= NUMBERS

    @property
    def spark_type(self) -> str | None:
        """The type that the data source infers for the column; None where none can be told."""
        if self.kind is None:
            return None
        value = "double" if self.is_mixed else self._value_type
        if self.steps:
            return f"array<array<{value}>>"
        return f"array<{value}>" if self.longest > 1 else value

    @property
    def _value_type(self) -> str:
        assert self.kind is not None
        found = spark_type(of_feature_list(self.kind))
        assert found is not None
        return found

"""How Spark's SQL spells a column's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def quoted(name: str) -> str:
    """The name in backquotes, so that dots, blanks and backquotes in it are only characters."""
    return "`" + name.replace("`", "``") + "`"


def folding(spark: SparkSession) -> Callable[[str], str]:
    """What makes names equal that the session takes for one, by ``spark.sql.caseSensitive``."""
    return _folded if spark.conf.get("spark.sql.caseSensitive") != "true" else str


def _folded(name: str) -> str:
    """Java's `equalsIgnoreCase` goes letter by letter: "ß" is not "SS"."""

    upper = (u if len(u := letter.upper()) == 1 else letter for letter in name)
    return "".join(letter.lower()[0] for letter in upper)  # "İ" alone has two, and Java takes one

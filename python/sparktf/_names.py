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

    def one(letter: str, other: str) -> str:
        return other if len(other) == 1 else letter

    return "".join(one(u, u.lower()) for u in (one(c, c.upper()) for c in name))

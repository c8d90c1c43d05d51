"""How Spark's SQL spells a column's name."""

from __future__ import annotations


def quoted(name: str) -> str:
    """The name in backquotes, so that dots, blanks and backquotes in it are only characters."""
    return "`" + name.replace("`", "``") + "`"

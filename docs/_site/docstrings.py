"""Docstrings as mkdocs reads them: their tables of reStructuredText become Markdown's."""

from __future__ import annotations

import re
from typing import Any

import griffe

_RULE = re.compile(r"^ *=+(?: +=+)+ *$")


class Tables(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_tables(obj.docstring.value)


def with_tables(text: str) -> str:
    lines = text.split("\n")
    out: list[str] = []
    i = 0
    while i < len(lines):
        if not _RULE.match(lines[i]):
            out.append(lines[i])
            i += 1
            continue
        end = max(k for k in range(i, min(i + 60, len(lines))) if _is_rule_of(lines, i, k))
        out += _table(lines[i : end + 1])
        i = end + 1
    return "\n".join(out)


def _is_rule_of(lines: list[str], start: int, at: int) -> bool:
    """Whether a line ends, or divides, the table that begins at `start`."""
    return lines[at] == lines[start] and all(line.strip() for line in lines[start:at])


def _table(lines: list[str]) -> list[str]:
    spans = [match.span() for match in re.finditer("=+", lines[0])]
    body = [line for line in lines[1:-1] if line.strip()]
    divider = next((i for i, line in enumerate(body) if line == lines[0]), None)
    head = _rows(body[:divider], spans) if divider is not None else [[""] * len(spans)]
    rows = _rows(body[divider + 1 :] if divider is not None else body, spans)
    # A head may go over several lines, which Markdown's may not.
    whole = [" ".join(filter(None, cells)) for cells in zip(*head, strict=True)]
    return [_line(whole), _line(["---"] * len(spans)), *map(_line, rows)]


def _rows(lines: list[str], spans: list[tuple[int, int]]) -> list[list[str]]:
    """A line with nothing in its first column goes on with the row before."""
    rows: list[list[str]] = []
    for line in lines:
        ends = [start for start, _ in spans[1:]] + [None]
        cells = [line[start:end].strip() for (start, _), end in zip(spans, ends, strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
    return rows


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

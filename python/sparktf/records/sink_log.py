"""The log of a folder that a streaming query of Spark wrote: which of its files are its output.

A batch that failed, or was written twice, leaves files of which the log does not know. As Spark's
`FileStreamSinkLog` and `CompactibleFileStreamLog` write it: a file for each batch in
`_spark_metadata`, which now and then (`9.compact`) has the entries of all batches before it too; a
line with the version, then one JSON object a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from sparktf.storage.file_systems import FileSystem
from sparktf.storage.uris import without_authority

if TYPE_CHECKING:
    from sparktf.records.files import RecordFile

_FOLDER: Final = "_spark_metadata"
_BATCH: Final = re.compile(r"([0-9]+)(\.compact)?")


def committed(folder: str, found: Sequence[RecordFile], system: FileSystem) -> list[RecordFile]:
    """Those of the files in a folder that its log lists; all of them where it has none.

    Raises:
        ValueError: The log cannot be read, or a batch of it is missing.
        FileNotFoundError: A file that it lists is not there.
    """
    log = f"{folder}/{_FOLDER}"
    if not system.isdir(log):
        return list(found)
    listed: dict[str, None] = {}
    for entry in _entries(log, system):
        # What is above the folder does not matter: it may be mounted elsewhere than it was written.
        path = unquote(without_authority(entry["path"]))
        if entry["action"] == "add":
            listed[path] = None
        else:
            listed.pop(path, None)
    by_name: dict[str, list[str]] = {}
    for path in listed:
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    files = {}
    for file in found:
        relative = file.path[len(folder.rstrip("/")) :]
        for path in by_name.get(relative.rpartition("/")[2], ()):
            if path.endswith(relative):
                files[path] = file
    for path in listed:
        if path not in files:
            raise FileNotFoundError(
                f"the log of {folder} ({_FOLDER}) lists {path}, which is not there"
            )
    kept = set(files.values())
    return [file for file in found if file in kept]


def _entries(log: str, system: FileSystem) -> Iterator[Any]:
    """The entries of all batches, in their order."""
    batches: dict[int, str] = {}
    compacted = -1
    for name in system.listdir(log):
        number = _BATCH.fullmatch(name.rstrip("/"))
        if number is None:
            continue
        batch = int(number[1])
        if number[2]:
            compacted = max(compacted, batch)
        if number[2] or batch not in batches:
            batches[batch] = f"{log}/{number[0]}"
    first, last = max(compacted, 0), max(batches, default=-1)
    for batch in range(first, last + 1):
        if batch not in batches:
            raise ValueError(
                f"{log} is the log of a streaming query, and its batch {batch} is missing: which "
                "files are its output cannot be told"
            )
        yield from _read(batches[batch], system)


def _read(path: str, system: FileSystem) -> Iterator[Any]:
    with system.open(path) as file:
        first, *lines = file.read().decode(errors="replace").split("\n")
    if first != "v1":
        raise ValueError(f"{path} is no log of a streaming query: it begins with {first!r}")
    for line in filter(None, lines):
        try:
            entry = json.loads(line)
            yield {name: entry[name] for name in ("path", "action")}
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{path} is damaged: {line!r} is no entry of a log") from None

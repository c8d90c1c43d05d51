"""Which files a path stands for, and what TensorFlow must know of each to read it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

from sparktf.records import compression as compressions
from sparktf.records import partitions, sink_log
from sparktf.storage.file_systems import FileSystem, TensorFlowFiles

PathLike: TypeAlias = "str | os.PathLike[str]"

# Looking into one object of a cloud store takes tens of milliseconds, nearly all of it waiting.
_THREADS = 16


@dataclass(frozen=True)
class RecordFile:
    """One TFRecord file.

    Attributes:
        path: As TensorFlow opens it.
        partition: Column and value of the `column=value` folders above it, outermost first.
        compression: TensorFlow's name of it: "", "GZIP" or "ZLIB".
        size: Its bytes, as they lie there.
        head: Its first bytes, where they had to tell the compression.
    """

    path: str
    partition: tuple[tuple[str, str], ...]
    compression: str = ""
    size: int = 0
    head: bytes = b""

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def partition_columns(self) -> list[str]:
        return [column for column, _ in self.partition]


def find_files(
    path: PathLike | Sequence[PathLike], compression: str, system: FileSystem | None = None
) -> list[RecordFile]:
    """The files of `path`, those of each part in the order of their names.

    Args:
        path: A file, a directory that Spark wrote, a glob, or several of these. In a directory,
            `column=value` folders are followed; other folders are not (Spark does not read them
            either), except below one of these. Names that begin with `_` or `.` are hidden,
            unless they are of the form `_column=value`. Of a directory that a streaming query of
            Spark wrote, the files are those that its log lists.
        compression: "auto", "none", "gzip", "zlib" or "deflate".
        system: Where the files are; by default what TensorFlow opens.

    Raises:
        FileNotFoundError: A part of `path` stands for no file.
        ValueError: TensorFlow cannot open a path or a compression, or files lie in folders with
            different partition columns.
    """
    parts = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    if not parts:
        raise FileNotFoundError("no TFRecord files: the list of paths is empty")
    system = TensorFlowFiles() if system is None else system
    files = [file for part in parts for file in _list_part(system.path(part), system)]
    _check_same_partition_columns(files)
    return _with_compression(files, compression, system)


def evenly_spaced(files: Sequence[RecordFile], count: int) -> Sequence[RecordFile]:
    """Up to `count` of the files, evenly spaced, the first and the last among them."""
    if len(files) <= count:
        return files
    return [files[i * (len(files) - 1) // (count - 1)] for i in range(count)]


def _list_part(path: str, system: FileSystem) -> list[RecordFile]:
    # A name that exists is that file, whatever characters are in it.
    if system.exists(path):
        names = [path]
    elif re.search(r"[*?\[{]", path):
        names = sorted({name for glob in _expand_braces(path) for name in _matches(glob, system)})
        if not names:
            raise FileNotFoundError(f"no TFRecord files: nothing matches {path}")
    else:
        raise FileNotFoundError(f"no TFRecord files: {path} does not exist")
    files: list[RecordFile] = []
    other_folders: list[str] = []
    for name in names:
        if system.isdir(name):
            folder = name.rstrip("/") or "/"
            found = list(_walk(folder, (), other_folders, system))
            files += sink_log.committed(folder, found, system)
        else:
            files.append(RecordFile(name, ()))
    if not files:
        message = (
            f"no TFRecord files in {path}: looked for files whose names do not begin with _ or ., "
            "there and in column=value folders"
        )
        if other_folders:
            message += (
                f"; it has other folders ({', '.join(other_folders[:5])}), which are not read: "
                f"name one of them, or use a glob such as {path.rstrip('/')}/*"
            )
        raise FileNotFoundError(message)
    return files


def _expand_braces(glob: str) -> Iterator[str]:
    """Hadoop's globs know {a,b}, TensorFlow's do not."""
    braces = re.search(r"\{([^{}]*)\}", glob)
    if braces is None:
        yield glob
        return
    for choice in braces[1].split(","):
        yield from _expand_braces(glob[: braces.start()] + choice + glob[braces.end() :])


def _matches(glob: str, system: FileSystem) -> Iterator[str]:
    """The paths that match, less those where a wildcard stands for a hidden name."""
    wanted = glob.rstrip("/").split("/")
    for path in system.glob(glob):
        names = path.rstrip("/").split("/")
        if not any(_is_hidden(name) and name not in wanted for name in names):
            yield path


def _walk(
    folder: str, partition: tuple[tuple[str, str], ...], skipped: list[str], system: FileSystem
) -> Iterator[RecordFile]:
    # Object stores list folders with a slash at the end.
    for name in sorted(name.rstrip("/") for name in system.listdir(folder)):
        if _is_hidden(name):
            continue
        child = f"{folder}/{name}"
        column = partitions.parse_folder(name)
        if not system.isdir(child):
            yield RecordFile(child, partition)
        elif column is not None:
            yield from _walk(child, (*partition, column), skipped, system)
        elif partition:
            yield from _walk(child, partition, skipped, system)
        else:
            skipped.append(name)


def _is_hidden(name: str) -> bool:
    # The rule of Spark's HadoopFSUtils.shouldFilterOutPathName.
    return (
        name.startswith(".")
        or (name.startswith("_") and "=" not in name)
        or name.endswith("._COPYING_")
    )


def _check_same_partition_columns(files: Sequence[RecordFile]) -> None:
    first = files[0]
    for file in files:
        if len(set(file.partition_columns)) < len(file.partition_columns):
            raise ValueError(f"{file.folder} has two folders of the same partition column")
        if file.partition_columns != first.partition_columns:
            raise ValueError(
                "files lie in folders with different partition columns: "
                f"{first.folder} has {_listed(first.partition_columns)}, "
                f"{file.folder} has {_listed(file.partition_columns)}"
            )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns) if columns else "none"


def _with_compression(
    files: Iterable[RecordFile], compression: str, system: FileSystem
) -> list[RecordFile]:
    if compression != "auto" and compression not in compressions.TENSORFLOW_NAMES:
        names = ", ".join(f'"{name}"' for name in ("auto", *compressions.TENSORFLOW_NAMES))
        raise ValueError(f"compression must be one of {names}, not {compression!r}")

    def look_at(file: RecordFile) -> RecordFile:
        size, head = system.size(file.path), b""
        codec = compression
        if compression == "auto":
            with system.open(file.path) as opened:
                head = opened.read(compressions.HEADER_LENGTH)
            codec = compressions.detect(file.path, head)
        name = compressions.tensorflow_name(file.path, codec)
        return replace(file, compression=name, size=size, head=head)

    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(look_at, files))

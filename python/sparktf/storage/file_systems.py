"""Where files are listed and opened: by TensorFlow, or on this machine alone."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from sparktf.storage.uris import split_scheme

# A character behind a backslash, or a set of some: [abc], [^abc] or [!abc].
_GLOB_PART: Final = re.compile(r"\\(.)|\[([!^]?)(\]?[^\]]*\])", re.S)


class FileSystem(Protocol):
    """What finding files needs of it. Paths are as `path` gives them, with / between names."""

    def path(self, name: str | os.PathLike[str]) -> str:
        """The path as the other methods take it.

        Raises:
            ValueError: It is none of this file system.
        """

    def exists(self, path: str) -> bool: ...

    def isdir(self, path: str) -> bool: ...

    def listdir(self, path: str) -> Sequence[str]: ...

    def glob(self, pattern: str) -> Sequence[str]: ...

    def size(self, path: str) -> int: ...

    def open(self, path: str) -> BinaryIO:
        """
        Raises:
            ValueError: It is a pipe or the like, which could not be read once more.
        """


class TensorFlowFiles:
    """What TensorFlow opens: local files and those of its plug-ins."""

    def path(self, name: str | os.PathLike[str]) -> str:
        path, scheme = split_scheme(name)
        if scheme is None:
            return path
        import tensorflow as tf

        known = sorted(filter(None, tf.io.gfile.get_registered_schemes()))
        if scheme not in known:
            raise ValueError(
                f"TensorFlow cannot open {path}: it knows no file system {scheme}: (only local "
                f"paths and {', '.join(known)}). Let Spark read it and feed the training: "
                f'TensorFlowDistributor.train_on(spark.read.format("tfrecord").load("{path}"), '
                "fn); or copy the files to where TensorFlow can open them"
            )
        return path

    @property
    def _gfile(self) -> Any:
        import tensorflow as tf

        return tf.io.gfile

    def exists(self, path: str) -> bool:
        return bool(self._gfile.exists(path))

    def isdir(self, path: str) -> bool:
        return bool(self._gfile.isdir(path))

    def listdir(self, path: str) -> Sequence[str]:
        names: Sequence[str] = self._gfile.listdir(path)
        return names

    def glob(self, pattern: str) -> Sequence[str]:
        paths: Sequence[str] = self._gfile.glob(pattern)
        return paths

    def size(self, path: str) -> int:
        if split_scheme(path)[1] is None and not _is_read_again(path):
            raise ValueError(
                f"{path} is no file but a pipe, a device or the like, which cannot be read in "
                "each epoch: write what comes out of it into a file"
            )
        return int(self._gfile.stat(path).length)

    def open(self, path: str) -> BinaryIO:
        if split_scheme(path)[1] is None:
            return Path(path).open("rb", buffering=0)
        file: BinaryIO = self._gfile.GFile(path, "rb")
        return file


class LocalFiles:
    """The files of this machine, without TensorFlow."""

    def path(self, name: str | os.PathLike[str]) -> str:
        path, scheme = split_scheme(name)
        if scheme is not None:
            raise ValueError(
                f"{path} is not on this machine: only local files are read here. Copy it (for "
                f"example by `hadoop fs -get`), or read it in Spark"
            )
        return path

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def isdir(self, path: str) -> bool:
        return Path(path).is_dir()

    def listdir(self, path: str) -> list[str]:
        return os.listdir(path)  # noqa: PTH208 (names, not paths)

    def glob(self, pattern: str) -> list[str]:
        return glob.glob(_GLOB_PART.sub(_as_python, pattern))  # noqa: PTH207

    def size(self, path: str) -> int:
        return Path(path).stat().st_size

    def open(self, path: str) -> BinaryIO:
        if not _is_read_again(path):
            raise ValueError(
                f"{path} is no file but a pipe, a device or the like, whose bytes are gone once "
                "they are looked at: say how they are compressed (--compression none), or write "
                "them into a file"
            )
        return Path(path).open("rb", buffering=0)


def _as_python(part: re.Match[str]) -> str:
    """What Hadoop, TensorFlow and shells spell otherwise in globs: `[^a]`, and a backslash."""
    if part[1]:
        return glob.escape(part[1])
    return f"[{'!' * bool(part[2])}{part[3]}"


def _is_read_again(path: str) -> bool:
    return stat.S_ISREG(Path(path).stat().st_mode)

"""One rule for what is a path of this machine and what a URI, for all that open files."""

from __future__ import annotations

import os
import re
from typing import Final

# Two letters at least: "C:/data" is a drive. Spark writes local paths as "file:/data".
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def split_scheme(name: str | os.PathLike[str]) -> tuple[str, str | None]:
    """A path and its scheme; None for one of this machine, and then the path has none.

    No escapes are resolved: as in Hadoop's paths a percent sign stands for itself.
    """
    path = os.fspath(name) if isinstance(name, str) else os.fspath(name).replace(os.sep, "/")
    scheme = _SCHEME.match(path)
    if scheme is None:
        return path, None
    if scheme[1] == "file":
        return re.sub("^file:/+", "/", path), None
    return path, scheme[1]


def has_scheme(path: str) -> bool:
    """Whether it is a URI, be it of this machine."""
    return _SCHEME.match(path) is not None


def without_authority(uri: str) -> str:
    """The path on its file system: ``hdfs://host/a/b``, ``file:/a/b`` and ``/a/b`` are ``/a/b``."""
    path, scheme = split_scheme(uri)
    return path if scheme is None else re.sub("^[^:]+:(//[^/]*)?", "", path, count=1)


def as_pattern(path: str) -> str:
    """The pattern of Hadoop's that only this path matches: Spark's readers take patterns."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)

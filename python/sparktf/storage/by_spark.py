"""Files that Spark can reach and this machine's file system cannot: read and written by Spark.

A classic session's JVM has Hadoop's file systems, with the session's settings and credentials. A
Spark Connect client has no JVM: there the server reads the files, with its own.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sparktf.spark.sessions import is_connect
from sparktf.storage.uris import as_pattern

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A row of this size passes through Spark Connect, whose messages hold 128 MiB.
_PIECE: Final = 16 << 20


def open_files(spark: SparkSession, uri: str) -> HadoopFiles | ServerFiles:
    """The files at a path, which may be a folder or a file.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: Spark cannot read such a path.
    """
    if is_connect(spark):
        return ServerFiles(spark, uri)
    return HadoopFiles(spark, uri)


class HadoopFiles:
    """Through the JVM of a classic session."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self._uri = uri
        self._jvm, self._path, self._fs = _hadoop(spark, uri)
        with _java_errors(uri):
            if not self._fs.exists(self._path):
                raise FileNotFoundError(f"no such file or folder: {uri}")

    def listing(self) -> list[tuple[str, int, int]]:
        """Path, length and time of change of each file."""
        with _java_errors(self._uri):
            return _listing(self._fs, self._path)

    def copy_to(self, folder: Path) -> Path:
        """Copies all into a new entry of `folder`."""
        target = folder / _local_name(self._path.getName())
        with _java_errors(self._uri):
            self._fs.copyToLocalFile(False, self._path, _local_path(self._jvm, target), True)
        return target


class ServerFiles:
    """Through the server of a Spark Connect session, as rows of its `binaryFile` source."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        from pyspark.errors import PySparkException

        reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
        self._files = reader.load(as_pattern(uri))
        self._uri = uri
        try:
            self._rows = self._files.select("path", "length", "modificationTime").collect()
        except PySparkException as error:
            if "PATH_NOT_FOUND" in str(error):
                raise FileNotFoundError(f"no such file or folder: {uri}") from None
            raise ValueError(f"Spark's server cannot read {uri}: {error}") from error
        if not self._rows:
            raise FileNotFoundError(f"no files at {uri}")

    def listing(self) -> list[tuple[str, int, int]]:
        """Path, length and time of change of each file."""
        return sorted(
            (row.path, row.length, int(row.modificationTime.timestamp() * 1000))
            for row in self._rows
        )

    def copy_to(self, folder: Path) -> Path:
        """Copies all into a new entry of `folder`."""
        target = folder / _local_name(self._uri.rstrip("/").rpartition("/")[2])
        root = self._root()
        pieces = self._files.selectExpr(
            "path", "content", f"explode(sequence(0L, (length - 1) div {_PIECE})) AS piece"
        ).selectExpr(
            "path", "piece", f"substring(content, cast(piece * {_PIECE} + 1 AS int), {_PIECE}) AS b"
        )
        for row in pieces.toLocalIterator():
            file = target / row.path[len(root) :].lstrip("/") if row.path != root else target
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("r+b" if file.exists() else "wb") as into:
                into.seek(row.piece * _PIECE)
                into.write(row.b)
        return target

    def _root(self) -> str:
        """The path as Spark spells it, in front of all files' names."""
        paths = [row.path for row in self._rows]
        name = self._uri.rstrip("/").rpartition("/")[2]
        if len(paths) == 1 and paths[0].rpartition("/")[2] == name:
            return str(paths[0])
        graphs = sorted((p for p in paths if p.endswith("/saved_model.pb")), key=len)
        if not graphs:
            raise ValueError(f"{self._uri} is no SavedModel: it has no saved_model.pb")
        return str(graphs[0].rpartition("/")[0])


class HadoopPlace:
    """A path that a classic session's JVM can write, see `models.store.Place`."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self._jvm, self._path, self._fs = _hadoop(spark, uri)

    @property
    def name(self) -> str:
        return str(self._path.getName())

    def exists(self) -> bool:
        with _java_errors(self):
            return bool(self._fs.exists(self._path))

    def names(self) -> list[str] | None:
        with _java_errors(self):
            if self._fs.getFileStatus(self._path).isFile():
                return None
            return [str(status.getPath().getName()) for status in self._fs.listStatus(self._path)]

    def begin(self) -> bytes:
        with _java_errors(self):
            stream = self._fs.open(self._path)
            try:
                return bytes(byte for _ in range(4) if (byte := stream.read()) >= 0)
            finally:
                stream.close()

    def sizes(self) -> list[int]:
        with _java_errors(self):
            return [length for _, length, _ in _listing(self._fs, self._path)]

    def beside(self, name: str) -> HadoopPlace:
        other = copy.copy(self)
        # As a path, or else what is in front of a colon would be a scheme.
        other._path = self._jvm.org.apache.hadoop.fs.Path(self._path.getParent(), f"./{name}")
        return other

    def write(self, local: Path) -> None:
        with _java_errors(self):
            self._fs.mkdirs(self._path.getParent())
            # By streams, as Spark itself writes: S3A's copyFromLocalFile uploads in a way of its
            # own, which not every server that speaks S3 understands.
            hadoop, conf = self._jvm.org.apache.hadoop.fs, self._fs.getConf()
            here = hadoop.FileSystem.getLocal(conf).getRawFileSystem()
            source = _local_path(self._jvm, local)
            hadoop.FileUtil.copy(here, source, self._fs, self._path, False, True, conf)

    def move_to(self, other: HadoopPlace) -> None:
        # In an object store that is a copy, after which this one is deleted.
        with _java_errors(self):
            if not self._fs.rename(self._path, other._path):
                raise OSError(f"{self} could not be renamed to {other}")
            # Where a folder is by now, Hadoop puts this one into it.
            inside = self._jvm.org.apache.hadoop.fs.Path(other._path, f"./{self.name}")
            if self._fs.exists(inside):
                self._fs.delete(inside, True)
                raise FileExistsError(f"{other} was written by another process meanwhile")

    def delete(self) -> None:
        with _java_errors(self):
            self._fs.delete(self._path, True)

    def __str__(self) -> str:
        return str(self._path.toString())


def _listing(fs: Any, path: Any) -> list[tuple[str, int, int]]:
    """Path, length and time of change of each file."""
    found = []
    files = fs.listFiles(path, True)
    while files.hasNext():
        status = files.next()
        found.append(
            (str(status.getPath().toString()), status.getLen(), status.getModificationTime())
        )
    return sorted(found)


def qualified(spark: SparkSession, path: str) -> str:
    """A path with the scheme of its file system: ``/a`` is ``hdfs://host/a`` on some clusters."""
    _, given, fs = _hadoop(spark, path)
    with _java_errors(path):
        return str(fs.makeQualified(given).toString())


def _hadoop(spark: Any, uri: str) -> tuple[Any, Any, Any]:
    """The JVM, and Hadoop's Path and FileSystem for a path, with the session's settings."""
    jvm = spark.sparkContext._jvm
    with _java_errors(uri):
        path = jvm.org.apache.hadoop.fs.Path(uri)
        return jvm, path, path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())


def _local_name(name: str) -> str:
    """A name for a copy on this machine: letters that the JVM may not write here are left out."""
    return "model" + re.sub(r"[^A-Za-z0-9.]", "", Path(name).suffix)


def _local_path(jvm: Any, path: Path) -> Any:
    # In its parts: of a URI's text Hadoop takes a percent sign for itself, not for an escape.
    return jvm.org.apache.hadoop.fs.Path("file", None, str(path.absolute()))


@contextlib.contextmanager
def _java_errors(uri: object) -> Iterator[None]:
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

    try:
        yield
    except Py4JJavaError as error:
        reason = error.java_exception.toString()
        raise ValueError(f"Spark cannot reach {uri}: {reason}") from error

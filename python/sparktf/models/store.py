"""Where `sparktf.save_model` and a Transformer put models: this machine, or where Spark writes."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sparktf.models import files
from sparktf.spark.sessions import active_session, is_connect
from sparktf.storage import by_spark as remote
from sparktf.storage.uris import has_scheme

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MODEL_FILES: Final = frozenset({"saved_model.pb", "saved_model.pbtxt", "keras_metadata.pb"})
_KERAS: Final = (".keras", ".h5", ".hdf5")
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF"


class Place(Protocol):
    """A path where a model's folder or .zip can be, on some file system; `str` spells it."""

    @property
    def name(self) -> str: ...

    def exists(self) -> bool: ...

    def names(self) -> list[str] | None:
        """What is in the folder; None where it is a file."""

    def begin(self) -> bytes:
        """The first four bytes of a file."""

    def sizes(self) -> list[int]:
        """Of all files below it, or its own."""

    def beside(self, name: str) -> Any:
        """Another entry of the same folder."""

    def write(self, local: Path) -> None:
        """Copies a file or folder of this machine there, where nothing is."""

    def move_to(self, other: Any) -> None:
        """Renames it to what `beside` gave, where nothing is."""

    def delete(self) -> None: ...


class LocalPlace:
    """A path of this machine; a link stands for what it leads to."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()

    @property
    def name(self) -> str:
        return self._path.name

    def exists(self) -> bool:
        return self._path.exists()

    def names(self) -> list[str] | None:
        return [path.name for path in self._path.iterdir()] if self._path.is_dir() else None

    def begin(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(4)

    def sizes(self) -> list[int]:
        return _sizes(self._path)

    def beside(self, name: str) -> LocalPlace:
        return LocalPlace(self._path.parent / name)

    def write(self, local: Path) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if local.is_dir() else shutil.copyfile)(local, self._path)

    def move_to(self, other: LocalPlace) -> None:
        self._path.rename(other._path)

    def delete(self) -> None:
        if self._path.is_dir():
            shutil.rmtree(self._path)
        else:
            self._path.unlink(missing_ok=True)

    def __str__(self) -> str:
        return str(self._path)


def place(uri: str) -> Place:
    """The path that a model is to be written to.

    Raises:
        ValueError: It is on another file system, and there is no classic session to write with.
    """
    local = files.local_path(uri)
    if local is not None:
        return LocalPlace(local)
    spark = active_session()
    if spark is None or is_connect(spark):
        raise ValueError(
            f"{uri} is written by the JVM of a classic Spark session, and there is none: "
            "create one, or save to a folder of this machine and copy it from there"
        )
    return remote.HadoopPlace(spark, uri)


def put(content: Path, target: Place, overwrite: bool) -> None:
    """Copies a file or folder of this machine there, all of it or nothing.

    Raises:
        FileExistsError: There is something, and it may not be replaced.
        OSError: It cannot be written; what was there is there.
    """

    def write(new: Place) -> None:
        new.write(content)
        wanted, found = sorted(_sizes(content)), sorted(new.sizes())
        if found != wanted:
            raise OSError(f"{new} has files of {found} bytes after files of {wanted} were written")

    replace(target, write, overwrite)


def replace(target: Place, write: Callable[[Any], None], overwrite: bool) -> None:
    """Has `write` make something beside the target, which then takes its place.

    At each moment the old or the new one is there, whole: under its name, or, for the moment
    between two renames, under a name that begins with a dot. So begins what a process leaves that
    is killed meanwhile, and nothing takes that for a model.

    Raises:
        FileExistsError: As `put` does.
    """
    token = secrets.token_hex(4)
    new = target.beside(f".{target.name}.sparktf-new-{token}")
    old = target.beside(f".{target.name}.sparktf-old-{token}")
    try:
        write(new)
        replaces = target.exists()
        if replaces and not overwrite:
            raise already_there(target)
        if replaces:
            target.move_to(old)
        try:
            new.move_to(target)
        except BaseException:
            if replaces and not target.exists():
                old.move_to(target)
            raise
    except BaseException:
        with contextlib.suppress(OSError, ValueError):
            new.delete()
        raise
    if replaces:
        old.delete()


def already_there(target: object) -> FileExistsError:
    return FileExistsError(f"{target} is there already: overwrite=True replaces it")


def check_replaceable(target: Place) -> None:
    """Raises a FileExistsError if what is there is neither a model nor empty."""
    names = target.names()
    if names is None:
        begin = target.begin()
        fits = begin in (b"", _HDF5) or (begin == _ZIP and _may_hold_model(target))
    else:
        fits = not _MODEL_FILES.isdisjoint(names) or all(name.endswith(_KERAS) for name in names)
    if not fits:
        raise _no_model(target, names)


def check_replaceable_stage(target: Place) -> None:
    """The same of a stage that pyspark.ml has saved."""
    names = target.names()
    if names is None or (names and "metadata" not in names):
        raise _no_model(target, names)


def _may_hold_model(file: Place) -> bool:
    """Of a zip; one that is not on this machine is believed to."""
    if not isinstance(file, LocalPlace):
        return True
    try:
        with zipfile.ZipFile(str(file)) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except zipfile.BadZipFile:
        return False
    # A .keras file is a zip with these.
    return bool({"saved_model.pb", "model.weights.h5"} & set(names))


def _no_model(target: Place, names: list[str] | None) -> FileExistsError:
    found = "a file of another kind"
    if names is not None:
        found = f"a folder with {', '.join(sorted(names)[:5])}{', …' if len(names) > 5 else ''}"
    return FileExistsError(
        f"{target} is no model but {found}, and overwriting replaces nothing but models and empty "
        "folders: give the path of the model itself, or remove what is there"
    )


def _sizes(path: Path) -> list[int]:
    found = path.rglob("*") if path.is_dir() else [path]
    return [file.stat().st_size for file in found if file.is_file()]


def qualified(spark: SparkSession, path: str) -> str:
    """The path with the scheme of the file system that Spark takes it from."""
    if is_connect(spark) or has_scheme(path):
        return path
    return remote.qualified(spark, path)

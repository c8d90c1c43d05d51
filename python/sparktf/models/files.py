"""A model's files: fetched from where they live, known by their content, sent to the executors."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sparktf.spark.sessions import active_session
from sparktf.spark.shipping import receiver, ship_files, ship_package, temporary_folder, zip_files
from sparktf.storage import by_spark as remote
from sparktf.storage.uris import split_scheme

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Not loaded by TensorFlow, whatever lies in it.
_UNUSED: Final = "assets.extra"

# (URI, what a listing says of its files) -> the copy here.
_fetched: dict[tuple[object, ...], LocalModel] = {}

Stats = tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class LocalModel:
    """A SavedModel's folder on the driver.

    Attributes:
        source: As the user named it.
        folder: Has the `saved_model.pb`.
        fingerprint: Of the content of all files.
        stats: Name and `_stamp` of each file, which tell quickly that nothing has changed.
    """

    source: str
    folder: Path
    fingerprint: str
    stats: Stats = field(repr=False)

    def check_unchanged(self) -> None:
        """Raises a ValueError if the folder has another model by now."""
        _check_unchanged(self.source, self.folder, self.fingerprint, self.stats)


@dataclass(frozen=True)
class ModelLocation:
    """Where an executor finds a model.

    Attributes:
        source: As the user named it.
        fingerprint: Of its content.
        path: A folder on the executor's machine; empty where there is an archive.
        stats: Of the files at `path`.
        archive: Name of the unpacked archive among Spark's files; empty where there is a path.
    """

    source: str
    fingerprint: str
    path: str = ""
    stats: Stats = ()
    archive: str = ""

    def folder(self) -> Path:
        """The model's folder, on an executor.

        Raises:
            ValueError: There is another model by now.
            RuntimeError: Spark has not brought the archive.
        """
        if not self.archive:
            _check_unchanged(self.source, Path(self.path), self.fingerprint, self.stats)
            return Path(self.path)
        from pyspark import SparkFiles

        folder = Path(SparkFiles.getRootDirectory()) / self.archive
        if folder.is_dir():
            return folder
        # The streams of a Spark Connect session run in a copy of it that lacks its archives.
        original = local_path(self.source)
        if original is not None and original.is_dir():
            _check_unchanged(self.source, original, self.fingerprint, ())
            return original
        raise RuntimeError(
            f"the model {self.source} is neither at {folder}, where Spark unpacks a session's "
            "archives, nor at its own path on this executor. On Spark Connect a stream does not "
            "see the session's archives: put the model on a path that all executors see. "
            "Elsewhere, call predict_udf again in the session that runs this query"
        )


def fetch(model: str | os.PathLike[str], spark: SparkSession | None) -> LocalModel:
    """The model as a folder of this machine.

    What lies elsewhere or in a .zip is copied into a temporary folder, once as long as it does not
    change there; the folder goes with this process.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: It is neither a folder nor a .zip with a SavedModel, it was replaced while it
            was copied, or it lies on another file system and there is no Spark session to fetch it
            with.
    """
    source = os.fspath(model)
    path = local_path(source)
    if path is not None:
        if not path.exists():
            raise FileNotFoundError(f"no SavedModel at {source}: there is no such file or folder")
        if path.is_dir():
            return _local_model(source, path)
        key: tuple[object, ...] = (str(path), *_stamp(path))
        if not _is_copied(key):
            _fetched[key] = _local_model(source, _unzipped(path, source))
        return _fetched[key]
    spark = spark or active_session()
    if spark is None:
        raise ValueError(
            f"{source} is fetched by Spark, and there is no active session: create it before"
        )
    files = remote.open_files(spark, source)
    listing = files.listing()
    key = (source, *listing)
    if not _is_copied(key):
        folder = files.copy_to(temporary_folder())
        if remote.open_files(spark, source).listing() != listing:
            raise ValueError(
                f"{source} was replaced while it was copied, and the copy may be of both: try again"
            )
        _fetched[key] = _local_model(
            source, _unzipped(folder, source) if folder.is_file() else folder
        )
    return _fetched[key]


def local_path(uri: str) -> Path | None:
    """The path on this machine, or None for one of another file system."""
    path, scheme = split_scheme(uri)
    return Path(path).absolute() if scheme is None else None


def _is_copied(key: tuple[object, ...]) -> bool:
    # Something may have cleaned up the machine's temporary folder.
    return key in _fetched and _fetched[key].folder.is_dir()


def _local_model(source: str, folder: Path) -> LocalModel:
    stats = _stats(folder)
    return LocalModel(source, folder, fingerprint(folder), stats)


def _unzipped(file: Path, source: str) -> Path:
    """The folder in the zip that has the saved_model.pb: the zip's own, or one below it."""
    if file.suffix in (".keras", ".h5", ".hdf5"):
        raise ValueError(
            f"{source} is a file of Keras's own, no SavedModel: make one by "
            "keras.models.load_model(file).export(folder), or by sparktf.save_model"
        )
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{source} is neither a SavedModel's folder nor a .zip of one")
    folder = temporary_folder()
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    graphs = sorted(folder.rglob("saved_model.pb"), key=lambda path: len(path.parts))
    if not graphs or (len(graphs) > 1 and len(graphs[0].parts) == len(graphs[1].parts)):
        raise ValueError(f"{source} has {len(graphs)} files saved_model.pb in it: one is needed")
    return graphs[0].parent


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Name (with / on every system) and path of each file that a model is made of."""
    return [(n, p) for n, p in _files_below(folder) if not n.startswith(f"{_UNUSED}/")]


def _files_below(folder: Path) -> list[tuple[str, Path]]:
    """All of them, also where a folder in it is a link, as in volumes that are mounted."""
    files = []
    left: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(folder),))]
    while left:
        inner, above = left.pop()
        for entry in os.scandir(folder / inner):
            name = f"{inner}{entry.name}"
            if not entry.is_dir():
                if entry.is_file():
                    files.append((name, folder / name))
                continue
            real = f"{above[-1]}/{entry.name}"
            if entry.is_symlink() and (real := os.path.realpath(entry.path)) in above:
                raise ValueError(f"{entry.path} is a link to a folder that it is in")
            left.append((f"{name}/", (*above, real)))
    return sorted(files)


def _stamp(file: Path) -> tuple[int, ...]:
    """Another one when the file is. Its time alone may be that of an archive's entry or a copy's
    original; the time at which it got that is the system's own."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _stats(folder: Path) -> Stats:
    return tuple((name, *_stamp(path)) for name, path in _files(folder))


def fingerprint(folder: Path) -> str:
    """Of the names and contents of the model's files."""
    total = hashlib.sha256()
    for name, path in _files(folder):
        content = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                content.update(piece)
        total.update(f"{name}\0{content.hexdigest()}\0".encode())
    return total.hexdigest()


# Folders whose content was compared: their stats then.
_compared: dict[tuple[str, str], Stats] = {}


def _check_unchanged(source: str, folder: Path, expected: str, stats: Stats) -> None:
    now = _stats(folder)
    if now == stats or now == _compared.get((str(folder), expected)):
        return
    if fingerprint(folder) != expected:
        raise ValueError(
            f"the model {source} has changed since this function was made from it: make it again "
            "(predict_udf, register_udf), for its inputs and outputs may have changed too"
        )
    _compared[str(folder), expected] = now


def loadable(folder: Path) -> Path:
    """A path of the folder that is no pattern: below ``[a]`` TensorFlow finds no variables."""
    if not re.search(r"[\[\]*?\\]", str(folder)):
        return folder
    link = temporary_folder() / "model"
    link.symlink_to(folder.absolute(), target_is_directory=True)
    return link


def ship(model: LocalModel, spark: SparkSession) -> ModelLocation:
    """Sees to it that executors find the model, and this package; each once per session.

    Executors of a local master use the folder as it is; others get an archive.
    """
    if receiver(spark) is None:
        return ModelLocation(model.source, model.fingerprint, str(model.folder), model.stats)
    model.check_unchanged()
    name = f"sparktf-model-{model.fingerprint[:20]}"
    ship_package(spark)
    ship_files(spark, name, _files(model.folder), model.check_unchanged)
    return ModelLocation(model.source, model.fingerprint, archive=name)


def zip_folder(folder: Path, archive: Path) -> None:
    """All of a folder's files, those that a model does without included."""
    zip_files(_files_below(folder), archive)

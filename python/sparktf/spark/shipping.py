"""What executors need and may not have: this package, and archives, sent once for a session."""

from __future__ import annotations

import atexit
import hashlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparktf.spark.interpreters import use_drivers_in
from sparktf.spark.sessions import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Archives and packages that a context or Connect session has got.
_shipped: set[tuple[str, str]] = set()


def receiver(spark: SparkSession) -> str | None:
    """What is sent to: a Connect session or a context. None where executors are the driver."""
    if is_connect(spark):
        return str(spark.session_id)  # type: ignore[attr-defined]
    context = spark.sparkContext
    if re.fullmatch(r"local(\[[^\]]*\])?", str(context.master)):
        return None
    return str(context.applicationId)


def ship_package(spark: SparkSession) -> None:
    """Sees to it that executors can import sparktf."""
    use_drivers_in(spark)
    to = receiver(spark)
    package = Path(__file__).parents[1]
    # A package inside a zip was shipped itself.
    if to is None or (to, "package") in _shipped or not package.is_dir():
        return
    sources = sorted([*package.rglob("*.py"), *package.glob("native/*/*")])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    archive = temporary_folder() / f"sparktf-{digest[:20]}.zip"
    zip_files([(path.relative_to(package.parent).as_posix(), path) for path in sources], archive)
    if is_connect(spark):
        spark.addArtifacts(str(archive), pyfile=True)
    else:
        spark.sparkContext.addPyFile(str(archive))
    _shipped.add((to, "package"))


def ship_files(
    spark: SparkSession,
    name: str,
    files: Sequence[tuple[str, Path]],
    check: Callable[[], None],
) -> None:
    """Executors get the files, each under its name, in a folder `name` among Spark's files.

    Unless `check` raises, which is called when the files have been read.
    """
    to = receiver(spark)
    if to is None or (to, name) in _shipped:
        return
    archive = temporary_folder() / f"{name}.zip"
    zip_files(files, archive)
    check()
    if is_connect(spark):
        spark.addArtifacts(f"{archive}#{name}", archive=True)
    else:
        spark.sparkContext.addArchive(f"{archive}#{name}")
    _shipped.add((to, name))


def temporary_folder() -> Path:
    """A new folder that is removed with this process."""
    folder = Path(tempfile.mkdtemp(prefix="sparktf-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def zip_files(files: Sequence[tuple[str, Path]], archive: Path) -> None:
    """The same files make the same bytes: Connect refuses other bytes under a name it knows."""
    with zipfile.ZipFile(archive, "w") as target:
        for name, path in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            with path.open("rb") as content, target.open(entry, "w", force_zip64=True) as into:
                shutil.copyfileobj(content, into, 1 << 20)

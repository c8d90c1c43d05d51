"""Where `sparktf.save_model` and a Transformer put models: this machine, or where Spark writes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sparktf import _model_files as files
from sparktf import _remote_files as remote
from sparktf._sessions import active_session, is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Store:
    """A path that a model's folder or .zip is written to.

    Raises:
        ValueError: It is on another file system, and there is no classic session to write with.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._local = files.local_path(uri)
        self._spark: SparkSession | None = None
        if self._local is None:
            self._spark = active_session()
            if self._spark is None or is_connect(self._spark):
                raise ValueError(
                    f"{uri} is written by the JVM of a classic Spark session, and there is none: "
                    "create one, or save to a folder of this machine and copy it from there"
                )

    def exists(self) -> bool:
        if self._local is not None:
            return self._local.exists()
        assert self._spark is not None
        return remote.exists(self._spark, self._uri)

    def put(self, content: Path) -> None:
        """Copies a file or folder there, in the place of what there is."""
        if self._local is None:
            assert self._spark is not None
            remote.put(self._spark, content, self._uri)
            return
        if self._local.is_dir():
            shutil.rmtree(self._local)
        self._local.parent.mkdir(parents=True, exist_ok=True)
        if content.is_dir():
            shutil.copytree(content, self._local)
        else:
            shutil.copyfile(content, self._local)


def save_beside(spark: SparkSession, model: files.LocalModel, path: str) -> None:
    """Writes a model to a path as Spark understands it, beside what Spark writes there."""
    if is_connect(spark):
        raise ValueError(
            "a Spark Connect client cannot write a model's files where its server writes: save "
            "the SavedModelTransformer in a classic session, or save its parameters yourself"
        )
    remote.put(spark, model.folder, path)


def qualified(spark: SparkSession, path: str) -> str:
    """The path with the scheme of the file system that Spark takes it from."""
    if is_connect(spark) or re.match("[A-Za-z][A-Za-z0-9+.-]+:", path):
        return path
    return remote.qualified(spark, path)

"""An HDFS and an S3 for the tests, each in a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_SERVERS = _ROOT / "jvm" / "tfrecord" / "src" / "test"


def jars(name: str) -> list[str]:
    """What build.sbt gives to the Scala tests for it."""
    listed = _ROOT / "target" / "servers" / name
    if not listed.exists():
        pytest.skip(f"which jars {name} needs is not known: `make sbt CMD=serverJars` fetches them")
    return listed.read_text().splitlines()


@contextlib.contextmanager
def hdfs(folder: Path) -> Iterator[str]:
    """The URI of an HDFS that keeps its blocks in `folder`."""
    server = str(_SERVERS / "hdfs" / "HdfsServer.java")
    command = [_java(), "-cp", ":".join(jars("hdfs")), server, str(folder), "1"]
    with _server(command, "HDFS is at ", folder) as uri:
        yield uri


@contextlib.contextmanager
def s3(folder: Path, bucket: str) -> Iterator[str]:
    """The endpoint of an S3 with one bucket."""
    command = [sys.executable, str(_SERVERS / "s3" / "s3_server.py"), bucket]
    with _server(command, "S3 is at ", folder) as endpoint:
        yield endpoint


def _java() -> str:
    found = shutil.which("java")
    assert found, "no java"
    return found


@contextlib.contextmanager
def _server(command: list[str], ready: str, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "errors"
    with (
        errors.open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            if line.startswith(ready):
                yield line[len(ready) :].strip()
                break
        else:
            raise AssertionError(f"{command[-3:]} did not start: {errors.read_text()[-3000:]}")
        process.stdin.close()  # it ends with its standard input

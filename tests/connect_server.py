"""A Spark Connect server in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparktf.spark import submit_jars


def require() -> None:
    """Skips the test where Spark Connect, or what its client needs, is not there."""
    if not any((submit_jars.spark_home() / "jars").glob("spark-connect_*.jar")):
        pytest.skip("Spark 3.5 brings no Connect server along")
    for module in ("grpc", "grpc_status", "google.rpc"):
        pytest.importorskip(module)


@contextlib.contextmanager
def run(folder: Path, master: str = "local[2]", **settings: str) -> Iterator[str]:
    """The address of a server whose working directory is `folder`; `__` in a setting is a dot."""
    require()
    spark_home = submit_jars.spark_home()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {name.replace("__", "."): value for name, value in settings.items()} | {
        "spark.connect.grpc.binding.port": port,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.sql.shuffle.partitions": 2,
        "spark.ui.enabled": "false",
    }
    command = [
        str(spark_home / "bin" / "spark-submit"),
        *("--master", master),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
        *(word for key, value in settings.items() for word in ("--conf", f"{key}={value}")),
    ]
    given = {"SPARK_HOME": str(spark_home), "PYSPARK_PYTHON": sys.executable}
    env = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env | given, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while not _listens(port):
            text = log.read_text()[-3000:]
            assert process.poll() is None and time.monotonic() < deadline, text
            time.sleep(0.1)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def connect(address: str) -> Any:
    """A new session of the server."""
    from pyspark.sql.connect.session import SparkSession

    # Not by pyspark.sql's builder, which refuses a process that has a classic session too.
    return SparkSession.builder.remote(address).create()

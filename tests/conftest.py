"""What several test files need: a Spark session, and TensorFlow as the writer of files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

# Before TensorFlow and pyspark are first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# The optimizing compiler only holds up the JVMs of these tests, most of which soon end.
for _jvm in ("SPARK_LAUNCHER_OPTS", "SPARK_SUBMIT_OPTS"):
    os.environ.setdefault(_jvm, "-XX:TieredStopAtLevel=1")

Record = Mapping[str, Any]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A classic session with the data source's jar."""
    from pyspark.sql import SparkSession

    import sparktf

    builder = (
        SparkSession.builder.master("local[2]")
        .appName("sparktf tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    )
    session = sparktf.configure(builder).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def connect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark Connect server, in a process of its own, that knows nothing of the
    data source."""
    from sparktf import _spark_submit

    for module in ("grpc", "grpc_status", "google.rpc"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spark_home = _spark_submit.spark_home()
    settings = {
        "spark.connect.grpc.binding.port": port,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.sql.shuffle.partitions": 2,
        "spark.ui.enabled": "false",
    }
    command = [
        str(spark_home / "bin" / "spark-submit"),
        *("--master", "local[2]"),
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


@pytest.fixture(scope="session")
def example() -> Callable[[Record], bytes]:
    """A record as TensorFlow serializes it; each value is a list of int, float, str or bytes."""
    import tensorflow as tf

    def serialize(record: Record) -> bytes:
        message = tf.train.Example()
        for name, values in record.items():
            feature = message.features.feature[name]
            if isinstance(values, tf.train.Feature):
                feature.CopyFrom(values)
            elif not values:
                feature.SetInParent()
            elif isinstance(values[0], int):
                feature.int64_list.value.extend(values)
            elif isinstance(values[0], float):
                feature.float_list.value.extend(values)
            else:
                encoded = (v.encode() if isinstance(v, str) else v for v in values)
                feature.bytes_list.value.extend(encoded)
        return message.SerializeToString(deterministic=True)  # by name

    return serialize


@pytest.fixture(scope="session")
def write_records(example: Callable[[Record], bytes]) -> Callable[..., str]:
    """Writes a file with TensorFlow, its folders too, and returns its path."""
    import tensorflow as tf

    def write(path: Path, records: Sequence[Record], compression: str = "") -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), compression) as writer:
            for record in records:
                writer.write(example(record))
        return str(path)

    return write


@pytest.fixture
def numbered(tmp_path: Path, write_records: Callable[..., str]) -> str:
    """Files of 10, 0, 7 and 25 records; `id` counts through, `x` is its half."""
    first = 0
    for part, size in enumerate((10, 0, 7, 25)):
        records = [{"id": [i], "x": [i / 2]} for i in range(first, first + size)]
        write_records(tmp_path / "numbered" / f"part-{part}.tfrecord", records)
        first += size
    return str(tmp_path / "numbered")

"""What several test files need: a Spark session, and TensorFlow as the writer of files."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import class_archive
import pytest

# Before TensorFlow and pyspark are first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# The optimizing compiler only holds up the JVMs of these tests, most of which soon end.
_SOON_ENDS = "-XX:TieredStopAtLevel=1"
_STARTS_FAST = f"{_SOON_ENDS} {class_archive.java_options()}".rstrip()
# A client asks once whether a file's last block has arrived, and by default not again for 0.4 s.
_HDFS_CLIENT = "spark.hadoop.dfs.client.block.write.locateFollowingBlock"
for _programs, _options in {
    "SPARK_LAUNCHER_OPTS": _SOON_ENDS,
    "SPARK_DAEMON_JAVA_OPTS": _STARTS_FAST,
    "SPARK_SUBMIT_OPTS": f'{_STARTS_FAST} "-Dspark.executor.extraJavaOptions={_STARTS_FAST}" '
    f"-D{_HDFS_CLIENT}.initial.delay.ms=5 -D{_HDFS_CLIENT}.retries=11",
}.items():
    os.environ.setdefault(_programs, _options)

Record = Mapping[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out what a further Spark (of .spark/) would only show again: see pyproject.toml."""
    spark = importlib.util.find_spec("pyspark")
    assert spark is not None and spark.origin is not None
    folders = Path(spark.origin).parts
    if ".spark" not in folders:
        return
    oldest = folders[folders.index(".spark") + 1].startswith("3.5")
    left_out = ["one_spark"] if oldest else ["one_spark", "oldest_and_newest"]
    for item in items:
        for name in left_out:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(f"{name}: not on this Spark"))


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
    """The address of a Spark Connect server; its sessions share nothing."""
    import connect_server

    with connect_server.run(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A standalone cluster of two workers."""
    import standalone_cluster

    with standalone_cluster.run(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def driver(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A driver program with a classic session of the cluster, an executor on each worker."""
    import driver_process

    with driver_process.run(cluster.url, tmp_path_factory.mktemp("driver")) as running:
        yield running


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an HDFS."""
    import hadoop_servers

    with hadoop_servers.hdfs(tmp_path_factory.mktemp("hdfs") / "dfs") as uri:
        yield uri


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


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """SavedModels by name, each made when it is first asked for."""
    import scoring_models

    folder = tmp_path_factory.mktemp("models")

    class Models:
        def __getattr__(self, name: str) -> str:
            path: str = getattr(scoring_models, name)(folder / name)
            setattr(self, name, path)
            return path

    return Models()


@pytest.fixture(scope="session")
def loads(spark: Any) -> Callable[[], dict[int, int]]:
    """How many models the Python workers have loaded so far, by their process ids."""

    def count(batches):  # type: ignore[no-untyped-def]
        import os

        import pyarrow as pa

        from sparktf.models import cache

        for _batch in batches:
            row = [[os.getpid()], [cache.loads]]
            yield pa.RecordBatch.from_arrays([pa.array(v, pa.int64()) for v in row], ["pid", "n"])

    def ask() -> dict[int, int]:
        rows = spark.range(0, 64, 1, 64).mapInArrow(count, "pid long, n long").collect()
        return {row.pid: row.n for row in rows}

    return ask


@pytest.fixture(params=["by the library", "by TensorFlow", "by Python"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who makes columns of records: what is there for this platform, or what is there for all."""
    from sparktf.data import tensors
    from sparktf.records import native

    assert tensors.has_operations(), "the library of native/ is not there: `make native` builds it"
    if request.param != "by the library":
        monkeypatch.setattr(tensors, "has_operations", lambda: False)
    if request.param == "by Python":
        monkeypatch.setattr(native, "library", lambda: None)
    return str(request.param)


@pytest.fixture
def numbered(tmp_path: Path, write_records: Callable[..., str]) -> str:
    """Files of 10, 0, 7 and 25 records; `id` counts through, `x` is its half."""
    first = 0
    for part, size in enumerate((10, 0, 7, 25)):
        records = [{"id": [i], "x": [i / 2]} for i in range(first, first + size)]
        write_records(tmp_path / "numbered" / f"part-{part}.tfrecord", records)
        first += size
    return str(tmp_path / "numbered")

"""A folder that a streaming query wrote: what its log lists is what is in it, as for Spark."""

import json

import pytest

import sparktf
from sparktf.records.files import find_files
from sparktf.records.frames import read_records
from sparktf.storage.file_systems import LocalFiles

pytestmark = pytest.mark.one_spark


@pytest.fixture(scope="module")
def sink(spark, tmp_path_factory):
    """Five batches, the last of which failed before it was in the log."""
    root = tmp_path_factory.mktemp("sink")
    source, out = root / "source", root / "out ü%41"
    source.mkdir()
    setting = "spark.sql.streaming.fileSink.log.compactInterval"
    spark.conf.set(setting, "3")
    try:
        for batch in range(5):
            (source / f"{batch}.json").write_text(
                "".join(f'{{"x": {10 * batch + i}, "k": "a {i % 2}%"}}\n' for i in range(4))
            )
            query = (
                spark.readStream.schema("x bigint, k string")
                .json(str(source))
                .coalesce(1)
                .writeStream.format("tfrecord")
                .partitionBy("k")
                .option("checkpointLocation", str(root / "checkpoint"))
                .trigger(availableNow=True)
                .start(str(out))
            )
            query.awaitTermination()
    finally:
        spark.conf.unset(setting)
    log = out / "_spark_metadata"
    assert {f.name for f in log.iterdir()} >= {"2.compact", "3", "4"}
    for name in ("4", ".4.crc"):
        (log / name).unlink()
    return out


def by_dataset(folder):
    return sorted(x for batch in sparktf.dataset(folder, batch_size=9) for x in batch["x"].numpy())


def by_command(folder):
    files = find_files(folder, "auto", LocalFiles())
    return sum(1 for file in files for _ in read_records(file.path, file.compression))


def test_a_batch_that_failed_is_not_read(spark, sink):
    rows = spark.read.format("tfrecord").load(str(sink))
    expected = sorted(row.x for row in rows.collect())
    assert expected == [10 * batch + i for batch in range(4) for i in range(4)]
    assert by_dataset(sink) == expected
    assert by_command(sink) == len(expected)
    names = sorted({name for batch in sparktf.dataset(sink, batch_size=9) for name in batch})
    assert names == ["k", "x"]


def test_a_folder_that_was_moved_is_read_by_its_log(sink, tmp_path):
    sink.rename(tmp_path / "moved")
    try:
        assert len(by_dataset(tmp_path / "moved")) == 16
    finally:
        (tmp_path / "moved").rename(sink)


def test_a_log_that_does_not_fit_the_files_is_an_error(sink):
    log = sink / "_spark_metadata"
    last = (log / "3").read_text()
    try:
        more = json.dumps({"path": "file:/d/part-9", "action": "add"})
        (log / "3").write_text(f"{last}\n{more}\n")
        with pytest.raises(FileNotFoundError, match="lists /d/part-9, which is not there"):
            by_dataset(sink)
        (log / "3").write_text("v2\n")
        with pytest.raises(
            ValueError, match="/3 is no log of a streaming query: it begins with 'v2'"
        ):
            by_dataset(sink)
        (log / "3").rename(log / "5")
        with pytest.raises(ValueError, match="its batch 3 is missing"):
            by_dataset(sink)
        (log / "5").rename(log / "3")
    finally:
        (log / "3").write_text(last)

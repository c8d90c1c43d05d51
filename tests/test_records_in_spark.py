"""Damaged, misnamed and foreign files: Spark, `sparktf.dataset` and the command line agree."""

import gzip
import json
import random
import zlib

import pytest
import record_file_fuzzer as fuzzer
import tensorflow as tf
from click.testing import CliRunner
from pyspark.sql.types import StructType

import sparktf
from sparktf.cli import commands

pytestmark = pytest.mark.one_spark

RECORDS = [fuzzer.example(i, b"s") for i in range(7)]
PLAIN = b"".join(map(fuzzer.frame, RECORDS))
GZIP, ZLIB = gzip.compress(PLAIN), zlib.compress(PLAIN)
FRAME = len(PLAIN) // len(RECORDS)


def by_spark(spark, path, **options):
    # A path is a glob for Spark.
    escaped = "".join(f"\\{c}" if c in "\\{}[]*?" else c for c in str(path))
    reader = spark.read.format("tfrecord").options(**options).schema("x bigint, s binary")
    return [fuzzer.example(row.x, bytes(row.s)) for row in reader.load(escaped).collect()]


def schema(*arguments):
    return CliRunner().invoke(commands.main, ["schema", "--json", *map(str, arguments)])


def test_files_at_random(spark, tmp_path):
    """Spark against the reference that `sparktf.dataset` and the command are held to."""
    for seed in range(60):
        name, content = fuzzer.made(random.Random(seed))
        path = tmp_path / name
        path.write_bytes(content)
        wanted = fuzzer.expected(name, content)
        try:
            found = by_spark(spark, path)
        except Exception as error:
            assert "Corrupt" in repr(error) or name in str(error), (seed, error)
            found = None
        assert found == wanted, (seed, name)
        path.unlink()


@pytest.mark.parametrize(
    ("name", "content", "records"),
    [
        ("f.gz", GZIP + gzip.compress(b"") + GZIP, 14),
        ("f.gz", GZIP + bytes(1000), 7),
        ("f.gz", GZIP + bytes(5) + GZIP, None),
        ("f.gz", GZIP + b"more", None),
        ("f.gz", GZIP[:-8], None),
        ("f.gz", PLAIN, 7),
        ("f.zlib", PLAIN, 7),
        ("f.gz", b"", 0),
        ("f", GZIP, 7),
        ("f", ZLIB * 2, 14),
        ("f.deflate", ZLIB + zlib.compress(b"") + ZLIB, 14),
        ("f.deflate", ZLIB + b"\0", None),
        ("f.deflate", ZLIB[:-1], None),
        ("f", PLAIN[: FRAME + 5], None),
        ("f", PLAIN[:5], None),
        ("f", b"a\nb\n", None),
    ],
    ids=[
        "two members and an empty one",
        "a gzip with many zeros behind it",
        "a member behind zeros",
        "a gzip with more behind it",
        "a gzip without its end",
        "plain, named gz",
        "plain, named zlib",
        "no bytes, named gz",
        "gzip without a name",
        "two zlib streams without a name",
        "three zlib streams",
        "a zlib stream with a zero behind it",
        "a zlib stream without its end",
        "cut in a frame",
        "cut in a header",
        "text",
    ],
)
def test_one_file_three_readers(spark, tmp_path, name, content, records):
    path = tmp_path / name
    path.write_bytes(content)
    for read in (fuzzer.by_dataset, fuzzer.by_command, lambda path: by_spark(spark, path)):
        if records is None:
            with pytest.raises(Exception, match=name):
                read(path)
        else:
            assert read(path) == (RECORDS * 2)[:records]


def write(path, *messages):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for message in messages:
            writer.write(message)
    return str(path)


@pytest.mark.parametrize("values", [[[1], [0.5]], [[0.5], [1]], [[1, 2], [0.5]]])
def test_whole_numbers_beside_others_are_inferred_alike(spark, tmp_path, values, write_records):
    for number, value in enumerate(values):
        write_records(tmp_path / "d" / f"{number}", [{"x": value}])
    inferred = spark.read.format("tfrecord").load(str(tmp_path / "d")).schema
    assert StructType.fromJson(json.loads(schema(tmp_path / "d").output)) == inferred
    assert "double" in inferred.simpleString()


def test_messages_of_other_kinds_are_refused_alike(spark, tmp_path):
    event = tf.compat.v1.Event(wall_time=1.5, file_version="brain.Event:2").SerializeToString()
    path = write(tmp_path / "events", event)
    with pytest.raises(Exception, match="ByteArray"):
        spark.read.format("tfrecord").load(path)
    assert "ByteArray" in schema(path).output
    with pytest.raises(ValueError, match="ByteArray"):
        sparktf.dataset(path, batch_size=1)
    # Blank Examples are none of these, for all three.
    path = write(tmp_path / "blank", b"", b"\n\0")
    assert not spark.read.format("tfrecord").load(path).schema.fields
    assert schema(path).exit_code == 0
    # Nor are those of nothing but features without a value, or without a list.
    empty = tf.train.Example()
    empty.features.feature["k"].int64_list.SetInParent()
    unset = tf.train.Example()
    unset.features.feature["k"].SetInParent()
    for message in (empty, unset):
        path = write(tmp_path / "empty", message.SerializeToString())
        assert not spark.read.format("tfrecord").load(path).schema.fields
        assert schema(path).exit_code == 0


def test_sequences_are_told_by_their_records(spark, tmp_path):
    message = tf.train.SequenceExample()
    message.context.feature["id"].int64_list.value.append(7)
    message.feature_lists.feature_list["s"].feature.add().float_list.value.append(1.0)
    path = write(tmp_path / "s", message.SerializeToString())
    inferred = spark.read.format("tfrecord").load(path).schema
    assert inferred.simpleString() == "struct<id:bigint,s:array<array<float>>>"
    assert StructType.fromJson(json.loads(schema(path).output)) == inferred


def test_verify_and_spark_agree_on_the_records_behind_a_damaged_one(spark, tmp_path):
    content = bytearray(PLAIN)
    content[3 * FRAME + 20] ^= 1
    (tmp_path / "f").write_bytes(content)
    found = by_spark(spark, tmp_path / "f", mode="DROPMALFORMED")
    assert found == RECORDS[:3] + RECORDS[4:]
    told = CliRunner().invoke(commands.main, ["verify", str(tmp_path / "f")]).output
    assert f"damaged at byte {3 * FRAME}: " in told and "1 record damaged, 6 whole" in told

"""SequenceExamples and byte records, written by TensorFlow and read by Spark and back again."""

import pytest
import tensorflow as tf
from pyspark.sql import Row


def feature(values):
    if values and isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def sequence(context, lists):
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={k: feature(v) for k, v in context.items()}),
        feature_lists=tf.train.FeatureLists(
            feature_list={
                k: tf.train.FeatureList(feature=[feature(step) for step in steps])
                for k, steps in lists.items()
            }
        ),
    )


def test_spark_reads_what_tensorflow_wrote(spark, tmp_path):
    messages = [
        sequence({"id": [1]}, {"frames": [[0.5, 1.5], [2.5]], "words": [[b"a"], [b"b", b"c"]]}),
        sequence({"id": [2]}, {"frames": [], "words": [[b"\xff"]]}),
        sequence({}, {}),
    ]
    with tf.io.TFRecordWriter(str(tmp_path / "data.tfrecord")) as writer:
        for message in messages:
            writer.write(message.SerializeToString())
    df = spark.read.format("tfrecord").option("recordType", "SequenceExample").load(str(tmp_path))
    assert dict(df.dtypes) == {
        "id": "bigint",
        "frames": "array<array<float>>",
        "words": "array<array<binary>>",
    }
    assert df.select("id", "frames", "words").collect() == [
        Row(id=1, frames=[[0.5, 1.5], [2.5]], words=[[b"a"], [b"b", b"c"]]),
        Row(id=2, frames=[], words=[[b"\xff"]]),
        Row(id=None, frames=None, words=None),
    ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_tensorflow_parses_what_spark_wrote(spark, tmp_path, compression):
    rows = [
        (1, [[0.5, 1.5], [2.5, 3.5]], [7, 8, 9], ["x", "é"]),
        (2, [[4.0, 5.0]], [], ["y", "z"]),
    ]
    schema = "id BIGINT, frames ARRAY<ARRAY<FLOAT>>, labels ARRAY<INT>, tags ARRAY<STRING>"
    (
        spark.createDataFrame(rows, schema)
        .coalesce(1)
        .write.format("tfrecord")
        .options(recordType="SequenceExample", featureLists="labels", compression=compression)
        .save(str(tmp_path / "out"))
    )
    (file,) = (str(path) for path in (tmp_path / "out").glob("part-*"))
    found = []
    for record in tf.data.TFRecordDataset(file, "GZIP" if compression == "gzip" else ""):
        context, lists = tf.io.parse_single_sequence_example(
            record,
            context_features={
                "id": tf.io.FixedLenFeature([], tf.int64),
                "tags": tf.io.FixedLenFeature([2], tf.string),
            },
            sequence_features={
                "frames": tf.io.FixedLenSequenceFeature([2], tf.float32),
                "labels": tf.io.FixedLenSequenceFeature([], tf.int64),
            },
        )
        found.append(
            (
                int(context["id"]),
                lists["frames"].numpy().tolist(),
                lists["labels"].numpy().tolist(),
                [tag.decode() for tag in context["tags"].numpy()],
            )
        )
    assert found == rows


def test_bytes_both_ways(spark, tmp_path):
    payloads = [b"", b"\x00\xff", b"x" * 70_000]
    with tf.io.TFRecordWriter(str(tmp_path / "data.tfrecord")) as writer:
        for payload in payloads:
            writer.write(payload)
    df = spark.read.format("tfrecord").option("recordType", "bytearray").load(str(tmp_path))
    assert df.dtypes == [("byteArray", "binary")]
    assert [bytes(row.byteArray) for row in df.collect()] == payloads
    out = tmp_path / "out"
    df.coalesce(1).write.format("tfrecord").option("recordType", "ByteArray").save(str(out))
    (file,) = (str(path) for path in out.glob("part-*"))
    assert [record.numpy() for record in tf.data.TFRecordDataset(file)] == payloads

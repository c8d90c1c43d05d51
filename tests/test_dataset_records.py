"""Records of other kinds in `sparktf.dataset` and `sparktf.batches`: SequenceExamples and bytes."""

import numpy as np
import pytest
import tensorflow as tf

import sparktf

pytestmark = [pytest.mark.one_spark, pytest.mark.usefixtures("engine")]


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
    ).SerializeToString()


MESSAGES = [
    sequence({"id": [1], "tags": [b"a", b"b"]}, {"x": [[0.5, 1.5], [2.5]], "w": [[b"a"], [b"b"]]}),
    sequence({"id": [2], "tags": [b"c"]}, {"x": [], "w": [[b"\xff"]]}),
    sequence({"id": [3]}, {"x": [[3.5]], "w": [[b"", b"zz"], []]}),
    sequence({"id": [4], "tags": [b"d"]}, {}),
]
EXPECTED = {
    "id": [1, 2, 3, 4],
    "tags": [[b"a", b"b"], [b"c"], [], [b"d"]],
    "x": [[[0.5, 1.5], [2.5]], [], [[3.5]], []],
    "w": [[[b"a"], [b"b"]], [[b"\xff"]], [[b"", b"zz"], []], []],
}


@pytest.fixture
def path(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        for message in MESSAGES:
            writer.write(message)
    return tmp_path / "f"


def listed(column):
    return column.to_list() if hasattr(column, "to_list") else column.numpy().tolist()


def joined(batches):
    rows = {}
    for batch in batches:
        for name, column in batch.items():
            values = column.tolist() if isinstance(column, np.ndarray) else listed(column)
            rows.setdefault(name, []).extend(values)
    return rows


@pytest.mark.parametrize("batch_size", [1, 3, 9])
def test_contexts_and_feature_lists_are_columns(path, batch_size):
    assert joined(sparktf.dataset(path, batch_size=batch_size)) == EXPECTED
    assert joined(sparktf.batches(path, batch_size=batch_size)) == EXPECTED
    (rows,) = sparktf.dataset(path, batch_size=4, columns="x")
    assert rows.ragged_rank == 2
    again = sparktf.dataset(path, batch_size=3, repeat=3, drop_remainder=True)
    assert joined(again)["id"] == [1, 2, 3, 4] * 3


def test_a_schema_says_what_is_a_feature_list(path):
    schema = "id bigint, x array<array<float>>, never array<array<bigint>>"
    expected = {name: EXPECTED[name] for name in ("id", "x")} | {"never": [[]] * 4}
    assert joined(sparktf.dataset(path, batch_size=3, schema=schema)) == expected
    assert joined(sparktf.batches(path, batch_size=3, schema=schema)) == expected
    features = {"id": tf.io.FixedLenFeature([], tf.int64), "x": tf.io.RaggedFeature(tf.float32)}
    del expected["never"]
    assert joined(sparktf.dataset(path, batch_size=3, schema=features)) == expected


def test_an_example_is_a_sequence_example_without_lists(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"id": [5]}])
    for record_type in (None, "Example", "SequenceExample"):
        for read in (sparktf.dataset, sparktf.batches):
            assert joined(read(path, batch_size=1, record_type=record_type)) == {"id": [5]}


def test_kinds_of_steps_that_disagree_are_named(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        writer.write(sequence({}, {"x": [[1], [2.5]]}))
    for read in (sparktf.dataset, sparktf.batches):
        with pytest.raises(ValueError, match=r"feature 'x' is of type int64_list in .*float_list"):
            read(tmp_path / "f", batch_size=1)


def test_records_of_any_kind_are_bytes(tmp_path):
    records = [b"", b"\xff\xff", b"x" * 30, MESSAGES[0]]
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        for record in records:
            writer.write(record)
    for read in (sparktf.dataset, sparktf.batches):
        found = joined(read(tmp_path / "f", batch_size=3, record_type="ByteArray"))
        assert found == {"byteArray": records}
    with pytest.raises(ValueError, match=r"record_type must be one of Example, .* not 'bytes'"):
        sparktf.batches(tmp_path / "f", batch_size=1, record_type="bytes")

"""`sparktf.dataset` over files that TensorFlow wrote: what its elements are."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import sparktf

# ---------------------------------------------------------------- elements


def test_every_kind_of_column_is_inferred(tmp_path, write_records):
    records = [
        {"i": [3], "f": [1.5], "s": ["é"], "ii": [1, -2], "ff": [0.5, 2.0], "ss": ["a", b"\xff"]},
        {"i": [-(2**63)], "f": [-0.0], "s": [b"\0"], "ii": [2**63 - 1], "ff": [3.0, 4.0], "ss": []},
    ]
    path = write_records(tmp_path / "f", records)
    (batch,) = sparktf.dataset(path, batch_size=9)
    assert set(batch) == {"i", "f", "s", "ii", "ff", "ss"}
    assert batch["i"].dtype == tf.int64
    assert batch["i"].numpy().tolist() == [3, -(2**63)]
    assert batch["f"].dtype == tf.float32
    assert batch["f"].numpy().tolist() == [1.5, 0.0]
    assert batch["s"].numpy().tolist() == ["é".encode(), b"\0"]
    assert batch["ii"].to_list() == [[1, -2], [2**63 - 1]]
    assert batch["ff"].numpy().tolist() == [[0.5, 2.0], [3.0, 4.0]]
    assert batch["ss"].to_list() == [[b"a", b"\xff"], []]


def test_columns_come_in_the_order_of_first_appearance(tmp_path, example):
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        for names in ("zam", "bmaz"):
            # Joined messages are one message, whose features keep this order.
            writer.write(b"".join(example({name: [1, 2][: len(names) - 2]}) for name in names))
    dataset = sparktf.dataset(tmp_path / "f", batch_size=1)
    assert list(dataset.element_spec) == ["z", "a", "m", "b"]


def test_arrays_of_one_length_are_dense_and_others_ragged(tmp_path, write_records):
    records = [{"same": [1.0, 2.0], "other": [1.0] * n, "gone": [1, 2]} for n in (1, 2, 3)]
    del records[1]["gone"]
    path = write_records(tmp_path / "f", records)
    spec = sparktf.dataset(path, batch_size=2).element_spec
    assert spec["same"] == tf.TensorSpec([None, 2], tf.float32)
    assert isinstance(spec["other"], tf.RaggedTensorSpec)
    (batch,) = sparktf.dataset(path, batch_size=3, columns="gone")
    assert batch.to_list() == [[1, 2], [], [1, 2]]


def test_shapes_name_the_shape_of_a_row(tmp_path, write_records):
    pixels = [float(i) for i in range(24)]
    path = write_records(tmp_path / "f", [{"pixels": pixels, "n": [7]}] * 3)
    (batch,) = sparktf.dataset(path, batch_size=3, shapes={"pixels": (2, 4, 3), "n": 1})
    assert batch["pixels"].shape == (3, 2, 4, 3)
    np.testing.assert_array_equal(batch["pixels"][1], np.reshape(pixels, (2, 4, 3)))
    assert batch["n"].numpy().tolist() == [[7]] * 3


def test_columns_and_label_choose_what_an_element_is(numbered):
    def spec(**arguments):
        return sparktf.dataset(numbered, batch_size=2, **arguments).element_spec

    label, x = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.float32)
    assert spec() == {"id": label, "x": x}
    assert spec(columns="x") == x
    assert spec(columns=["x"]) == {"x": x}
    assert spec(label="id") == ({"x": x}, label)
    assert spec(columns="x", label="id") == (x, label)
    assert spec(columns=["id", "x"], label="id") == ({"x": x}, label)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "y"}, "there is no column 'y': the columns are id, x "),
        ({"columns": ["x", "y"]}, "there is no column 'y': the columns are id, x "),
        ({"label": "y"}, "there is no column 'y': the columns are id, x "),
        ({"columns": "id", "label": "id"}, "no column is left for the features: 'id' is the label"),
        ({"columns": []}, "no column is left for the features: columns is empty"),
        ({"shapes": {"y": (1,)}}, "shapes names 'y', but the columns are id, x$"),
        ({"shapes": {"x": (2,)}}, "column 'x' is to have 2 values .* shape is .2,., but it has 1 "),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, not 0"),
        ({"shuffle": -1}, "shuffle must be an integer of at least 0, not -1"),
        ({"shuffle": True}, "shuffle must be an integer of at least 0, not True"),
        ({"repeat": 0}, "repeat must be an integer of at least 1, not 0"),
        ({"num_parallel_reads": 0}, "num_parallel_reads must be an integer of at least 1, not 0"),
        ({"shard": (2, 2)}, r"shard is \(index, count\) with index below count, not \(2, 2\)"),
        ({"shard": (-1, 2)}, "index must be an integer of at least 0, not -1"),
        ({"compression": "zip"}, 'compression must be one of "auto", "none", .* not \'zip\''),
    ],
)
def test_a_wrong_argument_is_a_value_error(numbered, arguments, message):
    with pytest.raises(ValueError, match=message):
        sparktf.dataset(numbered, **{"batch_size": 2, **arguments})


# ---------------------------------------------------------------- schemas


def test_a_spark_schema_makes_the_features(tmp_path, write_records):
    from pyspark.sql.types import ArrayType, LongType, StringType, StructField, StructType

    records = [{"a": [5], "b": [1, 2], "c": [1]}, {"a": [6], "c": [1, 2]}]
    path = write_records(tmp_path / "f", records)
    schema = StructType(
        [StructField("a", LongType())]
        + [StructField(name, ArrayType(LongType())) for name in ("b", "c")]
        + [StructField("never", ArrayType(StringType()))]
    )
    (batch,) = sparktf.dataset(path, schema=schema, batch_size=2)
    assert batch["a"].numpy().tolist() == [5, 6]
    assert batch["b"].to_list() == [[1, 2], []]
    assert batch["c"].to_list() == [[1], [1, 2]]
    assert batch["never"].to_list() == [[], []]


def test_the_sample_makes_arrays_of_a_schema_dense_even_of_one_value(tmp_path, write_records):
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    path = write_records(tmp_path / "f", [{"x": [1.0]}, {"x": [2.0]}])
    schema = StructType([StructField("x", ArrayType(FloatType()))])
    (batch,) = sparktf.dataset(path, schema=schema, batch_size=2, columns="x")
    assert batch.numpy().tolist() == [[1.0], [2.0]]


def test_features_by_name_are_used_as_they_are(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"a": [5], "v": [1.0]}, {"v": [1.0, 2.0]}])
    schema = {
        "a": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
        "v": tf.io.VarLenFeature(tf.float32),
    }
    first, second = sparktf.dataset(path, schema=schema, batch_size=1)
    assert [first["a"].numpy().tolist(), second["a"].numpy().tolist()] == [[5], [-1]]
    assert tf.sparse.to_dense(second["v"]).numpy().tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"x": [1]}, {}], "column 'x' is null in a record of .*/f, .*default_value"),
        ([{"x": [1]}, {"x": []}], "column 'x' is null in a record of .*/f, "),
        ([{"x": [1]}, {"x": [1, 2]}], "column 'x' is to have 1 value .* it has 2 in a record of"),
        (
            [{"x": [1.0]}],
            "column 'x' is to be int64, but it is of type float_list in .*/f: give it float32",
        ),
        ([{"y": [1.0]}], "column 'x' is null in a record of .*/f, "),
    ],
)
def test_what_a_schema_cannot_hold_is_told_before_reading(
    tmp_path, write_records, records, message
):
    path = write_records(tmp_path / "f", records)
    schema = {"x": tf.io.FixedLenFeature([], tf.int64)}
    with pytest.raises(ValueError, match=message):
        sparktf.dataset(path, schema=schema, batch_size=1)


def test_a_null_does_not_matter_in_a_column_that_is_not_wanted(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"x": [1], "y": [1]}, {"y": [2]}])
    (batch,) = sparktf.dataset(path, batch_size=2, columns="y")
    assert batch.numpy().tolist() == [1, 2]
    with pytest.raises(ValueError, match="column 'x' is null in a record"):
        sparktf.dataset(path, batch_size=2)


def test_a_feature_that_is_only_empty_is_no_column(tmp_path, write_records):
    empty = tf.train.Feature(int64_list=tf.train.Int64List())
    path = write_records(tmp_path / "f", [{"x": [1], "e": [], "k": empty}])
    assert list(sparktf.dataset(path, batch_size=1).element_spec) == ["x"]


def test_kinds_that_disagree_are_named_with_their_files(tmp_path, write_records):
    write_records(tmp_path / "d" / "a", [{"x": [1]}])
    write_records(tmp_path / "d" / "b", [{"x": [1.0]}])
    with pytest.raises(
        ValueError, match=r"feature 'x' is of type int64_list in .*/a and of type float_list in "
    ):
        sparktf.dataset(tmp_path / "d", batch_size=1)


def test_kinds_that_disagree_do_not_matter_in_a_column_that_is_not_wanted(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"x": [1], "y": [1]}, {"x": [1.5], "y": [2]}])
    (batch,) = sparktf.dataset(path, batch_size=2, columns="y")
    assert batch.numpy().tolist() == [1, 2]


def test_messages_of_another_kind_are_called_so(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        writer.write(
            tf.compat.v1.Event(wall_time=1.5, file_version="brain.Event:2").SerializeToString()
        )
    with pytest.raises(
        ValueError, match=r"no tf\.Examples: .* as record 0 of .*/f, which looks like .*TensorBoard"
    ):
        sparktf.dataset(tmp_path / "f", batch_size=1)


def test_a_record_that_is_no_example_is_named(tmp_path, example):
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        writer.write(example({"x": [1]}))
        writer.write(b"\xff\xff\xff")
    with pytest.raises(ValueError, match=r"record 1 of .*/f is no tf\.train\.Example"):
        sparktf.dataset(tmp_path / "f", batch_size=1)


def test_files_without_records_need_a_schema(tmp_path, write_records):
    write_records(tmp_path / "f", [])
    with pytest.raises(ValueError, match="cannot be inferred, for the records are none"):
        sparktf.dataset(tmp_path / "f", batch_size=1)
    schema = {"x": tf.io.FixedLenFeature([], tf.int64)}
    assert list(sparktf.dataset(tmp_path / "f", schema=schema, batch_size=1, repeat=None)) == []


# ---------------------------------------------------------------- records that do not fit


@pytest.mark.parametrize("shuffle", [0, 10])
def test_a_record_beyond_the_sample_that_does_not_fit_is_named_with_its_file(
    tmp_path, write_records, shuffle
):
    write_records(tmp_path / "d" / "a", [{"x": [1]}] * 2000)
    write_records(tmp_path / "d" / "b", [{"x": [1]}] * 2000 + [{}])
    dataset = sparktf.dataset(tmp_path / "d", batch_size=32, shuffle=shuffle)
    message = r"column 'x' is null in the record at byte [0-9]+ of \S+/d/b, and nothing is given"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(dataset)


def test_a_damaged_file_is_an_error_and_never_fewer_records(tmp_path, write_records):
    path = Path(write_records(tmp_path / "f", [{"x": [i]} for i in range(3000)]))
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    dataset = sparktf.dataset(path, batch_size=32)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=rf"{path}: damaged at byte \d+: .* needs 1 "
    ):
        list(dataset)
    path.write_bytes(content[:20] + b"~" + content[21:])
    with pytest.raises(tf.errors.DataLossError, match=r"/f: damaged at byte 0: the checksum of a "):
        sparktf.dataset(path, batch_size=32)

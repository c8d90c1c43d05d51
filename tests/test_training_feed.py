"""A worker's rows as tensors, without Spark: their order, their types, and what does not fit."""

import datetime
import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sparktf.training.process import feed as feeds
from sparktf.training.process.feed import Feed, dataset
from sparktf.training.spill import PLACE, Spill, read


def feed(batches, columns=None, label=None, shapes=None, shuffle=0, seeds=(1, 0)):
    """Of record batches; the file is closed with the process."""
    spill = Spill.of(batches)
    found = Feed(spill.file.fileno(), columns, label, shapes, shuffle, seeds)
    spill.close()
    return found


def one(column, kind, **settings):
    """Of one batch with the column `x`."""
    return feed([pa.record_batch([pa.array(column, kind)], ["x"])], "x", **settings)


def numbered(sizes):
    first = 0
    for size in sizes:
        yield pa.record_batch([pa.array(range(first, first + size), pa.int64())], ["id"])
        first += size


def taken(rows, start, batch_size, count):
    """The first `count` rows or more from `start` on."""
    found = []
    for (ids,) in rows.blocks(start, batch_size):
        assert len(ids) % batch_size == 0
        found += ids.tolist()
        if len(found) >= count:
            return found
    raise AssertionError("the rows have no end")


def test_rows_come_in_order_and_again():
    rows = feed(numbered([3, 0, 5, 1]), "id")
    assert rows.rows == 9
    assert taken(rows, 0, 4, 24)[:24] == [*range(9), *range(9), *range(6)]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(0, 40),
    st.integers(1, 7),
    st.integers(0, 90),
    st.integers(0, 5),
)
def test_each_epoch_has_each_row_once_and_can_be_entered_anywhere(
    sizes, shuffle, batch_size, start, seed
):
    total = sum(sizes)
    rows = feed(numbered(sizes), "id", shuffle=shuffle, seeds=(seed, 0))
    everything = taken(rows, 0, batch_size, start + 3 * total)
    for epoch in range(3):
        assert sorted(everything[epoch * total : (epoch + 1) * total]) == list(range(total))
    later = taken(rows, start, batch_size, 2 * total)
    assert later[: 2 * total] == everything[start : start + 2 * total]


def placed(partition, first, ids):
    """Rows of a partition from the row `first` on."""
    return [((partition << 33) + first + i, number) for i, number in enumerate(ids)]


def arrived(rows, size):
    """As a task gets them, in batches of so many."""
    rows = list(rows)
    for start in range(0, len(rows), size):
        places, ids = zip(*rows[start : start + size], strict=True)
        yield pa.record_batch([pa.array(ids), pa.array(places, pa.int64())], ["id", PLACE])


def test_rows_are_in_the_order_of_their_places_however_they_have_arrived():
    rows = [*placed(2, 0, [5, 6]), *placed(0, 0, [1, 2]), *placed(1, 7, [4]), *placed(0, 2, [3])]
    found = feed(arrived(rows, 3))
    assert list(found.inputs) == ["id"]
    assert taken(found, 0, 1, 6)[:6] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="no column '_sparktf_place' among 'id'"):
        feed(arrived(rows, 3), PLACE)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_same_seed_gives_the_same_rows_in_whatever_pieces_and_order_they_came(data):
    """Each row once an epoch, at an attempt that goes on from anywhere too."""
    draw = data.draw
    sizes = draw(st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any))
    shuffle = draw(st.integers(0, sum(sizes) + 5))
    piece = draw(st.integers(1, 40))
    batch_size = draw(st.integers(1, 9))
    numbers = itertools.count()
    partitions = [placed(p, 0, itertools.islice(numbers, n)) for p, n in enumerate(sizes)]
    total = sum(sizes)

    def attempt(start, count):
        blocks = draw(st.permutations(partitions))
        rows = list(itertools.chain.from_iterable(blocks))
        if draw(st.booleans()):  # as no shuffle of Spark's own does it
            rows = draw(st.permutations(rows))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feeds, "_SHUFFLED_ROWS", piece)
            found = feed(arrived(rows, draw(st.integers(1, 50))), "id", shuffle=shuffle)
            return taken(found, start, batch_size, count)[:count]

    first = attempt(0, 3 * total)
    for epoch in range(3):
        assert sorted(first[epoch * total : (epoch + 1) * total]) == list(range(total))
    assert attempt(0, 3 * total) == first
    at = draw(st.integers(0, 2 * total))
    assert attempt(at, total) == first[at : at + total]


def test_columns_of_each_kind_stay_together_in_slices(monkeypatch):
    """Which begin anywhere in Arrow's buffers."""
    monkeypatch.setattr(feeds, "_SHUFFLED_ROWS", 7)
    count = 50
    vector = pa.struct(
        {"type": pa.int8(), "size": pa.int32(), "indices": pa.list_(pa.int32())}
        | {"values": pa.list_(pa.float64())}
    )
    dense = {"type": 1, "size": None, "indices": None}
    vectors = [
        {**dense, "values": [float(i), 2.0]}
        if i % 3
        else {"type": 0, "size": 2, "indices": [1], "values": [float(i)]}
        for i in range(count)
    ]
    ids = range(count)
    columns = {
        "id": (pa.array(ids), lambda i: i),
        "vector": (pa.array(vectors, vector), lambda i: [i, 2.0] if i % 3 else [0.0, i]),
        "nested": (pa.array([[[i], [i + 1]] for i in ids]), lambda i: [[i], [i + 1]]),
        "bytes": (pa.array([bytes([i, i + 1]) for i in ids]), lambda i: [i, i + 1]),
        "text": (pa.array([f"ü{i}" for i in ids]), lambda i: f"ü{i}".encode()),
        "bits": (pa.array([[i % 2 == 0] * 3 for i in ids]), lambda i: [i % 2 == 0] * 3),
        "decimal": (
            pa.array([Decimal(i) / 10 for i in ids], pa.decimal128(5, 1)),
            lambda i: i / 10,
        ),
    }
    places = pa.array(np.random.default_rng(0).permutation(count), pa.int64())
    batch = pa.record_batch([*(c for c, _ in columns.values()), places], [*columns, PLACE])
    batches = [batch.slice(0, 13), batch.slice(13, 20), batch.slice(33)]
    rows = feed(batches, shapes={"bytes": (2,)}, shuffle=11)
    found = {name: [] for name in columns}
    blocks = rows.blocks(0, 5)
    while len(found["id"]) < count:
        for name, values in zip(rows.inputs, next(blocks), strict=True):
            found[name] += values.tolist()
    order = found["id"][:count]
    assert sorted(order) == list(ids)
    for name, (_, expected) in columns.items():
        assert found[name][:count] == [expected(i) for i in order], name


def test_slices_are_no_more_than_runs():
    blocks = [placed(p, 0, range(100)) for p in range(10)]
    rows = itertools.chain.from_iterable(blocks[5:] + blocks[:5])
    spill = Spill.of(arrived(rows, 70))
    pieces = read(spill.file.fileno())
    spill.close()
    assert len(pieces) <= 10 + 1000 // 70 + 1
    assert sum(piece.num_rows for piece in pieces) == 1000


def test_orders_differ_by_epoch_and_worker_but_not_from_attempt_to_attempt():
    def order(rank, seed=5):
        return taken(feed(numbered([50, 50]), "id", shuffle=100, seeds=(seed, rank)), 0, 1, 200)

    first = order(0)
    assert first == order(0)
    assert first[:100] != first[100:200] != order(1)[:100]
    assert first != order(0, seed=6)


def test_a_small_shuffle_keeps_rows_near_their_place():
    rows = taken(feed(numbered([100]), "id", shuffle=10), 0, 1, 100)[:100]
    assert rows != list(range(100))
    assert all(abs(row - place) < 10 for place, row in enumerate(rows))


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        (pa.int8(), [1, -2], "int8"),
        (pa.int16(), [1, -2], "int16"),
        (pa.int32(), [1, -2], "int32"),
        (pa.int64(), [1, -(2**62)], "int64"),
        (pa.bool_(), [True, False], "bool"),
        (pa.float32(), [0.5, float("nan")], "float32"),
        (pa.float64(), [0.1, 2.0], "float64"),
        (pa.list_(pa.float32()), [[1, 2, 3], [4, 5, 6]], "float32"),
        (pa.list_(pa.list_(pa.int32())), [[[1], [2]], [[3], [4]]], "int32"),
    ],
)
def test_numbers_keep_their_type(kind, values, dtype):
    ((found,),) = itertools.islice(one(values, kind).blocks(0, 2), 1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[:2], np.array(values, dtype))


def test_decimals_strings_bytes_and_vectors():
    assert one([Decimal("1.5")] * 2, pa.decimal128(4, 2)).inputs["x"].dtype == "float64"
    ((found,),) = itertools.islice(one(["ü", "b"], pa.string()).blocks(0, 2), 1)
    assert found[:2].tolist() == ["ü".encode(), b"b"]
    ((found,),) = itertools.islice(one([b"\xff", b""], pa.binary()).blocks(0, 2), 1)
    assert found[:2].tolist() == [b"\xff", b""]
    vector = pa.struct(
        {"type": pa.int8(), "size": pa.int32(), "indices": pa.list_(pa.int32())}
        | {"values": pa.list_(pa.float64())}
    )
    rows = [
        {"type": 1, "size": None, "indices": None, "values": [1.0, 2.0]},
        {"type": 0, "size": 2, "indices": [1], "values": [5.0]},
    ]
    ((found,),) = itertools.islice(one(rows, vector).blocks(0, 2), 1)
    assert found[:2].tolist() == [[1.0, 2.0], [0.0, 5.0]]


def test_bytes_with_a_shape_are_numbers():
    values = [bytes(range(6)), bytes(range(250, 256))]
    # A part of a larger column, whose bytes begin somewhere
    batch = pa.record_batch([pa.array([b"other", *values], pa.binary())], ["x"]).slice(1)
    ((found,),) = itertools.islice(feed([batch], "x", shapes={"x": (2, 3)}).blocks(0, 2), 1)
    assert (found.dtype, found.shape[1:]) == (np.uint8, (2, 3))
    np.testing.assert_array_equal(found[1], [[250, 251, 252], [253, 254, 255]])


def test_values_are_not_copied_where_the_types_allow():
    rows = feed([pa.record_batch([pa.array([[1.0, 2.0]] * 100, pa.list_(pa.float32()))], ["x"])])
    ((found,),) = itertools.islice(rows.blocks(0, 100), 1)
    assert not found.flags.owndata
    assert not found.flags.writeable


@pytest.mark.parametrize(
    ("values", "kind", "shapes", "message"),
    [
        ([1, None], pa.int64(), None, "column 'x': 1 rows are null: fill them, or filter them out"),
        ([[1.0], [1.0, 2.0]], pa.list_(pa.float32()), None, "its rows are of different lengths"),
        ([[1.0, None]], pa.list_(pa.float32()), None, "an array has a null element"),
        ([[1.0, 2.0]], pa.list_(pa.float32()), {"x": (3,)}, r"2 values; each is .* shape \[3\]"),
        ([b"abc"], pa.binary(), {"x": (2, 2)}, r"3 values; each is to be of shape \[2, 2\]"),
        ([b"abc", b"ab"], pa.binary(), {"x": (3,)}, "its rows are of different lengths"),
        ([{"a": 1}], pa.struct({"a": pa.int64()}), None, "is no array, Vector or plain value"),
        ([datetime.date(2020, 1, 1)], pa.date32(), None, "of type date32.*, which has no tensor"),
        ([1], pa.int64(), {"y": (1,)}, "no column 'y' among 'x'"),
    ],
)
def test_what_has_no_tensor(values, kind, shapes, message):
    with pytest.raises(ValueError, match=message):
        one(values, kind, shapes=shapes)


def test_there_must_be_a_feature():
    with pytest.raises(ValueError, match="no column is left for the features: 'id' is the label"):
        feed(numbered([4]), label="id")
    for label in (None, "id"):
        with pytest.raises(ValueError, match=r"no column is left for the .*: columns is empty"):
            feed(numbered([4]), [], label)


def test_a_later_row_of_another_length():
    kind = pa.list_(pa.float32())
    batches = [pa.record_batch([pa.array([[1.0] * n] * 3, kind)], ["x"]) for n in (4, 5)]
    with pytest.raises(ValueError, match=r"array of 5 values; each is to be of shape \[4\]"):
        taken(feed(batches, "x"), 0, 2, 6)


def test_batches_are_tensors_of_a_fixed_shape():
    x = pa.array([[float(i), 0.0] for i in range(10)], pa.list_(pa.float32()))
    batch = pa.record_batch([x, pa.array(range(10)), pa.array(["a"] * 10)], ["x", "y", "z"])
    found = dataset(feed([batch], "x", "y"), 4, lambda: 8)
    features, label = found.element_spec
    assert (features.shape.as_list(), label.shape.as_list()) == ([4, 2], [4])
    # Or else the workers would ask each other at each step whether there is one more.
    assert found.cardinality() == tf.data.INFINITE_CARDINALITY
    features, label = next(iter(found))
    assert label.numpy().tolist() == [8, 9, 0, 1]
    assert features.numpy()[:, 0].tolist() == [8, 9, 0, 1]
    named = dataset(feed([batch], None, "y"), 2, lambda: 0).element_spec
    assert sorted(named[0]) == ["x", "z"]
    assert sorted(dataset(feed([batch]), 2, lambda: 0).element_spec) == ["x", "y", "z"]


def test_a_column_can_be_feature_and_label():
    """As an autoencoder's."""
    found = dataset(feed(numbered([4]), "id", "id"), 2, lambda: 0)
    features, label = next(iter(found))
    assert features.numpy().tolist() == label.numpy().tolist() == [0, 1]


def test_names_that_come_twice_or_have_a_dot():
    batch = pa.record_batch([pa.array([i, i]) for i in range(4)], ["a.b", "x", "x", "y"])
    ((found,),) = itertools.islice(feed([batch], "a.b").blocks(0, 2), 1)
    assert found.tolist() == [0, 0]
    assert list(feed([batch], ["a.b"], "y").inputs) == ["a.b", "y"]
    for columns, label in (("x", None), (None, "y"), ("y", "x")):
        with pytest.raises(ValueError, match="the DataFrame has 2 columns 'x', and which is"):
            feed([batch], columns, label)

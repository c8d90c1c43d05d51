"""`sparktf.batches`, and what it and `sparktf.dataset` have in common."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import sparktf
from sparktf.columns.arrays import Ragged, Strings
from sparktf.data import reading

pytestmark = pytest.mark.one_spark


def plain(value):
    """A column as lists, whoever made it."""
    if isinstance(value, (Strings, Ragged, tf.RaggedTensor)):
        return value.to_list()
    return np.asarray(value).tolist()


def both(path, **arguments):
    """The elements by each way, as lists: they are the same."""
    found = [
        [tf.nest.map_structure(plain, element) for element in made]
        for made in (
            sparktf.dataset(path, **arguments),
            map(of_numpy, sparktf.batches(path, **arguments)),
        )
    ]
    assert found[0] == found[1]
    return found[0]


def of_numpy(element):
    # What nest would not take for leaves.
    return tf.nest.map_structure(lambda leaf: leaf, element)


RECORDS = [
    {
        "id": [i],
        "half": [i / 2],
        "name": [f"number {i} ü"],
        "pair": [i, -i],
        "floats": [0.5] * (i % 4),
        "words": [b"w" * (i % 5), b""] * (i % 3),
    }
    for i in range(50)
]


@pytest.fixture
def path(tmp_path, write_records):
    for part in range(3):
        write_records(tmp_path / "d" / f"part={part}" / "f", RECORDS[part::3])
    return tmp_path / "d"


# ---------------------------------------------------------------- elements


@pytest.mark.parametrize("batch_size", [1, 7, 50, 100])
@pytest.mark.usefixtures("engine")
def test_batches_are_those_of_the_dataset(path, batch_size):
    elements = both(path, batch_size=batch_size, num_parallel_reads=1)
    rows = [
        {name: column[row] for name, column in element.items()}
        for element in elements
        for row in range(len(element["id"]))
    ]
    order = [i for part in range(3) for i in range(part, 50, 3)]
    assert [row.pop("part") for row in rows] == [i % 3 for i in order]
    for row, i in zip(rows, order, strict=True):
        record = RECORDS[i]
        assert row == {
            "id": i,
            "half": i / 2,
            "name": record["name"][0].encode(),
            "pair": record["pair"],
            "floats": record["floats"],
            "words": record["words"],
        }


def test_an_epoch_may_be_many_and_blocks_small(path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", 300)
    for shuffle, reads in itertools.product((0, 5, 1000), (1, 3)):
        arguments = {"batch_size": 9, "repeat": 3, "shuffle": shuffle, "num_parallel_reads": reads}
        elements = both(path, seed=4, **arguments)
        assert [len(element["id"]) for element in elements] == [9] * 16 + [6]
        seen = [i for element in elements for i in element["id"]]
        assert [sorted(seen[at : at + 50]) for at in (0, 50, 100)] == [list(range(50))] * 3
        assert (seen[:50] == seen[50:100]) == (shuffle == 0)
        assert len(both(path, seed=4, drop_remainder=True, **arguments)) == 16


def test_whoever_makes_them_elements_are_of_the_same_specs(path, monkeypatch):
    from sparktf.data import tensors

    for arguments in (
        {"batch_size": 4},
        {"batch_size": 4, "repeat": None},
        {"batch_size": 4, "drop_remainder": True, "pad": {"floats": 9}, "label": "id"},
        {"batch_size": 4, "columns": ["pair", "part", "name"]},
        {"batch_size": 4, "columns": ["pair", "part", "name"], "drop_remainder": True},
    ):
        specs = []
        for has_operations in (True, False):
            with monkeypatch.context() as patch:
                if not has_operations:
                    patch.setattr(tensors, "has_operations", lambda: False)
                dataset = sparktf.dataset(path, **arguments)
            specs.append(dataset.element_spec)
            endless = tf.data.experimental.INFINITE_CARDINALITY
            assert (dataset.cardinality() == endless) == ("repeat" in arguments)
        assert specs[0] == specs[1]


def test_columns_are_of_numpy(path):
    batch = next(iter(sparktf.batches(path, batch_size=10, num_parallel_reads=1)))
    assert batch["id"].dtype == np.int64
    assert batch["half"].dtype == np.float32
    assert batch["pair"].shape == (10, 2)
    assert isinstance(batch["name"], Strings)
    assert isinstance(batch["floats"], Ragged)
    assert batch["part"].dtype == np.int64


def test_labels_weights_and_names_of_their_own(path):
    only = {"columns": ["pair"], "batch_size": 50, "num_parallel_reads": 1}
    ids = [i for part in range(3) for i in range(part, 50, 3)]
    pairs, halves = {"pair": [[i, -i] for i in ids]}, [i / 2 for i in ids]
    assert both(path, label="id", weight="half", **only) == [(pairs, ids, halves)]
    assert both(path, label=["id", "half"], **only) == [(pairs, (ids, halves))]
    named = both(path, label={"a": "half", "b": "id"}, weight="half", **only)
    assert named == [(pairs, {"a": halves, "b": ids}, halves)]
    (element,) = both(path, label="id", weight="half", batch_size=50)
    assert element[0].keys() == {"name", "pair", "floats", "words", "part"}
    for wrong, message in (
        ({"weight": "half"}, "weight is for examples with a label"),
        ({"label": []}, "label names no column"),
        ({"label": ["id", "nope"]}, "there is no column 'nope'"),
        ({"label": "id", "weight": "nope"}, "there is no column 'nope'"),
    ):
        for read in (sparktf.dataset, sparktf.batches):
            with pytest.raises(ValueError, match=message):
                read(path, batch_size=1, **wrong)


def test_keras_takes_several_labels_and_weights(path):
    import keras

    inputs = keras.Input((2,), name="pair")
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"a": "mse", "b": "mae"})
    label = {"a": "half", "b": "id"}
    dtypes = {"id": "float32", "pair": "float32", "half": "float32"}
    dataset = sparktf.dataset(
        path, batch_size=10, columns=["pair"], label=label, weight="part", dtypes=dtypes
    )
    history = model.fit(dataset, epochs=2, verbose=0)
    assert all(np.isfinite(history.history["loss"]))


# ---------------------------------------------------------------- nulls, lengths, dtypes


@pytest.mark.usefixtures("engine")
def test_defaults_stand_for_nulls(tmp_path, write_records):
    records = [{"i": [1], "f": [1.0, 2.5], "s": ["x"]}, {}, {"i": [3], "f": [2.0, 3.5]}]
    path = write_records(tmp_path / "f", records)
    defaults = {"i": -1, "f": [7, 8.5], "s": "none"}
    assert both(path, batch_size=3, defaults=defaults) == [
        {
            "i": [1, -1, 3],
            "f": [[1, 2.5], [7, 8.5], [2, 3.5]],
            "s": [b"x", b"none", b"none"],
        }
    ]
    (batch,) = both(path, batch_size=3, defaults={"i": 5, "f": 0.5}, columns=["i", "f"])
    assert batch == {"i": [1, 5, 3], "f": [[1, 2.5], [0.5, 0.5], [2, 3.5]]}


def test_all_that_does_not_fit_is_in_one_error(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"a": [1], "b": [1.0]}, {"b": [2]}, {"a": [2]}])
    for read in (sparktf.dataset, sparktf.batches):
        with pytest.raises(ValueError) as error:
            read(path, batch_size=1)
        first, second = str(error.value).splitlines()
        assert first.startswith("column 'a' is null in a record of ")
        assert second.startswith("the feature 'b' is of type float_list in ")


def test_rows_are_filled_up_to_a_length(path):
    arguments = {"batch_size": 50, "columns": ["floats", "words"], "num_parallel_reads": 1}
    ids = [i for part in range(3) for i in range(part, 50, 3)]
    (batch,) = both(path, pad={"floats": (5, -1.0), "words": None}, **arguments)
    for i, floats, words in zip(ids, batch["floats"], batch["words"], strict=True):
        assert floats == RECORDS[i]["floats"] + [-1.0] * (5 - i % 4)
        known = RECORDS[i]["words"]
        assert words == known + [b""] * (4 - len(known))
    spec = sparktf.dataset(path, pad={"floats": 5, "words": None}, **arguments).element_spec
    assert spec["floats"].shape == [None, 5]
    assert spec["words"].shape == [None, None]


def test_a_row_that_is_too_long_is_never_cut(path):
    for read in (sparktf.dataset, sparktf.batches):
        with pytest.raises(
            (ValueError, tf.errors.InvalidArgumentError), match=r"pad of 'floats': .*row"
        ):
            list(read(path, batch_size=50, columns="floats", pad={"floats": 2}))


@pytest.mark.usefixtures("engine")
def test_dtypes_are_changed_where_all_values_have_a_place(path):
    dtypes = {"id": "int32", "half": np.float64, "pair": "int8", "floats": tf.float16, "part": bool}
    spec = sparktf.dataset(path, batch_size=7, dtypes=dtypes).element_spec
    names = {"id": "int32", "half": "float64", "pair": "int8", "floats": "float16", "part": "bool"}
    assert {name: spec[name].dtype.name for name in names} == names
    batch = next(iter(sparktf.batches(path, batch_size=7, dtypes=dtypes)))
    assert batch["floats"].values.dtype.name == "float16"
    assert {name: batch[name].dtype.name for name in names if name != "floats"} == {
        name: dtype for name, dtype in names.items() if name != "floats"
    }
    (element,) = both(path, batch_size=50, columns=["pair", "part"], dtypes=dtypes)
    assert sorted(element["pair"]) == sorted([i, -i] for i in range(50))


def test_a_number_that_a_dtype_does_not_hold_is_an_error(tmp_path, write_records):
    for value, dtype in ((128, "int8"), (-1, "uint8"), (2**31, "int32"), (-1, "uint64")):
        path = write_records(tmp_path / "f", [{"x": [1]}, {"x": [value]}])
        for read in (sparktf.dataset, sparktf.batches):
            with pytest.raises(
                (ValueError, tf.errors.InvalidArgumentError), match=rf"x.* is to be {dtype}"
            ):
                list(read(path, batch_size=2, dtypes={"x": dtype}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"defaults": {"x": 1}}, "defaults names 'x', but the columns are"),
        ({"defaults": {"id": "x"}}, "column 'id': a default of int64 is wanted, not 'x'"),
        ({"defaults": {"id": 1.5}}, r"column 'id': a default of int64 is wanted, not 1\.5"),
        ({"defaults": {"pair": [1, 2, 3]}}, r"column 'pair': a default of shape \(2,\) is wanted"),
        ({"defaults": {"floats": 1.0}}, "defaults names 'floats', whose rows have any number"),
        ({"pad": {"x": 1}}, "pad names 'x', but the columns are"),
        ({"pad": {"id": 1}}, "pad names 'id', whose rows are not of different lengths"),
        ({"pad": {"floats": 0}}, "pad of 'floats' is a length, None for .* not 0"),
        ({"pad": {"floats": (3, "x")}}, "pad of 'floats': a default of float32 is wanted"),
        ({"dtypes": {"x": "int32"}}, "dtypes names 'x', but the columns are"),
        ({"dtypes": {"id": "string"}}, "dtypes of 'id' must be one of bool, .* not 'string'"),
        ({"dtypes": {"name": "int32"}}, "dtypes names 'name', which is no column of numbers"),
    ],
)
def test_a_wrong_argument_is_a_value_error(path, arguments, message):
    for read in (sparktf.dataset, sparktf.batches):
        with pytest.raises(ValueError, match=message):
            read(path, batch_size=2, **arguments)


def test_features_that_only_tensorflow_knows_are_for_tensorflow(path):
    schema = {"floats": tf.io.VarLenFeature(tf.float32), "id": tf.io.FixedLenFeature([], tf.int64)}
    with pytest.raises(
        ValueError, match=r"only TensorFlow makes tensors of: take sparktf\.dataset"
    ):
        sparktf.batches(path, schema=schema, batch_size=2)
    assert len(next(iter(sparktf.batches(path, schema=schema, columns="id", batch_size=9)))) == 9


# ---------------------------------------------------------------- its place


@pytest.mark.parametrize("shuffle", [0, 20])
@pytest.mark.parametrize("seed", [None, 3])
def test_an_iteration_goes_on_where_it_was(path, shuffle, seed, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", 200)

    def made(**arguments):
        arguments |= {"batch_size": 8, "shuffle": shuffle, "seed": seed, "repeat": 2}
        return sparktf.batches(path, **arguments)

    batches = made()
    for _ in batches:  # an iteration before
        pass
    iterator = iter(batches)
    for _ in range(5):
        next(iterator)
    state = json.loads(json.dumps(batches.state_dict()))
    expected = [plain(batch["id"]) for batch in iterator]
    assert len(expected) == 8
    other = made()
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert [plain(batch["id"]) for batch in other] == expected
    # And the iteration after it is the one that would have come.
    assert [plain(b["id"]) for b in other] == [plain(b["id"]) for b in batches]
    with pytest.raises(ValueError, match="whose order is left open has no place"):
        made(deterministic=False).state_dict()


def test_a_state_is_of_the_same_files_and_arguments(path, write_records):
    state = sparktf.batches(path, batch_size=8).state_dict()
    for other in (
        sparktf.batches(path, batch_size=9),
        sparktf.batches(path / "part=0", batch_size=8),
    ):
        with pytest.raises(ValueError, match="the state is of other files, or of other arguments"):
            other.load_state_dict(state)
    write_records(path / "part=0" / "f", RECORDS[:3])
    with pytest.raises(ValueError, match="the state is of other files"):
        sparktf.batches(path, batch_size=8).load_state_dict(state)


def test_iterations_do_not_disturb_each_other(path):
    batches = sparktf.batches(path, batch_size=8, shuffle=10, seed=1)
    first, second = iter(batches), iter(batches)
    alternating = list(zip(first, second, strict=True))
    again = sparktf.batches(path, batch_size=8, shuffle=10, seed=1)
    assert [plain(batch["id"]) for batch, _ in alternating] == [plain(b["id"]) for b in again]
    assert [plain(batch["id"]) for _, batch in alternating] == [plain(b["id"]) for b in again]


# ---------------------------------------------------------------- without TensorFlow


def test_neither_tensorflow_nor_spark_is_needed(path):
    code = f"""
import sys
for name in ("tensorflow", "keras", "pyspark", "pandas", "pyarrow", "google_crc32c"):
    sys.modules[name] = None
import sparktf
print(sum(batch["id"].sum() for batch in sparktf.batches({str(path)!r}, batch_size=8)))
"""
    for native in ("1", "0"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"SPARKTF_NATIVE": native, "PYTHONPATH": ":".join(sys.path)},
        )
        assert done.stdout.strip() == str(sum(range(50)))


# ---------------------------------------------------------------- arrays


def test_strings():
    strings = Strings(np.frombuffer(b"abcdef", np.uint8), np.array([1, 2, 2, 5, 6]))
    assert strings.to_list() == list(strings) == [b"b", b"", b"cde", b"f"]
    assert (len(strings), strings[2], strings[-1]) == (4, b"cde", b"f")
    assert strings[1:3].to_list() == [b"", b"cde"]
    assert strings[3:1].to_list() == []
    assert np.asarray(strings).tolist() == strings.to_list()
    assert strings.to_arrow().to_pylist() == strings.to_list()
    assert Strings.of(strings.to_list()).to_list() == strings.to_list()
    assert strings.take(np.array([3, 1, 0, 3])).to_list() == [b"f", b"", b"b", b"f"]
    assert strings.take(np.array([], int)).to_list() == []
    with pytest.raises(IndexError):
        strings[4]
    with pytest.raises(IndexError, match="consecutive"):
        strings[::2]
    table = Strings(strings.content, strings.offsets, (2, 2))
    assert table.to_list() == [[b"b", b""], [b"cde", b"f"]]
    assert table[1].to_list() == [b"cde", b"f"]
    assert table[1:].to_list() == [[b"cde", b"f"]]
    assert repr(strings) == "Strings([b'b', b'', b'cde', ...], shape=(4,))"


def test_ragged():
    ragged = Ragged(np.arange(6), np.array([0, 2, 2, 6]))
    assert ragged.to_list() == [row.tolist() for row in ragged] == [[0, 1], [], [2, 3, 4, 5]]
    assert ragged.lengths.tolist() == [2, 0, 4]
    assert ragged[1:].to_list() == [[], [2, 3, 4, 5]]
    assert ragged[-1].tolist() == [2, 3, 4, 5]
    assert ragged.to_dense().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [2, 3, 4, 5]]
    assert ragged[:2].to_dense(3, -1).tolist() == [[0, 1, -1], [-1, -1, -1]]
    with pytest.raises(ValueError, match="row 2 has 4 values, where there is room for 3"):
        ragged.to_dense(3)
    strings = Strings(np.frombuffer(b"abc", np.uint8), np.array([0, 1, 3]))
    nested = Ragged(Ragged(strings, np.array([0, 1, 1, 2])), np.array([0, 2, 3]))
    assert nested.to_list() == [[[b"a"], []], [[b"bc"]]]
    assert nested[1:].to_list() == [[[b"bc"]]]
    assert nested.to_dense().tolist() == [[[b"a"], [b""]], [[b"bc"], [b""]]]
    assert repr(nested) == "Ragged([[[b'a'], []], [[b'bc']]], rows=2)"

"""`sparktf.dataset` over files that TensorFlow wrote: batches, their order, shards."""

import gzip
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import sparktf
from sparktf.data import reading


def ids(dataset):
    return [i for batch in dataset.as_numpy_iterator() for i in batch["id"].tolist()]


def sizes(dataset):
    return [len(batch["id"]) for batch in dataset.as_numpy_iterator()]


# ---------------------------------------------------------------- batches and order


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("shuffle", [0, 8])
@pytest.mark.parametrize("batch_size", [1, 4, 41, 42, 43, 5000])
def test_all_batches_but_the_last_are_full(numbered, batch_size, shuffle):
    full, rest = divmod(42, batch_size)
    expected = [batch_size] * full + [rest] * (rest > 0)
    dataset = sparktf.dataset(numbered, batch_size=batch_size, shuffle=shuffle)
    assert sizes(dataset) == expected
    assert sorted(ids(dataset)) == list(range(42))
    dataset = sparktf.dataset(numbered, batch_size=batch_size, shuffle=shuffle, drop_remainder=True)
    assert sizes(dataset) == [batch_size] * full
    assert dataset.element_spec["id"].shape == [batch_size]


@pytest.mark.usefixtures("engine")
def test_epochs_follow_each_other_without_a_short_batch(numbered):
    dataset = sparktf.dataset(numbered, batch_size=40, repeat=3)
    assert sizes(dataset) == [40, 40, 40, 6]
    assert sorted(ids(dataset)) == sorted(list(range(42)) * 3)
    assert (
        sizes(sparktf.dataset(numbered, batch_size=40, repeat=3, drop_remainder=True)) == [40] * 3
    )


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("repeat", [None, -1])
def test_an_endless_dataset_has_static_batches(numbered, repeat):
    dataset = sparktf.dataset(numbered, batch_size=40, repeat=repeat)
    assert dataset.element_spec["id"].shape == [40]
    seen = ids(dataset.take(21))
    assert sorted(seen) == sorted(list(range(42)) * 20)


@pytest.mark.usefixtures("engine")
def test_one_read_at_a_time_keeps_the_order_of_files_and_records(numbered):
    assert ids(sparktf.dataset(numbered, batch_size=5, num_parallel_reads=1)) == list(range(42))


@pytest.mark.usefixtures("engine")
def test_the_order_without_shuffling_is_always_the_same(numbered, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", 100)  # so that files do interleave
    first, *others = (ids(sparktf.dataset(numbered, batch_size=2)) for _ in range(5))
    assert first != list(range(42))
    assert sorted(first) == list(range(42))
    assert others == [first] * 4


@pytest.mark.usefixtures("engine")
def test_shuffling_differs_by_epoch_and_is_reproduced_by_the_seed(numbered):
    def epochs(seed):
        dataset = sparktf.dataset(numbered, batch_size=6, shuffle=20, seed=seed)
        return ids(dataset), ids(dataset)

    first, second = epochs(seed=3)
    assert sorted(first) == sorted(second) == list(range(42))
    assert first != second
    assert epochs(seed=3) == (first, second)
    assert epochs(seed=4) != (first, second)
    assert epochs(seed=None) != epochs(seed=None)
    repeated = ids(sparktf.dataset(numbered, batch_size=6, shuffle=20, seed=3, repeat=2))
    assert sorted(repeated[:42]) == sorted(repeated[42:]) == list(range(42))
    assert repeated[:42] != repeated[42:]


def test_shuffling_draws_each_record_among_as_many_as_it_is_told(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"id": [i]} for i in range(1000)])
    near = ids(sparktf.dataset(path, batch_size=10, shuffle=10, seed=1))
    # A record never comes before the buffer could hold it.
    assert all(i < place + 10 for place, i in enumerate(near))
    # Over all records each fifth of the epoch has about a fifth of each fifth of the file: the
    # bounds are five standard deviations of a hypergeometric count.
    far = ids(sparktf.dataset(path, batch_size=10, shuffle=1000, seed=1))
    counts, *_ = np.histogram2d(range(1000), far, bins=5)
    assert abs(counts - 40).max() <= 5 * np.sqrt(200 * 0.2 * 0.8 * 800 / 999)


def test_nothing_is_said_of_large_records_that_are_shuffled(tmp_path, write_records, capfd):
    records = [{"id": [i], "image": [b"x" * 2000]} for i in range(3000)]
    path = write_records(tmp_path / "f", records)
    for batch_size in (8, 1024):
        seen = ids(sparktf.dataset(path, batch_size=batch_size, shuffle=1000, repeat=2))
        assert sorted(seen) == sorted(list(range(3000)) * 2)
    assert capfd.readouterr().err == ""


def test_the_order_of_files_is_shuffled_too(tmp_path, write_records):
    for part in range(10):
        write_records(tmp_path / "d" / f"part-{part}", [{"id": [part]}])
    dataset = sparktf.dataset(tmp_path / "d", batch_size=1, shuffle=1, seed=5, num_parallel_reads=1)
    first, second = ids(dataset), ids(dataset)
    assert sorted(first) == sorted(second) == list(range(10))
    assert len({tuple(range(10)), tuple(first), tuple(second)}) == 3


# ---------------------------------------------------------------- how many


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize("shard", [None, (0, 2), (1, 2), (0, 7), (6, 7)])
def test_the_cardinality_of_few_records_is_known(numbered, shard, repeat, drop):
    dataset = sparktf.dataset(
        numbered, batch_size=4, shard=shard, repeat=repeat, drop_remainder=drop
    )
    assert dataset.cardinality() == sum(1 for _ in dataset)


def test_the_cardinality_of_many_records_is_not_known(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"id": [i]} for i in range(1001)])
    dataset = sparktf.dataset(path, batch_size=4)
    assert dataset.cardinality() == tf.data.experimental.UNKNOWN_CARDINALITY
    assert len(ids(dataset)) == sparktf.count(path) == 1001


@pytest.mark.usefixtures("engine")
def test_records_are_counted_by_their_headers(numbered, tmp_path, write_records):
    assert sparktf.count(numbered) == 42
    assert sparktf.count(f"{numbered}/part-[03]*") == 35
    write_records(tmp_path / "t" / "k=1" / "f", [{"id": [1]}] * 3)
    write_records(tmp_path / "t" / "k=2" / "f", [{"id": [1]}] * 4)
    assert sparktf.count(tmp_path / "t") == 7
    content = (tmp_path / "t" / "k=2" / "f").read_bytes()
    (tmp_path / "t" / "k=2" / "g").write_bytes(gzip.compress(content))
    assert sparktf.count([f"{tmp_path}/t/k=2", f"{numbered}/part-0*"]) == 18
    (tmp_path / "t" / "k=2" / "f").write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"/k=2/f: damaged at byte \d+: .* needs 1 bytes more"):
        sparktf.count(tmp_path / "t")


# ---------------------------------------------------------------- shards


def shards(path, count, **arguments):
    return [
        ids(sparktf.dataset(path, shard=(index, count), batch_size=4, **arguments))
        for index in range(count)
    ]


@pytest.mark.usefixtures("engine")
def test_shards_are_whole_files_where_there_are_enough(numbered):
    assert [sorted(shard) for shard in shards(numbered, 2)] == [
        [*range(10), *range(10, 17)],
        [*range(17, 42)],
    ]


@pytest.mark.usefixtures("engine")
def test_shards_are_records_where_there_are_few_files(numbered):
    found = shards(numbered, 5)
    assert sorted(itertools.chain(*found)) == list(range(42))
    assert sorted(map(len, found)) == [8, 8, 8, 9, 9]


def test_a_strategy_does_not_shard_a_shard(numbered):
    options = sparktf.dataset(numbered, shard=(0, 2), batch_size=4).options()
    off = tf.data.experimental.AutoShardPolicy.OFF
    assert options.experimental_distribute.auto_shard_policy == off


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    count=st.integers(1, 8),
    batch_size=st.integers(1, 50),
    shuffle=st.sampled_from([0, 1, 7, 1000]),
    block=st.sampled_from([1, 100, 4 << 20]),
    reads=st.sampled_from([None, 1, 3]),
)
def test_shards_are_disjoint_and_complete(
    write_records, lengths, count, batch_size, shuffle, block, reads
):
    """For any files, each record once, with its own partition value, in full batches."""
    schema = {"id": tf.io.FixedLenFeature([], tf.int64)}
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK", block)
        first = 0
        for part, length in enumerate(lengths):
            records = [{"id": [i]} for i in range(first, first + length)]
            write_records(Path(folder) / f"part={part}" / "f", records)
            first += length
        bounds = np.cumsum(lengths)
        seen = []
        for index in range(count):
            dataset = sparktf.dataset(
                folder,
                schema=schema,
                batch_size=batch_size,
                shuffle=shuffle,
                num_parallel_reads=reads,
                shard=(index, count),
            )
            batches = list(dataset.as_numpy_iterator())
            assert all(len(batch["id"]) == batch_size for batch in batches[:-1])
            for batch in batches:
                assert 0 < len(batch["id"]) <= batch_size
                parts = np.searchsorted(bounds, batch["id"], side="right")
                assert batch["part"].tolist() == parts.tolist()
                seen += batch["id"].tolist()
        assert sorted(seen) == list(range(first))

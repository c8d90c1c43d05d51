"""What `sparktf.dataset` makes of files that are not whole: an error, and never fewer records."""

import gzip
import json
import zlib

import pytest
import record_file_fuzzer as fuzzer
import tensorflow as tf

import sparktf

pytestmark = pytest.mark.one_spark

RECORDS = [fuzzer.example(i, b"s") for i in range(7)]
PLAIN = b"".join(map(fuzzer.frame, RECORDS))
FRAME = len(PLAIN) // len(RECORDS)


def numbers(path, **arguments):
    arguments = {"batch_size": 2, "columns": "x", "num_parallel_reads": 1} | arguments
    dataset = sparktf.dataset(path, schema=fuzzer.SCHEMA, **arguments)
    return [x for batch in dataset.as_numpy_iterator() for x in batch.tolist()]


def error_of(path, **arguments):
    with pytest.raises((ValueError, tf.errors.OpError)) as error:
        numbers(path, **arguments)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def file(tmp_path):
    def write(content, name="f"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


# ---------------------------------------------------------------- cut off


@pytest.mark.parametrize("shuffle", [0, 10])
def test_a_file_that_is_cut_inside_of_a_header_is_an_error(file, shuffle):
    for size in (5, FRAME + 1, FRAME + 11, len(PLAIN) - FRAME + 7):
        path = file(PLAIN[:size])
        error_of(path, shuffle=shuffle)


def test_a_compressed_stream_without_its_end_is_an_error(file):
    for compress, name in ((gzip.compress, "f.gz"), (zlib.compress, "f.zlib")):
        whole = compress(PLAIN)
        assert numbers(file(whole, name)) == list(range(7))
        for missing in (1, 4, 8, 9, len(whole) // 2):
            message = error_of(file(whole[:-missing], name))
            assert "stream is cut off" in message


def test_outside_of_the_sample_too_and_the_error_names_the_file_and_the_offset(tmp_path):
    for number in range(3):
        (tmp_path / f"part-{number}").write_bytes(PLAIN * 300)
    damaged, size = tmp_path / "part-1", len(PLAIN) * 300
    for content, offset in (
        (PLAIN * 300 + PLAIN[:5], size),
        (PLAIN * 299 + PLAIN[:-6] + b"~" + PLAIN[-5:], size - FRAME),
        (PLAIN * 299 + b"~" + PLAIN[1:], size - len(PLAIN)),
    ):
        for compressed in (content, gzip.compress(content)):
            damaged.write_bytes(compressed)
            dataset = sparktf.dataset(tmp_path, batch_size=64)
            message = rf"{damaged}: damaged at byte {offset}: "
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                list(dataset)


def test_a_damaged_file_of_the_sample_is_named_with_the_offset(file):
    path = file(PLAIN[: 2 * FRAME + 20] + b"~" + PLAIN[2 * FRAME + 21 :])
    with pytest.raises(tf.errors.DataLossError, match=rf"{path}: damaged at byte {2 * FRAME}: "):
        numbers(path)


def test_a_file_that_grows_behind_the_listing_is_read_as_it_was_listed(file):
    for compress in (bytes, gzip.compress, zlib.compress):
        path = file(compress(PLAIN))
        dataset = sparktf.dataset(path, batch_size=2, columns="x")
        path.write_bytes(compress(PLAIN) * 2)
        assert [x for batch in dataset.as_numpy_iterator() for x in batch] == list(range(7))


def test_a_file_that_shrinks_behind_the_listing_is_an_error(file):
    for content in (PLAIN[:-FRAME], b""):
        path = file(PLAIN)
        dataset = sparktf.dataset(path, batch_size=2)
        path.write_bytes(content)
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{path}: .*changed since"):
            list(dataset)
    path = file(PLAIN)
    dataset = sparktf.dataset(path, batch_size=2)
    path.unlink()
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"No such file or .*: '{path}'"):
        list(dataset)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_compressed_file_that_shrinks_behind_the_listing_is_an_error(file, compress):
    """Though all that is there by now is whole."""
    for content in (compress(PLAIN), b""):
        path = file(compress(PLAIN) * 2)
        dataset = sparktf.dataset(path, batch_size=2)
        path.write_bytes(content)
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{path}: .*changed since"):
            list(dataset)


# ---------------------------------------------------------------- members and names


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_members_are_read_one_behind_another_empty_ones_among_them(file, compress):
    cut = 2 * FRAME + 5  # inside of a record
    parts = (b"", PLAIN[:cut], b"", PLAIN[cut:], b"", PLAIN)
    path = file(b"".join(map(compress, parts)))
    assert numbers(path) == [*range(7), *range(7)]
    # A piece of the file has an end of its own.
    by_three = [x for index in range(3) for x in numbers(path, shard=(index, 3))]
    assert sorted(by_three) == sorted([*range(7), *range(7)])


def test_zeros_behind_a_gzip_file_are_padding_and_all_else_is_damage(file):
    whole = gzip.compress(PLAIN)
    assert numbers(file(whole + bytes(1000), "f.gz")) == list(range(7))
    for more in (b"\0\0more", b"more", b"\x1f", bytes(5) + whole):
        assert "behind the end of the gzip stream" in error_of(file(whole + more, "f.gz"))
    for more in (b"\0", b"more", b"\x78"):
        more = zlib.compress(PLAIN) + more
        assert "behind the end of the zlib stream" in error_of(file(more, "f.zlib"))


def test_pieces_of_a_large_compressed_file_are_one_file(file):
    large = b"".join(fuzzer.frame(fuzzer.example(i, bytes(3_000_000 * (i % 3)))) for i in range(5))
    path = file(gzip.compress(PLAIN * 10_000 + large, 1))
    assert numbers(path, batch_size=1000) == [*range(7)] * 10_000 + [*range(5)]
    longest = fuzzer.frame(fuzzer.example(8, bytes(5_000_000)))
    assert numbers(file(gzip.compress(longest + PLAIN, 1), "longest.gz")) == [8, *range(7)]


def test_plain_bytes_are_believed_before_a_name(file):
    for name in ("f.gz", "f.zlib", "f.zst"):
        assert numbers(file(PLAIN, name)) == list(range(7))


def test_an_empty_file_holds_no_records_whatever_its_name(file):
    for name in ("f", "f.gz", "f.zlib"):
        assert numbers(file(b"", name)) == []


# ---------------------------------------------------------------- other files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.labels.txt", b"a\nb\n"),
        ("dataset_info.json", json.dumps({"name": "data", "splits": []}).encode()),
        ("a.idx", b"0 27\n27 27\n"),
        ("README.md", b"# Data\n" * 100),
    ],
)
def test_a_file_beside_the_records_is_called_so_with_the_way_out(tmp_path, name, content):
    (tmp_path / "d-train.tfrecord-00000-of-00001").write_bytes(PLAIN)
    (tmp_path / name).write_bytes(content)
    message = error_of(tmp_path)
    assert f"{tmp_path / name} is no TFRecord file" in message
    assert f"left out by a glob, such as {tmp_path}/*.tfrecord*" in message
    assert numbers(f"{tmp_path}/*.tfrecord*") == list(range(7))


# ---------------------------------------------------------------- at random


def test_files_at_random_are_read_as_the_formats_define_them(tmp_path):
    for seed in range(40):
        fuzzer.check(seed, tmp_path)

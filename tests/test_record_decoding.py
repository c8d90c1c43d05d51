"""The library of native/ against protobuf, TensorFlow, and memory that ends."""

import subprocess
import sys
from pathlib import Path

import decoding_fuzzer
import numpy as np
import pytest
import tensorflow as tf

import sparktf
from sparktf.records import compression, native
from sparktf.records.decoding import Decoder, Wanted
from sparktf.records.frames import DamagedFileError
from sparktf.records.runs import Run, copied

pytestmark = pytest.mark.one_spark


def fuzz(first, count):
    program = str(Path(decoding_fuzzer.__file__))
    command = [sys.executable, program, "--seed", str(first), "--count", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"


def test_records_at_random_are_what_protobuf_says_and_no_byte_behind_them_is_touched():
    fuzz(0, 1000)


@pytest.mark.long
def test_many_records_at_random():
    fuzz(100_000, 40_000)


@pytest.mark.parametrize("plain", [False, True])
def test_the_checksum_is_tfrecord_s_by_an_instruction_and_without(plain):
    path = native.library().path
    library = native.Library(path, plain)
    try:
        for size in (0, 1, 7, 8, 9, 63, 1000):
            data = np.random.default_rng(size).bytes(size)
            assert library.masked_crc32c(data) == compression.masked_crc32c(data)
    finally:
        native.Library(path)  # as it was, for all


def test_a_library_of_another_version_is_not_used(monkeypatch):
    monkeypatch.setattr(native, "_VERSION", 0)
    with pytest.raises(OSError, match=r"is of another version of sparktf"):
        native.Library(native.library().path)


# ---------------------------------------------------------------- frames


def test_frames_are_found_up_to_where_they_are_whole():
    records = [b"", b"x", b"y" * 300]
    framed = [frame(record) for record in records]
    buffer = np.frombuffer(b"".join(framed), np.uint8)
    library = native.library()
    assert library is not None
    for size in range(len(buffer) + 1):
        found = library.frames(buffer[:size], 10)
        ends = np.cumsum([len(one) for one in framed])
        whole = int(np.searchsorted(ends, size, side="right"))
        assert found.lengths.tolist() == [len(record) for record in records[:whole]]
        assert found.begins.tolist() == [
            end - len(framed[i]) + 12 for i, end in enumerate(ends[:whole])
        ]
        assert found.consumed == ([0, *ends.tolist()])[whole]
        rest = size - found.consumed
        assert found.needed == (len(framed[whole]) if rest >= 12 else 12)
    assert library.frames(buffer, 2).needed == 0
    damaged = buffer.copy()
    damaged[17] ^= 1
    found = library.frames(damaged, 10)
    assert (len(found.begins), found.consumed, found.needed) == (1, 16, -1)


def frame(record):
    length = len(record).to_bytes(8, "little")
    checksums = (compression.masked_crc32c(part).to_bytes(4, "little") for part in (length, record))
    return length + next(checksums) + record + next(checksums)


# ---------------------------------------------------------------- TensorFlow's operation


def test_strings_of_every_length_are_tensorflow_s(tmp_path, write_records):
    sizes = [*range(70), 1000, 70_000, 3_000_000]
    values = [np.random.default_rng(size).bytes(size) for size in sizes]
    records = [
        {"one": [v], "two": [v, v[::-1]], "many": [v] * (i % 3)} for i, v in enumerate(values)
    ]
    path = write_records(tmp_path / "f", records)
    found = {"one": [], "two": [], "many": []}
    dataset = sparktf.dataset(path, batch_size=7, repeat=2)
    for batch in dataset:
        for name, column in batch.items():
            listed = column.to_list() if name == "many" else column.numpy().tolist()
            found[name] += listed
        # What TensorFlow makes of them.
        assert tf.strings.length(batch["one"]).numpy().tolist() == list(
            map(len, batch["one"].numpy())
        )
    assert found["one"] == values * 2
    assert found["two"] == [[v, v[::-1]] for v in values] * 2
    assert found["many"] == [[v] * (i % 3) for i, v in enumerate(values)] * 2


def test_odd_records_are_decoded_in_tensorflow_too(tmp_path, example):
    sized = decoding_fuzzer.sized
    unpacked = sized(3, b"\x08\x07\x08\x09")  # an int64_list of 7 and 9
    entry = sized(2, unpacked) + sized(1, b"x")  # the value before its key
    odd = sized(1, sized(1, entry)) + decoding_fuzzer.varint(15 << 3) + b"\x01"
    assert tf.train.Example.FromString(odd).features.feature["x"].int64_list.value == [7, 9]
    twice = example({"x": [1, 2], "s": ["first"]}) + example(
        {"x": [3, 4], "s": ["a second, longer one"]}
    )
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        for record in (example({"x": [5, 6]}), odd, twice):
            writer.write(record)
    schema = {
        "x": tf.io.FixedLenFeature([2], tf.int64),
        "s": tf.io.FixedLenFeature([], tf.string, "none"),
    }
    expected = {"x": [[5, 6], [7, 9], [3, 4]], "s": [b"none", b"none", b"a second, longer one"]}
    (batch,) = sparktf.dataset(tmp_path / "f", schema=schema, batch_size=3)
    assert {name: column.numpy().tolist() for name, column in batch.items()} == expected
    (batch,) = sparktf.batches(tmp_path / "f", schema=schema, batch_size=3)
    assert {
        name: column.tolist() if name == "x" else column.to_list() for name, column in batch.items()
    } == expected


def test_what_is_wrong_is_said_letter_by_letter(tmp_path, example):
    folder = tmp_path / "größe 'x' 100%"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "f")) as writer:
        for _ in range(2000):
            writer.write(example({"ß": [1]}))
        writer.write(example({"ß": [1, 2]}))
    size = (folder / "f").stat().st_size - len(frame(example({"ß": [1, 2]})))
    place = f"the record at byte {size} of {folder}/f"
    told = f"column 'ß' is to have 1 value in each record, but {place} has 2"
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        list(sparktf.dataset(folder, batch_size=10))
    assert told in error.value.message
    with pytest.raises(ValueError) as error:
        list(sparktf.batches(folder, batch_size=10))
    assert str(error.value) == told


def test_bytes_that_are_gone_are_not_read():
    """TensorFlow's operation knows whether what keeps them is what it was given."""
    from sparktf.data import tensors

    assert tensors.has_operations()
    decoder = Decoder([Wanted("x", "int64_list", 1)], ["f"])

    @tf.function
    def decode(keeper):
        given = (keeper, *[tf.constant([], tf.int64)] * 2)
        return tensors._operation(decoder.spec(0, [()]), given, [tf.int64])

    for keeper in ([], [0] * 8, [1] * 7):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="TensorFlow has copied what keeps"
        ):
            decode(tf.constant(keeper, tf.uint8))


# ---------------------------------------------------------------- runs


def test_a_copy_has_its_own_bytes_and_checksums(tmp_path):
    buffer = np.frombuffer(b"".join(map(frame, [b"a", b"bcd", b""])), np.uint8).copy()
    found = native.library().frames(buffer, 3)
    rows = np.zeros((3, native.RECORD), np.int64)
    rows[:, native.ADDRESS] = found.begins + native.address_of(buffer)
    rows[:, native.LENGTH] = found.lengths
    run = copied(Run(rows, (buffer,))[::-1])
    buffer[:] = 0
    assert [run.record(row) for row in range(3)] == [b"", b"bcd", b"a"]
    assert [run.checksum(row) for row in range(3)] == [
        compression.masked_crc32c(record) for record in (b"", b"bcd", b"a")
    ]
    assert Decoder([Wanted("", "record", 1)], ["f"], "ByteArray")(run)[0].to_list() == [
        b"",
        b"bcd",
        b"a",
    ]
    run.buffers[0][4] ^= 1
    with pytest.raises(
        DamagedFileError, match="f: damaged at byte 0: the checksum of a record of 3"
    ):
        Decoder([Wanted("", "record", 1)], ["f"], "ByteArray")(run)

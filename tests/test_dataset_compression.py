"""How `sparktf.dataset` tells the compression of files."""

import gzip
import zlib
from pathlib import Path

import pytest
import tensorflow as tf

import sparktf
from sparktf.records import compression


def column(path, name="x", **arguments):
    """The column's values, in the order of files and records."""
    dataset = sparktf.dataset(path, batch_size=3, columns=name, num_parallel_reads=1, **arguments)
    return [value for batch in dataset.as_numpy_iterator() for value in batch.tolist()]


@pytest.mark.parametrize("name", ["f", "f.tfrecord"])
@pytest.mark.parametrize(
    ("codec", "tensorflow"), [("none", ""), ("gzip", "GZIP"), ("zlib", "ZLIB")]
)
def test_compression_is_told_by_the_first_bytes(tmp_path, write_records, name, codec, tensorflow):
    path = write_records(tmp_path / name, [{"x": [i]} for i in range(5)], tensorflow)
    assert column(path) == column(path, compression=codec) == list(range(5))


@pytest.mark.parametrize(
    ("extension", "compress"),
    [
        (".gz", gzip.compress),
        (".GZ", gzip.compress),
        (".deflate", zlib.compress),
        (".zlib", zlib.compress),
        (".zz", zlib.compress),
    ],
)
def test_compression_is_told_by_the_extension(tmp_path, write_records, extension, compress):
    plain = Path(write_records(tmp_path / "plain", [{"x": [1]}])).read_bytes()
    file = tmp_path / f"part-0.tfrecord{extension}"
    file.write_bytes(compress(plain))
    assert column(file) == [1]
    # But a record's header, which no compressed file begins with, is believed before.
    file.write_bytes(plain)
    assert column(file) == [1]


def test_files_of_one_folder_may_be_compressed_differently(tmp_path, write_records):
    for number, codec in enumerate(("", "GZIP", "ZLIB")):
        write_records(tmp_path / "d" / f"part-{number}", [{"x": [number]}], codec)
    assert column(tmp_path / "d") == [0, 1, 2]
    assert column(tmp_path / "d", shard=(1, 3)) == [1]
    assert [column(tmp_path / "d", shard=(i, 4)) for i in range(4)] == [[0], [1], [2], []]


def test_deflate_is_another_name_for_zlib(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"x": [1]}], "ZLIB")
    assert column(path, compression="deflate") == [1]


@pytest.mark.parametrize(
    ("name", "head", "codec"),
    [
        ("f.bz2", b"", "bzip2"),
        ("f.snappy", b"", "snappy"),
        ("f.tfrecord.zst", b"", "zstd"),
        ("f.lz4", b"", "lz4"),
        ("f", b"BZh91AY&SY", "bzip2"),
        ("f", b"\x28\xb5\x2f\xfd\x00", "zstd"),
        ("f", b"\x04\x22\x4d\x18\x00", "lz4"),
        ("f", b"\xff\x06\x00\x00sNaPpY", "snappy"),
        ("f", b"\xfd7zXZ\x00", "xz"),
    ],
)
def test_a_codec_that_tensorflow_lacks_is_named_with_the_file(tmp_path, name, head, codec):
    (tmp_path / name).write_bytes(head)
    with pytest.raises(ValueError, match=rf"/{name} is compressed with {codec}, .*gzip and zlib"):
        column(tmp_path / name)


@pytest.mark.parametrize(
    "magic", [b"\x1f\x8b\x08", b"\x78\x9c", b"\x78\x01", b"BZh", b"\x28\xb5\x2f\xfd"]
)
def test_an_intact_record_header_is_believed_before_a_magic_number(magic):
    length = magic.ljust(8, b"\0")
    checksum = compression.masked_crc32c(length).to_bytes(4, "little")
    assert compression.from_first_bytes(length + checksum) == "none"
    assert compression.from_first_bytes(length + bytes(4)) != "none"


def test_a_long_record_whose_length_looks_like_zlib_is_read(tmp_path, example):
    # 0x9c78 is zlib's usual first two bytes.
    for size in range(0x9C78 - 40, 0x9C78):
        record = example({"x": [b"v" * size]})
        if len(record) == 0x9C78:
            break
    assert len(record) == 0x9C78
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        writer.write(record)
    assert column(tmp_path / "f") == [b"v" * size]


@pytest.mark.parametrize("content", [b"", b"\0", b"\x1f", bytes(11), b"plain text, no record"])
def test_files_without_a_header_are_not_taken_for_compressed(content):
    assert compression.from_first_bytes(content[:12]) == "none"


def test_the_checksum_is_tfrecord_s(tmp_path):
    path = tmp_path / "f"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(bytes(range(256)) * 300)
    head = path.read_bytes()[:12]
    assert compression.is_record_header(head)
    assert not compression.is_record_header(head[:11] + bytes([head[11] ^ 1]))
    assert not compression.is_record_header(head[:11])

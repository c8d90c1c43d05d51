"""Files of records made at random, compressed, cut, damaged and misnamed, and what they hold.

    .venv/bin/python tests/record_file_fuzzer.py --minutes 60

compares `sparktf.dataset` and the command line's reader with what the definitions of TFRecord, gzip
and zlib make of each file, by Python's own `zlib` and Google's CRC-32C: both give these records, or
both raise. The tests run a fixed number of the same. `make fuzz-files-python` runs this program.
"""

from __future__ import annotations

import os
import random
import struct
import tempfile
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fuzzing
import google_crc32c
import tensorflow as tf

import sparktf
from sparktf.records.files import find_files
from sparktf.records.frames import read_records
from sparktf.storage.file_systems import LocalFiles

SCHEMA = {"x": tf.io.FixedLenFeature([], tf.int64), "s": tf.io.FixedLenFeature([], tf.string)}
NAMES = ("f", "f.tfrecord", "f.gz", "f.tfrecord.zlib", "ä %41[b] {c}*", "k=1.5 ü.gz", "f.deflate")


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def example(x: int, s: bytes) -> bytes:
    message = tf.train.Example()
    message.features.feature["x"].int64_list.value.append(x)
    message.features.feature["s"].bytes_list.value.append(s)
    return message.SerializeToString()


def compress(content: bytes, codec: str) -> bytes:
    if codec == "none":
        return content
    level = zlib.compressobj(wbits=31 if codec == "gzip" else 15)
    return level.compress(content) + level.flush()


def made(source: random.Random) -> tuple[str, bytes]:
    """The name and the content of a file."""
    records = [
        example(i, source.randbytes(source.choice((0, 5, 300)))) for i in range(source.randrange(6))
    ]
    plain = b"".join(map(frame, records))
    codec = source.choice(("none", "gzip", "zlib"))
    cuts = sorted(source.randrange(len(plain) + 1) for _ in range(source.choice((0, 0, 1, 3))))
    members = [plain[a:b] for a, b in zip([0, *cuts], [*cuts, len(plain)], strict=True)]
    if source.random() < 0.3:
        members.insert(source.randrange(len(members) + 1), b"")
    content = bytearray(b"".join(compress(member, codec) for member in members))
    for _ in range(source.choice((0, 1, 1, 2))):
        kind = source.choice(("cut", "flip", "zeros", "trail", "member", "insert"))
        if kind == "cut":
            del content[source.randrange(len(content) + 1) :]
        elif kind == "flip" and content:
            content[source.randrange(len(content))] ^= 1 << source.randrange(8)
        elif kind == "zeros":
            content += bytes(source.choice((1, 3, 12, 100)))
        elif kind == "trail":
            content += source.randbytes(source.choice((1, 2, 20)))
        elif kind == "member":
            content += compress(
                frame(example(77, b"more")), source.choice(("none", "gzip", "zlib"))
            )
        elif kind == "insert":
            place = source.randrange(len(content) + 1)
            content[place:place] = source.randbytes(1)
    return source.choice(NAMES), bytes(content)


def expected(name: str, content: bytes) -> list[bytes] | None:
    """The records, or None where the file is damaged, by the definitions of the formats."""
    if not content:
        return []
    if not (len(content) >= 12 and masked(content[:8]) == content[8:12]):
        codec = {".gz": "gzip", ".zlib": "zlib", ".deflate": "zlib"}.get(Path(name).suffix)
        start = int.from_bytes(content[:2], "big")
        if start == 0x1F8B:
            codec = "gzip"
        elif start & 0x8F20 == 0x0800 and start % 31 == 0:
            codec = "zlib"
        if codec:
            inflated = inflate(content, codec)
            if inflated is None:
                return None
            content = inflated
    records = []
    while content:
        end = 12 + int.from_bytes(content[:8], "little")
        is_whole = len(content) >= end + 4 and masked(content[:8]) == content[8:12]
        if not is_whole or masked(content[12:end]) != content[end : end + 4]:
            return None
        records.append(content[12:end])
        content = content[end + 4 :]
    return records


def inflate(content: bytes, codec: str) -> bytes | None:
    pieces = []
    while content:
        if codec == "gzip" and pieces and not content.strip(b"\0"):
            break
        stream = zlib.decompressobj(31 if codec == "gzip" else 15)
        try:
            pieces.append(stream.decompress(content))
        except zlib.error:
            return None
        if not stream.eof:
            return None
        content = stream.unused_data
    return b"".join(pieces)


def by_dataset(path: Path) -> list[bytes]:
    batches = sparktf.dataset(path, schema=SCHEMA, batch_size=2)
    return [
        example(x, s)
        for batch in batches.as_numpy_iterator()
        for x, s in zip(batch["x"].tolist(), batch["s"].tolist(), strict=True)
    ]


def by_command(path: Path) -> list[bytes]:
    (file,) = find_files(path, "auto", LocalFiles())
    return [record for _, record in read_records(file.path, file.compression)]


def check(seed: int, folder: Path) -> None:
    """
    Raises:
        AssertionError: A reader does something else.
    """
    name, content = made(random.Random(seed))
    path = folder / name
    path.write_bytes(content)
    wanted = expected(name, content)
    for read in (by_dataset, by_command):
        try:
            found = read(path)
        except (ValueError, tf.errors.OpError) as error:
            assert wanted is not None or name in str(error), f"{seed}: no file in {error}"
            found = None
        assert found == wanted, f"seed {seed}, {read.__name__}: {found}, and not {wanted}"
    path.unlink()


def main() -> None:
    seeds = fuzzing.seeds(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            check(seed, Path(folder))


if __name__ == "__main__":
    main()

"""Batches of the serialized records of a file, as a `tf.data.Dataset` that loses none in silence.

TensorFlow's own record reader takes for the end of a file what is none: a file that is cut inside
of a frame's header, a gzip stream without its end, an empty member of a gzip file, a second zlib
stream. So the bytes of all records are added up while they pass, and have to be those that the file
was listed with. And its errors tell an offset but no file; here each one names the file.
"""

from __future__ import annotations

import contextlib
import shlex
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from sparktf.records.compression import masked_crc32c
from sparktf.records.files import RecordFile
from sparktf.records.frames import FRAME_BYTES, HEADER, filled
from sparktf.records.inflating import Inflated, InflateError

if TYPE_CHECKING:
    import tensorflow as tf

# What is inflated at once and handed to TensorFlow, unless a record is longer.
_PIECE: Final = 2 << 20
_RECORDS_AT_ONCE: Final = 16


def records(file: RecordFile) -> Iterator[bytes]:
    """The records of a file, one by one.

    Raises:
        tf.errors.DataLossError: It cannot be read to its end.
    """
    import tensorflow as tf

    parts: Iterable[tuple[str, int, str]]
    if file.compression:
        parts = _pieces(file.path.encode(), file.compression.encode(), file.size)
    else:
        parts = [(file.path, file.size, _not_whole(file.path, f"its {file.size} bytes"))]
    for path, size, complaint in parts:
        dataset: Any = tf.data.TFRecordDataset(path).batch(_RECORDS_AT_ONCE)
        try:
            for batch in dataset.as_numpy_iterator():
                yield from batch
                size -= sum(map(len, batch)) + FRAME_BYTES * len(batch)
        except tf.errors.DataLossError as e:
            raise tf.errors.DataLossError(e.node_def, e.op, complaint) from None
        if size != 0:
            raise tf.errors.DataLossError(None, None, complaint)


def columns(files: Sequence[RecordFile]) -> tuple[Any, ...]:
    """The files as tensors: what `batches` takes of each."""
    import tensorflow as tf

    return (
        tf.constant([file.path for file in files], tf.string),
        tf.constant([file.compression for file in files], tf.string),
        tf.constant([file.size for file in files], tf.int64),
        tf.constant([_not_whole(file.path, f"its {file.size} bytes") for file in files], tf.string),
    )


def batches(
    path: Any,
    compression: Any,
    size: Any,
    complaint: Any,
    *,
    batch: int,
    to_element: Callable[[Any], Any],
    any_compressed: bool,
) -> tf.data.Dataset:
    """For up to `batch` records at a time True and an element; False and one of none at the end.

    `read_only` leaves out the ends: once for all files, for a function costs a file some time.

    Args:
        path, compression, size, complaint: Of the file, each a scalar of those of `columns`.
        batch: How many records are in an element, but for the last ones of a file, or of a piece
            of some megabytes of a compressed one.
        to_element: Makes it of `[n]` strings, which may be none.
        any_compressed: Whether one of the files is compressed. Where none is, the dataset has
            nothing of Python in it.
    """
    import tensorflow as tf

    def plain(path: Any, size: Any, complaint: Any) -> tf.data.Dataset:
        return _checked(path, size, complaint, batch, to_element)

    if not any_compressed:
        return plain(path, size, complaint)
    is_plain = tf.equal(compression, "")
    itself = tf.data.Dataset.from_tensors((path, size, complaint))
    pieces = tf.data.Dataset.from_generator(
        _pieces,
        args=(path, compression, size),
        output_signature=(
            tf.TensorSpec([], tf.string),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([], tf.string),
        ),
    )
    # Of a dataset of which none is taken nothing is made.
    either = itself.take(tf.cast(is_plain, tf.int64)).concatenate(
        pieces.take(tf.cast(is_plain, tf.int64) - 1)
    )
    return either.flat_map(plain)


def read_only(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The elements of what was read."""
    # Both only hand on what they are given, for which tf.data calls no function.
    read = batches.filter(lambda is_read, _: is_read)
    return read.map(lambda _, element: element)


def _checked(
    path: Any, size: Any, complaint: Any, batch: int, to_element: Callable[[Any], Any]
) -> tf.data.Dataset:
    import tensorflow as tf

    # An error of TensorFlow's ends the file, whose bytes then are not all there. Opening a file
    # that is gone would be tried without end, but these do end.
    is_read = tf.data.Dataset.from_tensors(True).repeat(size // (FRAME_BYTES * batch) + 2)
    records = tf.data.TFRecordDataset(path).batch(batch)
    read = tf.data.Dataset.zip((is_read, records)).ignore_errors(log_warning=True)
    end = tf.data.Dataset.from_tensors((False, tf.zeros([0], tf.string)))

    def check(before: Any, chunk: Any) -> tuple[Any, Any]:
        is_read, records = chunk
        lengths = tf.cast(tf.strings.length(records), tf.int64)
        passed = before + tf.reduce_sum(lengths + FRAME_BYTES)
        is_right = tf.logical_or(is_read, tf.equal(passed, size))
        # It has an effect, so it runs, and what it raises is raised.
        tf.raw_ops.Assert(condition=is_right, data=[complaint])
        return passed, (is_read, to_element(records))

    return read.concatenate(end).scan(tf.constant(0, tf.int64), check)


def _not_whole(path: str, what: str) -> str:
    return (
        f"{path} is damaged, cut off or was changed since it was listed: not all of {what} could "
        f"be read as records. `sparktf verify {shlex.quote(path)}` finds the place"
    )


def _pieces(path: bytes, compression: bytes, size: int) -> Iterator[tuple[str, int, str]]:
    """The contents of a compressed file in pieces of whole records: files of TensorFlow's memory.

    Each one's path, size and what is to be said if it cannot be read to its end. What is wrong with
    the compressed file itself is a piece that cannot, and so is a file that has not the bytes that
    it was listed with: a member that is there no more, or is new, leaves a whole stream.
    """
    import tensorflow as tf

    name = path.decode()
    with tf.io.gfile.GFile(name, "rb") as file:
        inflated = Inflated(file, gzip=compression == b"GZIP")
        buffer, offset, needed = b"", 0, 1
        while True:
            wanted = max(_PIECE, needed)
            try:
                buffer = filled(inflated, buffer, wanted)
            except InflateError as error:
                with _in_memory(b"") as nothing:
                    yield nothing, 1, f"{name}: {error}, behind byte {offset} of what it holds"
                return
            end, needed = _whole_frames(buffer)
            if end:
                what = f"bytes {offset} to {offset + end} of what it holds"
                with _in_memory(buffer[:end]) as piece:
                    yield piece, end, _not_whole(name, what)
            elif not buffer:
                if file.tell() != size:
                    with _in_memory(b"") as nothing:
                        yield nothing, 1, _not_whole(name, f"its {size} bytes")
                return
            elif needed == 0 or len(buffer) < wanted:
                with _in_memory(b"") as nothing:
                    yield nothing, 1, _not_whole(name, f"what it holds behind byte {offset}")
                return
            buffer, offset = buffer[end:], offset + end


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The path of a file that holds so much, in TensorFlow's own memory."""
    import tensorflow as tf

    path = f"ram://sparktf-{uuid.uuid4().hex}"
    with tf.io.gfile.GFile(path, "wb") as written:
        written.write(content)
    try:
        yield path
    finally:
        tf.io.gfile.remove(path)


def _whole_frames(buffer: bytes) -> tuple[int, int]:
    """Where the last whole frame ends, and how many bytes the one behind it needs.

    That is none where its header is damaged. The checksums of the others TensorFlow compares.
    """
    end, size = 0, len(buffer)
    unpack = HEADER.unpack_from
    while end + HEADER.size <= size:
        length, checksum = unpack(buffer, end)
        if end + FRAME_BYTES + length > size:
            is_damaged = masked_crc32c(buffer[end : end + 8]) != checksum
            return end, 0 if is_damaged else FRAME_BYTES + length
        end += FRAME_BYTES + length
    return end, HEADER.size

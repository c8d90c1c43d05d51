"""TFRecord files read without TensorFlow: their frames and checksums, and where they are damaged.

A frame is a length (uint64), its masked CRC-32C, that many bytes and their masked CRC-32C, all
little-endian: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from sparktf.records import native
from sparktf.records.compression import masked_crc32c
from sparktf.records.inflating import Inflated, InflateError, Source

# Read at once. What a corrupt length asks for is never allocated: lengths have a checksum.
_BLOCK: Final = 1 << 20
# What a frame has before the record, its length and the checksum of that, and in all beside it.
HEADER: Final = struct.Struct("<QI")
_CHECKSUM: Final = struct.Struct("<I")
CHECKSUM_BYTES: Final = _CHECKSUM.size
FRAME_BYTES: Final = HEADER.size + CHECKSUM_BYTES


class DamagedFileError(ValueError):
    """A file that is no TFRecord file from a certain byte on.

    Attributes:
        path: The file.
        offset: Of the frame that is damaged, in the contents as they are when inflated.
        problem: What is wrong there.
    """

    def __init__(self, path: str, offset: int, problem: str) -> None:
        super().__init__(f"{path}: damaged at byte {offset}: {problem}")
        self.path, self.offset, self.problem = path, offset, problem


class NoRecordsError(DamagedFileError):
    """A file that is something else from its first byte on."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(path, 0, found)
        folder = path.rpartition("/")[0]
        self.args = (
            f"{path} is no TFRecord file: {found}. A file that lies beside the records is left out "
            f"by a glob, such as {folder}{'/' * bool(folder)}*.tfrecord*",
        )


class Frame(NamedTuple):
    """A frame whose length is what it says.

    Attributes:
        offset: Of its first byte, in the contents as they are when inflated.
        record: What is in it.
        is_whole: Whether the record's checksum fits it.
    """

    offset: int
    record: bytes
    is_whole: bool

    def damage(self, path: str) -> DamagedFileError:
        length = len(self.record)
        return DamagedFileError(
            path, self.offset, f"the checksum of a record of {length} bytes does not fit it"
        )


def read_records(
    path: str,
    compression: str = "",
    on_read: Callable[[int], object] | None = None,
    file: BinaryIO | None = None,
    size: int | None = None,
) -> Iterator[tuple[int, bytes]]:
    """The offset of each frame of a file, and the record in it. Both checksums are compared.

    Args:
        path: A file of this machine, or the name of `file`.
        compression: TensorFlow's name of it: "", "GZIP" or "ZLIB".
        on_read: Called with the number of bytes of each piece that was read of the file.
        file: The file, where it is open.
        size: The number of its bytes, where it is known.

    Raises:
        DamagedFileError: A checksum differs, the file ends inside of a frame, or it cannot be
            inflated.
    """
    for frame in read_frames(path, compression, on_read, file, size):
        if not frame.is_whole:
            raise frame.damage(path)
        yield frame.offset, frame.record


def read_frames(
    path: str,
    compression: str = "",
    on_read: Callable[[int], object] | None = None,
    file: BinaryIO | None = None,
    size: int | None = None,
) -> Iterator[Frame]:
    """The same with the frames whose records are damaged: a length has a checksum of its own.

    Raises:
        DamagedFileError: The checksum of a length differs, the file ends inside of a frame, or it
            cannot be inflated.
    """
    with Path(path).open("rb", buffering=0) if file is None else file as opened:
        source: Source = _Counted(opened, on_read)
        if compression:
            source, size = Inflated(source, gzip=compression == "GZIP"), None
        elif file is None:
            size = os.fstat(opened.fileno()).st_size
        yield from _frames(source, path, size)


def check_beginning(path: str, head: bytes, size: int | None) -> None:
    """That a file may be one of records, by its first 12 bytes (fewer where it has fewer).

    Args:
        path: The file's name.
        head: Its first bytes, as they are when inflated.
        size: How many bytes it has, where that is known.

    Raises:
        NoRecordsError: It is none.
    """
    if not head:
        return
    if len(head) < HEADER.size:
        raise NoRecordsError(
            path,
            f"it has {len(head)} bytes, and a record's header has {HEADER.size} (which may "
            "have been cut off)",
        )
    length, checksum = HEADER.unpack(head)
    # Text, read as a length, is far more than any file has.
    is_possible = size is not None and length + FRAME_BYTES <= size
    if not is_possible and masked_crc32c(head[:8]) != checksum:
        raise NoRecordsError(
            path,
            f"its first {HEADER.size} bytes are no record's length and the checksum of it (which "
            "may have been damaged)",
        )


def masked_checksum() -> Callable[[bytes], int]:
    """What computes TFRecord's checksum, at the memory's speed where the library of native/ or
    Google's package is there."""
    found = native.library()
    if found is not None:
        return found.masked_crc32c
    try:
        from google_crc32c import value
    except ImportError:
        return masked_crc32c

    def masked(data: bytes) -> int:
        crc: int = value(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    return masked


def _frames(source: Source, path: str, size: int | None) -> Iterator[Frame]:
    checksum_of = masked_checksum()
    buffer, position, start = b"", 0, 0  # `start` is the offset of the buffer's first byte
    needed = HEADER.size  # bytes from `position` on
    while True:
        if len(buffer) - position < needed:
            start += position
            try:
                buffer, position = filled(source, buffer[position:], needed), 0
            except InflateError as error:
                raise DamagedFileError(path, start, str(error)) from None
            if start == 0:
                check_beginning(path, buffer[: HEADER.size], size)
            if not buffer:
                return
            if len(buffer) < needed:
                raise cut_off(path, start, needed - len(buffer), needed == HEADER.size)
        length, checksum = HEADER.unpack_from(buffer, position)
        if checksum_of(buffer[position : position + 8]) != checksum:
            raise bad_length(path, start + position)
        needed = FRAME_BYTES + length
        if len(buffer) - position < needed:
            continue
        end = position + needed - _CHECKSUM.size
        record = buffer[position + HEADER.size : end]
        is_whole = checksum_of(record) == _CHECKSUM.unpack_from(buffer, end)[0]
        yield Frame(start + position, record, is_whole)
        position += needed
        needed = HEADER.size


def filled(source: Source, begun: bytes, needed: int) -> bytes:
    """What has begun with so many bytes at least, fewer where the source ends.

    Raises:
        InflateError: As the source does.
    """
    pieces = [begun]
    missing = needed - len(begun)
    while missing > 0 and (piece := source.read(max(_BLOCK, min(missing, 64 * _BLOCK)))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def bad_length(path: str, offset: int) -> DamagedFileError:
    return DamagedFileError(path, offset, "the checksum of a record's length does not fit it")


def cut_off(path: str, offset: int, missing: int, in_header: bool) -> DamagedFileError:
    """What is wrong where a file ends inside of a frame that begins at `offset`."""
    where = " for its header" if in_header else ""
    return DamagedFileError(
        path, offset, f"the file ends inside of a frame, which needs {missing} bytes more{where}"
    )


class _Counted:
    def __init__(self, file: BinaryIO, on_read: Callable[[int], object] | None) -> None:
        self._file, self._on_read = file, on_read

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        if self._on_read is not None:
            self._on_read(len(piece))
        return piece

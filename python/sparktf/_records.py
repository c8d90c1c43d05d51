"""TFRecord files read without TensorFlow: their frames and checksums, and where they are damaged.

A frame is a length (uint64), its masked CRC-32C, that many bytes and their masked CRC-32C, all
little-endian: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import google_crc32c

# Read at once. What a corrupt length asks for is never allocated: lengths have a checksum.
_BLOCK: Final = 1 << 20
_HEADER: Final = struct.Struct("<QI")
_CHECKSUM: Final = struct.Struct("<I")
_FRAME_BYTES: Final = _HEADER.size + _CHECKSUM.size


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


class _Source(Protocol):
    def read(self, size: int) -> bytes:
        """Up to `size` bytes, and none at the end."""


def read_records(
    path: str, compression: str = "", on_read: Callable[[int], object] | None = None
) -> Iterator[tuple[int, bytes]]:
    """The offset of each frame of a file, and the record in it. Both checksums are compared.

    Args:
        path: A file of this machine.
        compression: TensorFlow's name of it: "", "GZIP" or "ZLIB".
        on_read: Called with the number of bytes of each piece that was read of the file.

    Raises:
        DamagedFileError: A checksum differs, the file ends inside of a frame, or it cannot be
            inflated.
    """
    with Path(path).open("rb", buffering=0) as file:
        source: _Source = _Counted(file, on_read)
        if compression:
            source = _Inflated(source, gzip=compression == "GZIP")
        yield from _frames(source, path)


def _frames(source: _Source, path: str) -> Iterator[tuple[int, bytes]]:
    crc32c = google_crc32c.value
    buffer, position, start = b"", 0, 0  # `start` is the offset of the buffer's first byte
    needed = _HEADER.size  # bytes from `position` on
    while True:
        if len(buffer) - position < needed:
            start += position
            buffer, position = _filled(source, buffer[position:], needed, path, start), 0
            if not buffer:
                return
        length, checksum = _HEADER.unpack_from(buffer, position)
        if crc32c(buffer[position : position + 8]) != _unmasked(checksum):
            raise DamagedFileError(
                path, start + position, "the checksum of a record's length does not fit it"
            )
        needed = _FRAME_BYTES + length
        if len(buffer) - position < needed:
            continue
        end = position + needed - _CHECKSUM.size
        record = buffer[position + _HEADER.size : end]
        if crc32c(record) != _unmasked(_CHECKSUM.unpack_from(buffer, end)[0]):
            raise DamagedFileError(
                path,
                start + position,
                f"the checksum of a record of {length} bytes does not fit it",
            )
        yield start + position, record
        position += needed
        needed = _HEADER.size


def _filled(source: _Source, begun: bytes, needed: int, path: str, offset: int) -> bytes:
    """At least so many bytes, of a frame at `offset` that has begun; none where a file ends.

    Raises:
        DamagedFileError: There are fewer, or they cannot be inflated.
    """
    pieces = [begun]
    missing = needed - len(begun)
    while missing > 0:
        try:
            piece = source.read(max(_BLOCK, min(missing, 64 * _BLOCK)))
        except _InflateError as error:
            raise DamagedFileError(path, offset, str(error)) from None
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    filled = b"".join(pieces)
    if filled and missing > 0:
        where = " for its header" if needed == _HEADER.size else ""
        raise DamagedFileError(
            path,
            offset,
            f"the file ends inside of a frame, which needs {missing} bytes more{where}",
        )
    return filled


def _unmasked(checksum: int) -> int:
    """The CRC-32C itself: the stored one is rotated by 15 bits, and has 0xa282ead8 added."""
    rotated = (checksum - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


class _Counted:
    def __init__(self, file: BinaryIO, on_read: Callable[[int], object] | None) -> None:
        self._file, self._on_read = file, on_read

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        if self._on_read is not None:
            self._on_read(len(piece))
        return piece


class _InflateError(Exception):
    pass


class _Inflated:
    """What a gzip or zlib file holds; gzip ones may have several members, one behind another."""

    def __init__(self, source: _Source, gzip: bool) -> None:
        self._source, self._gzip = source, gzip
        self._name = "gzip" if gzip else "zlib"
        self._inflate = self._new()
        self._rest = b""

    def _new(self) -> zlib._Decompress:
        return zlib.decompressobj(zlib.MAX_WBITS + (16 if self._gzip else 0))

    def read(self, size: int) -> bytes:
        while True:
            if self._inflate.eof and not self._begin_member():
                return b""
            if not self._rest:
                self._rest = self._source.read(_BLOCK // 4)
                if not self._rest:
                    raise _InflateError(f"the {self._name} stream is cut off")
            try:
                piece = self._inflate.decompress(self._rest, size)
            except zlib.error as error:
                raise _InflateError(f"the {self._name} stream is damaged: {error}") from None
            self._rest = self._inflate.unused_data or self._inflate.unconsumed_tail
            if piece:
                return piece

    def _begin_member(self) -> bool:
        """Whether there is another one."""
        while True:
            if self._gzip:
                self._rest = self._rest.lstrip(b"\0")  # padding, as of tapes
            if self._rest:
                break
            self._rest = self._source.read(_BLOCK // 4)
            if not self._rest:
                return False
        if not self._gzip:
            raise _InflateError("there are more bytes behind the end of the zlib stream")
        self._inflate = self._new()
        return True

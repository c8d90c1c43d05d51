"""What gzip and zlib files hold, by one rule for the command line and for `sparktf.dataset`."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

_BLOCK: Final = 256 << 10


class Source(Protocol):
    def read(self, size: int) -> bytes:
        """Up to `size` bytes, and none at the end."""


class InflateError(Exception):
    """What is wrong with a compressed stream."""


class Inflated:
    """What a gzip or zlib file holds.

    It may have several members (gzip) or streams (zlib), one behind another, empty ones among them.
    Zeros behind the last member of a gzip file up to its end are padding, as for gzip itself;
    anything else behind a member, and anything at all behind a zlib stream, is damage. A file of no
    bytes holds none.
    """

    def __init__(self, source: Source, gzip: bool) -> None:
        self._source, self._gzip = source, gzip
        self._name = "gzip" if gzip else "zlib"
        self._inflate: zlib._Decompress | None = None  # none between members
        self._rest = b""
        self._is_first = True

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, and none at the end.

        Raises:
            InflateError: The stream is cut off or damaged, or something else lies behind it.
        """
        while True:
            if self._inflate is None and not self._begin_member():
                return b""
            assert self._inflate is not None
            if not self._rest:
                self._rest = self._source.read(_BLOCK)
                if not self._rest:
                    raise InflateError(f"the {self._name} stream is cut off")
            try:
                piece = self._inflate.decompress(self._rest, size)
            except zlib.error as error:
                raise InflateError(f"the {self._name} stream is damaged: {error}") from None
            self._rest = self._inflate.unused_data or self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._inflate = None
            if piece:
                return piece

    def _begin_member(self) -> bool:
        """Whether there is another one."""
        if not self._fill(1):
            return False
        if self._gzip and self._rest[0] == 0 and not self._is_first:
            self._skip_padding()
            return False
        if not self._fill(2) or not self._looks_like_a_beginning():
            if self._is_first:
                raise InflateError(
                    f"it does not begin as a {self._name} stream, which its name or the option "
                    "`compression` says it is"
                )
            raise InflateError(f"there are other bytes behind the end of the {self._name} stream")
        self._is_first = False
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS + (16 if self._gzip else 0))
        return True

    def _looks_like_a_beginning(self) -> bool:
        first, second = self._rest[0], self._rest[1]
        if self._gzip:
            return (first, second) == (0x1F, 0x8B)
        return first & 0x0F == 8 and (first << 8 | second) % 31 == 0

    def _skip_padding(self) -> None:
        while self._rest:
            if self._rest.strip(b"\0"):
                raise InflateError(
                    "there are other bytes than zeros behind the end of the gzip stream"
                )
            self._rest = self._source.read(_BLOCK)

    def _fill(self, count: int) -> bool:
        """Whether so many bytes are there, which then are in `_rest`."""
        while len(self._rest) < count:
            more = self._source.read(_BLOCK)
            if not more:
                return False
            self._rest += more
        return True

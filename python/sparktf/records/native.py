"""The library of native/records.c: frames and messages at the memory's speed.

It is there for the platforms of native/build.py. Elsewhere, and with SPARKTF_NATIVE=0 in the
environment, `library()` is None, and Python and TensorFlow do the same, slower.
"""

from __future__ import annotations

import ctypes
import functools
import os
import pkgutil
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

_VERSION: Final = 1
_SYSTEMS: Final = {"Linux": ("linux", "libsparktf.so"), "Darwin": ("macos", "libsparktf.dylib")}
_MACHINES: Final = {"AMD64": "x86_64", "arm64": "aarch64"}

#: A record, wherever it lies, is so many int64: its address, its length, the offset of its frame in
#: its file's contents, and the file's number.
ADDRESS, LENGTH, OFFSET, FILE_NUMBER, RECORD = range(5)

#: How a column's rows are kept, see records.h.
DENSE, RAGGED, STEPS = range(3)

#: What is wrong with a row.
FINE, ODD, BAD_CHECKSUM, BAD_KIND, BAD_COUNT, NO_VALUE = range(6)

#: What is known of a row: its checksum is to be compared; protobuf wrote it.
CHECK, FINAL = 1, 2


class Column(ctypes.Structure):
    """`Column` of records.h."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            "name",
            "name_length",
            "is_list",
            "kind",
            "form",
            "width",
            "shape",
            "missing",
            "missing_content",
            "values",
            "values_size",
            "content",
            "content_size",
            "splits",
            "steps",
            "steps_size",
            "as_tensor",
            "values_used",
            "content_used",
            "steps_used",
            "row",
            "values_before",
            "content_before",
            "steps_before",
        )
    ]


class Problem(NamedTuple):
    """`Problem` of records.h: what is wrong with a row, and with which column of it.

    Attributes:
        found: The kind or the number of values that it has instead.
    """

    row: int
    column: int
    problem: int
    found: int


class Frames(NamedTuple):
    """The whole frames at the beginning of a buffer.

    Attributes:
        begins, lengths: Of the records in them, int64.
        consumed: Bytes of the frames.
        needed: Bytes of the frame that comes next, as far as is known; -1 if the checksum of its
            length differs.
    """

    begins: Any
    lengths: Any
    consumed: int
    needed: int


@functools.cache
def library() -> Library | None:
    """The library, where there is one for this platform."""
    if os.environ.get("SPARKTF_NATIVE") == "0":
        return None
    system, name = _SYSTEMS.get(platform.system(), ("", ""))
    machine = _MACHINES.get(platform.machine(), platform.machine())
    if system == "macos" and machine == "aarch64":
        machine = "arm64"
    try:
        return _load(f"native/{system}-{machine}/{name}") if name else None
    except OSError:  # there is none, or it is of another C library
        return None


def _load(name: str) -> Library:
    path = Path(__file__).resolve().parents[1] / name
    if path.exists():
        return Library(path)
    # In a zip, as Spark ships the package to its workers: what is loaded needs a file only then.
    content = pkgutil.get_data("sparktf", name)
    with tempfile.NamedTemporaryFile(suffix=path.suffix) as file:
        file.write(content or b"")
        file.flush()
        return Library(Path(file.name))


class Library:
    """Its functions, over NumPy's arrays; a checksum takes no NumPy.

    Args:
        path: The file.
        plain: Whether no instruction is used that a processor may lack.

    Raises:
        OSError: It cannot be loaded, or is of another version.
    """

    def __init__(self, path: Path, plain: bool = False) -> None:
        self.path = path
        self._c = ctypes.CDLL(str(path))
        self._c.sparktf_masked_crc.restype = ctypes.c_uint32
        for name in ("frames", "decode"):
            getattr(self._c, f"sparktf_{name}").restype = ctypes.c_int64
        if not self._c.sparktf_begin(_VERSION, int(plain)):
            raise OSError(f"{path} is of another version of sparktf")

    def masked_crc32c(self, data: bytes) -> int:
        """See `compression.masked_crc32c`."""
        return int(self._c.sparktf_masked_crc(data, ctypes.c_int64(len(data))))

    def frames(self, buffer: Any, most: int) -> Frames:
        """Those of a buffer of uint8, up to `most`."""
        import numpy as np

        begins, lengths = np.empty(most, np.int64), np.empty(most, np.int64)
        consumed, needed = ctypes.c_int64(), ctypes.c_int64()
        found = self._c.sparktf_frames(
            _pointer(buffer),
            ctypes.c_int64(buffer.size),
            ctypes.c_int64(most),
            _pointer(begins),
            _pointer(lengths),
            ctypes.byref(consumed),
            ctypes.byref(needed),
        )
        return Frames(begins[:found], lengths[:found], consumed.value, needed.value)

    def exchange(self, buffer: Any, coming: Any, draws: Any) -> Any:
        """The `draws[i]`-th records of a buffer, each of whose places the i-th coming takes.

        Args:
            buffer, coming: Records as rows, contiguous; there are as many draws as are coming.
            draws: int64.
        """
        import numpy as np

        drawn = np.empty_like(coming)
        self._c.sparktf_exchange(
            _pointer(buffer),
            _pointer(coming),
            _pointer(draws),
            ctypes.c_int64(len(draws)),
            _pointer(drawn),
        )
        return drawn

    def copy(self, addresses: Any, lengths: Any, into: Any) -> None:
        """Copies records, each with its checksum, one behind another, for which there is room."""
        self._c.sparktf_copy(
            _pointer(addresses), _pointer(lengths), ctypes.c_int64(len(lengths)), _pointer(into)
        )

    def index(self, columns: Any, table: Any) -> None:
        """Fills the int32 table by which columns are found."""
        self._c.sparktf_index(
            columns, ctypes.c_int64(len(columns)), _pointer(table), ctypes.c_int64(table.size)
        )

    def decode(
        self,
        addresses: Any,
        lengths: Any,
        flags: Any,
        columns: Any,
        table: Any,
        record_type: int,
    ) -> list[Problem]:
        """Decodes records into columns; the rows that have a problem, by their order."""
        import numpy as np

        rows = len(addresses)
        problems = np.empty((rows, len(Problem._fields)), np.int64)
        bad = self._c.sparktf_decode(
            _pointer(addresses),
            _pointer(lengths),
            _pointer(flags),
            ctypes.c_int64(rows),
            ctypes.c_int64(record_type),
            columns,
            ctypes.c_int64(len(columns)),
            _pointer(table),
            ctypes.c_int64(table.size),
            _pointer(problems),
            ctypes.c_int64(rows),
        )
        return [Problem(*problem) for problem in problems[:bad].tolist()]

    def register(self, functions: list[int], rewrite: Callable[[int, bytes], bytes | None]) -> int:
        """Makes the operation of native/tensorflow.c known to TensorFlow; 0 where it is.

        Args:
            functions: Addresses of TensorFlow's functions.
            rewrite: Gives a record of a type as protobuf writes it; None where it is no message.
        """

        def called(record_type: int, record: int, length: int, into: int) -> int:
            try:
                found = rewrite(record_type, ctypes.string_at(record, length))
            except BaseException:
                return 1  # it would be lost on its way; who looks for the reason will meet it
            if found is None:
                return 1
            self._c.sparktf_give(ctypes.c_void_p(into), found, ctypes.c_int64(len(found)))
            return 0

        table = (ctypes.c_void_p * len(functions))(*functions)
        self._rewrite = _REWRITE(called)  # lives as long as the library
        return int(self._c.sparktf_register(table, self._rewrite))


_REWRITE: Final = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
)


def address_of(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(address_of(array))

"""Records of any layout, whole and damaged, decoded by the library of native/ and by protobuf.

    make fuzz-records-python ARGS="--minutes 60"

Records end where memory that may not be read begins, and so do the columns that are written: who
reads or writes behind what there is does not come back from it.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import re

import fuzzing
import numpy as np

from sparktf.columns.arrays import Ragged
from sparktf.records import decoding, native
from sparktf.records.decoding import Decoder, Wanted
from sparktf.records.frames import masked_checksum
from sparktf.records.runs import Run

NAMES = ("a", "b", "ü", "long name of a feature, longer than a word", "n" * 200, "")
KINDS = ("bytes_list", "float_list", "int64_list")
FIELDS = {"bytes_list": 1, "float_list": 2, "int64_list": 3}

# ---------------------------------------------------------------- messages, by hand


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def sized(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def unknown(rng: random.Random) -> bytes:
    field = rng.choice([9, 15, 16, 2000])
    return rng.choice(
        [
            sized(field, rng.randbytes(rng.randrange(4))),
            varint(field << 3) + varint(rng.getrandbits(64)),
            varint(field << 3 | 5) + rng.randbytes(4),
            varint(field << 3 | 1) + rng.randbytes(8),
        ]
    )


def a_value(rng: random.Random, kind: str) -> bytes:
    if kind == "bytes_list":
        return rng.randbytes(rng.choice([0, 1, 5, 22, 23, 300]))
    if kind == "float_list":
        return rng.randbytes(4)
    return varint(rng.choice([0, 1, 127, 128, 1 << 20, -1, 2**63 - 1, -(2**63)]))


def a_list(rng: random.Random, kind: str, count: int, odd: bool) -> bytes:
    values = [a_value(rng, kind) for _ in range(count)]
    if kind == "bytes_list":
        return b"".join(sized(1, value) for value in values)
    parts = []
    while values:
        number = rng.randint(1, len(values)) if odd else len(values)
        some, values = values[:number], values[number:]
        if odd and rng.random() < 0.5:
            tag = varint(1 << 3 | (5 if kind == "float_list" else 0))
            parts.append(b"".join(tag + value for value in some))
        else:
            parts.append(sized(1, b"".join(some)))
    return b"".join(parts)


def a_feature(rng: random.Random, kind: str, count: int, odd: bool) -> bytes:
    if rng.random() < 0.05:
        return b""
    content = sized(FIELDS[kind], a_list(rng, kind, count, odd))
    if odd and rng.random() < 0.2:
        content += sized(FIELDS[kind], a_list(rng, kind, rng.randrange(3), odd))
    if odd and rng.random() < 0.2:
        content = unknown(rng) + content
    return content


def an_entry(rng: random.Random, name: str, value: bytes, odd: bool) -> bytes:
    parts = [sized(1, name.encode()), sized(2, value)]
    if odd and rng.random() < 0.3:
        parts.reverse()
    if odd and rng.random() < 0.2:
        parts.append(unknown(rng))
    if odd and rng.random() < 0.1:
        del parts[rng.randrange(len(parts))]
    return sized(1, b"".join(parts))


def a_record(rng: random.Random, columns: dict[str, tuple[str, int | None]], odd: bool) -> bytes:
    names = [name for name in columns if rng.random() < 0.95]
    if rng.random() < 0.3:
        rng.shuffle(names)
    if odd and names and rng.random() < 0.3:
        names.append(rng.choice(names))
    entries = []
    for name in names:
        kind, width = columns[name]
        if rng.random() < 0.02:
            kind = rng.choice(KINDS)
        count = rng.choice([0, 1, 2, 40]) if width is None or rng.random() < 0.02 else width
        entries.append(an_entry(rng, name, a_feature(rng, kind, count, odd), odd))
    if rng.random() < 0.3:
        kind = rng.choice(KINDS)
        entries.insert(
            rng.randrange(len(entries) + 1),
            an_entry(rng, "not wanted", a_feature(rng, kind, 2, odd), odd),
        )
    if odd and rng.random() < 0.2:
        cut = rng.randrange(len(entries) + 1)
        parts = [sized(1, b"".join(entries[:cut])), sized(1, b"".join(entries[cut:]))]
    else:
        parts = [sized(1, b"".join(entries))]
    if odd and rng.random() < 0.2:
        parts.insert(rng.randrange(2), unknown(rng))
    return b"".join(parts)


def steps_of(rng: random.Random, kind: str, odd: bool) -> bytes:
    count = rng.choice([0, 1, 3])
    return b"".join(sized(1, a_feature(rng, kind, rng.randrange(3), odd)) for _ in range(count))


def a_sequence(
    rng: random.Random, columns: dict[str, tuple[str, int | None]], lists: dict[str, str], odd: bool
) -> bytes:
    context = a_record(rng, columns, odd)
    entries = [an_entry(rng, name, steps_of(rng, kind, odd), odd) for name, kind in lists.items()]
    return context + (sized(2, b"".join(entries)) if rng.random() < 0.9 else b"")


def damaged(rng: random.Random, record: bytes) -> bytes:
    changed = bytearray(record)
    for _ in range(rng.choice([1, 1, 3])):
        if not changed:
            break
        place = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                del changed[place:]
            case 2:
                del changed[place]
            case _:
                changed[place : place + 1] = varint(rng.choice([2**31, 2**35, 2**63, 2**64 - 1]))
    return bytes(changed)


# ---------------------------------------------------------------- memory that ends


class Fence:
    """Memory behind which none may be read or written."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self._size = -(-max(size, 1) // page) * page
        self._map = mmap.mmap(-1, self._size + page)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.memory = np.frombuffer(self._map, np.uint8)[: self._size]
        c = ctypes.CDLL(None, use_errno=True)
        done = c.mprotect(ctypes.c_void_p(begin + self._size), ctypes.c_size_t(page), 0)
        assert done == 0, ctypes.get_errno()

    def last(self, size: int) -> np.ndarray:
        return self.memory[self._size - size : self._size]


_fences: dict[int, list[Fence]] = {}
_used: list[tuple[int, Fence]] = []


def fenced(size: int) -> np.ndarray:
    units = -(-max(size, 1) // 65536)
    known = _fences.setdefault(units, [])
    fence = known.pop() if known else Fence(units * 65536)
    _used.append((units, fence))
    return fence.last(size)


def release() -> None:
    while _used:
        units, fence = _used.pop()
        _fences[units].append(fence)


def fenced_array(size: int, dtype: object) -> np.ndarray:
    return fenced(size * np.dtype(dtype).itemsize).view(dtype)


# ---------------------------------------------------------------- compared


def run_of(records: list[bytes]) -> Run:
    checksum_of = masked_checksum()
    rows = np.zeros((len(records), native.RECORD), np.int64)
    buffers = []
    for row, record in enumerate(records):
        framed = record + checksum_of(record).to_bytes(4, "little")
        buffer = fenced(len(framed))
        buffer[:] = np.frombuffer(framed, np.uint8)
        buffers.append(buffer)
        rows[row, native.ADDRESS] = native.address_of(buffer)
        rows[row, native.LENGTH] = len(record)
        rows[row, native.OFFSET] = row
    return Run(rows, tuple(buffers))


def plain(column: object) -> object:
    if isinstance(column, Ragged):
        return ("ragged", plain(column.values), column.row_splits.tolist())
    if hasattr(column, "to_list"):
        return column.to_list()
    if column.dtype == np.float32:  # Python's floats know one NaN
        column = np.where(np.isnan(column), np.float32("nan"), column)
    return (column.dtype.name, column.tobytes())


def outcome(decode: object, run: Run) -> object:
    """The columns; or what is wrong, of several things any, with which record."""
    try:
        return [plain(column) for column in decode(run)]
    except ValueError as error:
        place = re.search(r"the record at byte [0-9]+ of file( is no tf.train)?", str(error))
        assert place is not None, error
        return place[0]


def check(seed: int) -> None:
    rng = random.Random(seed)
    names = rng.sample(NAMES, rng.randint(1, len(NAMES)))
    columns = {name: (rng.choice(KINDS), rng.choice([None, 0, 1, 1, 3])) for name in names}
    record_type = rng.choice(["Example", "Example", "SequenceExample"])
    lists = {name: rng.choice(KINDS) for name in ("x", "a list of a longer name")}
    wanted = []
    for name in rng.sample(names, rng.randint(1, len(names))):
        kind, width = columns[name]
        default = None
        if width is not None and rng.random() < 0.7:
            values = {"bytes_list": b"by default", "float_list": 2.5, "int64_list": -7}
            default = [values[kind]] * width
        wanted.append(Wanted(name, kind, width, default))
    if record_type == "SequenceExample":
        wanted += [Wanted(name, kind, steps=True) for name, kind in lists.items()]
    odd = rng.random() < 0.5
    records = [
        a_record(rng, columns, odd)
        if record_type == "Example"
        else a_sequence(rng, columns, lists, odd)
        for _ in range(rng.choice([1, 2, 30]))
    ]
    # What is the same in the next record is not read again.
    records = [
        records[rng.randrange(row + 1)] if rng.random() < 0.3 else records[row]
        for row in range(len(records))
    ]
    by_library = Decoder(wanted, ["file"], record_type)
    by_library._room = [[0.0, 0.0, 0.0] for _ in wanted]  # so that there never is any at first
    by_protobuf = Decoder(wanted, ["file"], record_type)._by_protobuf
    run = run_of(records)
    assert outcome(by_library, run) == outcome(by_protobuf, run), seed
    for row in range(len(records)):
        one = run_of([damaged(rng, records[row])])
        expected, found = outcome(by_protobuf, one), outcome(by_library, one)
        # Protobuf looks into features that nobody wants, too.
        is_no_message = isinstance(expected, str) and "is no" in expected
        assert found == expected or is_no_message, (seed, row)
    release()


def main() -> None:
    decoding._new_array = fenced_array
    for seed in fuzzing.seeds(__doc__ or ""):
        check(seed)


if __name__ == "__main__":
    main()

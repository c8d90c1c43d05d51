"""How many records there are: by the files' headers, or by a sample that has seen them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from sparktf.extras import require
from sparktf.records.files import PathLike, find_files
from sparktf.storage.file_systems import LocalFiles

if TYPE_CHECKING:
    from sparktf.data.plans import Plan
    from sparktf.records.files import RecordFile

__all__ = ["count"]

# Files read at once.
_READS: Final = 8


def count(path: PathLike | Sequence[PathLike], *, compression: str = "auto") -> int:
    """The number of records in TFRecord files.

        steps = sparktf.count("/data/digits/split=train") // 128

    It goes from header to header, whose checksums it compares; records themselves are not looked
    at, but for what it takes to read or inflate the files. A table of Spark's counts alike.

    Args:
        path, compression: As in `sparktf.dataset`.

    Raises:
        FileNotFoundError: No file is there; the message tells what was looked for.
        ValueError: A path or a compression that cannot be read.
        DamagedFileError: A file is damaged, or shorter than it was when it was listed; it is a
            ValueError, which names file and place.
    """
    require("sparktf.count", "numpy", extras=["batches"])
    from sparktf.data.reading import blocks_of

    system = LocalFiles()
    files = find_files(path, compression, system)

    def records_in(numbered: tuple[int, RecordFile]) -> int:
        number, file = numbered
        return sum(len(run) for run in blocks_of(file, number, system.open))

    with ThreadPoolExecutor(min(_READS, len(files)), "sparktf-count") as threads:
        return sum(threads.map(records_in, enumerate(files)))


def batches_of(plan: Plan, files: Sequence[RecordFile], records: Mapping[str, int]) -> int | None:
    """How many batches a plan has; None where the number of a file's records is not known.

    Args:
        plan: With an end.
        files: All files.
        records: Path -> the number of its records.
    """
    assert plan.epochs is not None
    total = 0
    for number in plan.files:
        found = records.get(files[number].path)
        if found is None:
            return None
        if plan.record_shard is None:
            total += found
        else:
            index, shards = plan.record_shard
            total += len(range((index - number) % shards, found, shards))
    batches, rest = divmod(plan.epochs * total, plan.batch_size)
    return batches + (rest > 0 and not plan.drop_remainder)

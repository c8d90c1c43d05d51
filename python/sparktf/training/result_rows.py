"""What comes back of a run from Spark's tasks, as the rows of a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sparktf.training.messages import ALL_ENDED, AllEnded
from sparktf.training.outcomes import Outcome, Results

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Row

# A worker's value in parts, from 0; and of rank 0 one more part, with all outcomes.
SCHEMA = "rank int, part int, content binary"
_OUTCOMES = -1
_PART_BYTES = 4 << 20


def of_worker(rank: int, outcomes: tuple[Outcome, ...], value: bytes) -> Iterator[pa.RecordBatch]:
    """The rows that a worker's task gives."""
    if rank == 0:
        yield _row(rank, _OUTCOMES, ALL_ENDED.encode(AllEnded(outcomes)))
    for part, start in enumerate(range(0, len(value), _PART_BYTES)):
        yield _row(rank, part, value[start : start + _PART_BYTES])


def _row(rank: int, part: int, content: bytes) -> pa.RecordBatch:
    import pyarrow as pa

    values = [pa.array([rank], pa.int32()), pa.array([part], pa.int32()), pa.array([content])]
    return pa.RecordBatch.from_arrays(values, ["rank", "part", "content"])


def joined(rows: Iterable[Row], size: int) -> Results:
    """The results from all workers' rows, in whatever order; without outcomes if there are none."""
    outcomes: tuple[Outcome, ...] = ()
    parts: list[dict[int, bytes]] = [{} for _ in range(size)]
    for row in rows:
        if row.part == _OUTCOMES:
            outcomes = ALL_ENDED.decode(bytes(row.content)).outcomes
        else:
            parts[row.rank][row.part] = bytes(row.content)
    return Results(outcomes, [b"".join(of_rank[n] for n in sorted(of_rank)) for of_rank in parts])

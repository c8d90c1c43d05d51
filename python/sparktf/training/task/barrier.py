"""What an executor runs for a worker: one barrier task."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sparktf.training.job import Job
from sparktf.training.spill import PLACE, Spill
from sparktf.training.task.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa

# Of the rows that `run` gives: part -1 of rank 0 has the outcomes, the others a worker's value.
SCHEMA = "rank int, part int, content binary"
_PART_BYTES = 4 << 20


def run(payload: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs a worker with the task's rows; gives what the driver is told, see `SCHEMA`."""
    from pyspark import BarrierTaskContext

    job: Job = pickle.loads(payload)
    context = BarrierTaskContext.get()
    rank = context.partitionId()
    infos = context.getTaskInfos()
    if len(infos) != job.size:
        raise RuntimeError(f"{len(infos)} tasks run where {job.size} should")
    host = infos[rank].address.rpartition(":")[0].strip("[]")
    resources = context.resources()
    gpus = list(resources["gpu"].addresses) if "gpu" in resources else []
    worker = Worker(job, rank, host, context.allGather, gpus)
    worker.ends_with_parent = True
    with contextlib.ExitStack() as stack:
        rows = None
        refused = ""
        coming: Iterable[pa.RecordBatch] = ()
        if job.columns is not None:
            names = [*job.columns, PLACE]
            coming = (batch.rename_columns(names) for batch in batches)
            try:
                rows = stack.enter_context(contextlib.closing(Spill()))
            except OSError as error:
                refused = str(error)
        worker.run(rows, coming, refused)
    if rank == 0:
        yield _row(rank, -1, pickle.dumps(worker.outcomes))
    if worker.result:
        for part, start in enumerate(range(0, len(worker.result), _PART_BYTES)):
            yield _row(rank, part, worker.result[start : start + _PART_BYTES])


def _row(rank: int, part: int, content: bytes) -> pa.RecordBatch:
    import pyarrow as pa

    values = [pa.array([rank], pa.int32()), pa.array([part], pa.int32()), pa.array([content])]
    return pa.RecordBatch.from_arrays(values, ["rank", "part", "content"])

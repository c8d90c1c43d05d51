"""A worker as a task of Spark's barrier stage: its rank, its GPUs and its rows are the task's."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sparktf.training import result_rows
from sparktf.training.job import Job
from sparktf.training.spill import PLACE, Spill
from sparktf.training.task.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa


def run(pickled_job: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs a worker with the task's rows; gives what the driver gets, see `result_rows`."""
    from pyspark import BarrierTaskContext

    job: Job = pickle.loads(pickled_job)
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
        spill = None
        refusal = ""
        named: Iterable[pa.RecordBatch] = ()
        if job.columns is not None:
            names = [*job.columns, PLACE]
            named = (batch.rename_columns(names) for batch in batches)
            try:
                spill = stack.enter_context(contextlib.closing(Spill()))
            except OSError as error:
                refusal = str(error)
        worker.run(spill, named, refusal)
    yield from result_rows.of_worker(rank, worker.outcomes, worker.value)

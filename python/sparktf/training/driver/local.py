"""The workers of a run as processes of the driver's machine: a thread here for each."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sparktf.training.driver.partitioning import repartition_evenly
from sparktf.training.job import Job
from sparktf.training.outcomes import Results
from sparktf.training.spill import PLACE, Spill
from sparktf.training.task.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_HOST = "127.0.0.1"


def run(job: Job, df: DataFrame | None) -> Results:
    """Runs a worker in each thread.

    Raises:
        OSError: The rows do not fit on the disk.
        ValueError: There are fewer GPUs than workers that are to have one.
    """
    gpus = _gpus(job.size) if job.use_gpu else []
    gather = _Gather(job.size)
    workers = [
        Worker(job, rank, _HOST, gather.of(rank), gpus[rank : rank + 1]) for rank in range(job.size)
    ]
    errors: list[BaseException] = []

    def work(worker: Worker, spill: Spill | None) -> None:
        try:
            worker.run(spill)
        except BaseException as error:
            errors.append(error)
            gather.abort()
            for other in workers:
                other.cancel()

    with contextlib.ExitStack() as stack:
        spills: list[Spill | None] = [None] * job.size
        if df is not None:
            spills = [
                stack.enter_context(contextlib.closing(spill)) for spill in _spills(df, job.size)
            ]
        threads = [
            threading.Thread(target=work, args=both, daemon=True)
            for both in zip(workers, spills, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # not for ever: an interrupt is to come through
        except BaseException:
            gather.abort()
            for worker in workers:
                worker.cancel()
            for thread in threads:
                thread.join(10)
            raise
    if errors:
        raise errors[0]
    return Results(workers[0].outcomes, [worker.value for worker in workers])


class _Gather:
    """Gives all workers' texts to each of them."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size)
        self._texts = [""] * size

    def of(self, rank: int) -> Callable[[str], list[str]]:
        def gather(text: str) -> list[str]:
            self._texts[rank] = text
            self._barrier.wait()
            texts = list(self._texts)
            self._barrier.wait()  # before the next round changes them
            return texts

        return gather

    def abort(self) -> None:
        self._barrier.abort()


def _spills(df: DataFrame, size: int) -> list[Spill]:
    """The rows of each worker, which pass through the driver a partition at a time."""

    # Ranks follow from the partitions, which the driver does not see.
    def serialize(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        rank = context.partitionId()
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            content = pa.array([sink.getvalue().to_pybytes()], pa.binary())
            yield pa.RecordBatch.from_arrays([pa.array([rank], pa.int32()), content], ["r", "c"])

    import pyarrow as pa

    def batches_of(rows: Iterable[Any]) -> Iterator[pa.RecordBatch]:
        for row in rows:
            with pa.ipc.open_stream(pa.py_buffer(bytes(row.c))) as reader:
                yield from (batch.rename_columns(names) for batch in reader)

    names = [*df.columns, PLACE]
    spills: dict[int, Spill] = {}
    try:
        rows = (
            repartition_evenly(df, size).mapInArrow(serialize, "r int, c binary").toLocalIterator()
        )
        for rank, own in itertools.groupby(rows, key=lambda row: row.r):
            spills[rank] = Spill.of(batches_of(own))
        return [spills.get(rank) or Spill.of([]) for rank in range(size)]
    except BaseException:
        for spill in spills.values():
            spill.close()
        raise


def _gpus(needed: int) -> list[str]:
    tool = shutil.which("nvidia-smi")
    gpus: list[str] = []
    if tool is not None:
        query = [tool, "--query-gpu=index", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False)
        gpus = done.stdout.split() if done.returncode == 0 else []
    if len(gpus) < needed:
        raise ValueError(f"{needed} processes need a GPU each, and nvidia-smi finds {len(gpus)}")
    return gpus

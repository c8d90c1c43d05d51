"""One worker: it starts a process, meets the others, lets the function begin, and brings the rows.

In a Spark task, or in a thread of the driver.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sparktf import quiet
from sparktf.training.job import Job
from sparktf.training.messages import (
    TASK_READY,
    Begin,
    Hello,
    RowsRefused,
    RowsWritten,
    TaskEvent,
    TaskReady,
)
from sparktf.training.outcomes import Outcome, cause, refusals
from sparktf.training.spill import DiskError, Spill
from sparktf.training.task.child import WorkerProcess
from sparktf.training.task.group import Coordinator, Member
from sparktf.training.task.progress import Sender
from sparktf.training.task.watch import Watch

if TYPE_CHECKING:
    import pyarrow as pa

# A port that was taken is chosen anew so often in all.
_PORT_ATTEMPTS = 3

Events = queue.Queue[TaskEvent]


class Worker:
    """One worker of a run, in a thread or process of its own.

    Args:
        job: The run.
        rank: From 0.
        host: Where the others reach this one.
        gather: Gives everyone's texts, by rank, to each who gives one; waits for all.
        gpus: Addresses of the GPUs that it may use.

    Attributes:
        outcomes: How all workers have ended, by rank.
        value: What the function has returned here, pickled; empty if it is not wanted.
        ends_with_parent: Whether this process must end with the one that started it, as Spark's
            tasks must.
    """

    def __init__(
        self,
        job: Job,
        rank: int,
        host: str,
        gather: Callable[[str], list[str]],
        gpus: list[str],
    ) -> None:
        self.job = job
        self.rank = rank
        self.host = host
        self._gather = gather
        self._gpus = gpus
        self.outcomes: tuple[Outcome, ...] = ()
        self.value = b""
        self.ends_with_parent = False
        self._parent = os.getppid()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Makes `run` end within a second; from another thread."""
        self._cancelled.set()

    def run(
        self, spill: Spill | None, batches: Iterable[pa.RecordBatch] = (), refusal: str = ""
    ) -> None:
        """Runs the function, here and with the other workers; sets `outcomes` and `value`.

        Args:
            spill: Gets this worker's rows, in a run that feeds them.
            batches: The rows that are not in it yet. They are added while the process starts;
                unless the run ends before.
            refusal: Why the run cannot begin here, or "".

        Raises:
            RuntimeError: Another worker's task is gone.
        """
        if self.job.use_gpu and not self._gpus:
            refusal = (
                "has no GPU from Spark: use_gpu=True needs spark.task.resource.gpu.amount, and "
                "executors whose discovery script finds GPUs"
            )
        remaining = iter(batches)
        for _ in range(_PORT_ATTEMPTS):
            self._run_once(spill, remaining, refusal)
            failure = cause(self.outcomes)
            if failure is None or failure.kind != "port":
                return

    def _run_once(
        self, spill: Spill | None, batches: Iterator[pa.RecordBatch], refusal: str
    ) -> None:
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(_reserved_port())
            coordinator = None
            if self.rank == 0:
                coordinator = Coordinator(self.job.size, self.job.token)
                stack.callback(coordinator.close)
            events: Events = queue.Queue()
            watcher = stack.enter_context(ThreadPoolExecutor(1))
            # Before the others are known: Spark takes a second for that, as Python does to begin.
            process = self._start_process(spill, events)
            stack.callback(process.kill)
            coordinator_port = coordinator.port if coordinator else None
            tasks = self._meet(
                TaskReady(self.host, port.getsockname()[1], coordinator_port, refusal)
            )
            if any(task.refusal for task in tasks):
                self.outcomes = refusals(
                    [task.refusal for task in tasks], [task.host for task in tasks]
                )
                return
            hello = Hello(self.job.token, self.rank, self.host)
            member = self._join(tasks[0], hello, events)
            stack.callback(member.close)
            epochs = Sender(self.job.progress_address if self.rank == 0 else None, hello)
            stack.callback(epochs.close)
            process.tell(self._begin(tasks, spill))
            watch = Watch(self.rank, self.host, process, member, epochs, events)
            watching = watcher.submit(watch.until_all_ended, self._check_wanted)
            if spill is not None:
                written = _write_rows(spill, batches, watching.done)
                if written is not None:
                    events.put(written)
            watching.result()
            self.outcomes, self.value = watch.outcomes, watch.value

    def _meet(self, ready: TaskReady) -> list[TaskReady]:
        """All tasks, by rank; waits for them."""
        texts = self._gather(TASK_READY.encode(ready).decode())
        return [TASK_READY.decode(text.encode()) for text in texts]

    def _join(self, chiefs_task: TaskReady, hello: Hello, events: Events) -> Member:
        host = chiefs_task.host if self.rank > 0 else "127.0.0.1"
        port = chiefs_task.coordinator_port
        assert port is not None
        try:
            return Member((host, port), hello, events.put)
        except OSError as error:
            raise RuntimeError(
                f"worker {self.rank} on {self.host} cannot reach worker 0's task at "
                f"{host}:{port}: {error}. Executors must be able to connect to each other, on any "
                "port"
            ) from error

    def _start_process(self, spill: Spill | None, events: Events) -> WorkerProcess:
        env = dict(os.environ)
        env.pop("TF_CONFIG", None)
        quiet.only_errors(env)
        if self.job.size > 1:
            # Lets TensorFlow's server have the port that is held for it here.
            env["TF_GRPC_REUSE_PORT"] = "1"
        env["CUDA_VISIBLE_DEVICES"] = ",".join(self._gpus[:1]) if self.job.use_gpu else ""
        # What Spark has sent to this Python, sparktf itself perhaps, is on its path.
        env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        env.update(self.job.env)
        return WorkerProcess(
            env,
            spill.file.fileno() if spill else None,
            events.put,
            f"[sparktf worker {self.rank}] " if self.job.logs else None,
        )

    def _begin(self, tasks: list[TaskReady], spill: Spill | None) -> Begin:
        return Begin(
            rank=self.rank,
            cluster=tuple(f"{task.host}:{task.port}" for task in tasks),
            attempt=self.job.attempt,
            seed=self.job.seed,
            spill=spill.file.fileno() if spill else None,
            wants_value=self.rank == 0 or self.job.all_results,
            function=self.job.function,
        )

    def _check_wanted(self) -> None:
        """Ends the watch over a process that nobody wants any more."""
        if self.ends_with_parent and os.getppid() != self._parent:
            os._exit(1)  # the executor is gone; the process goes with this one
        if self._cancelled.is_set():
            raise InterruptedError("the run was interrupted")


def _write_rows(
    spill: Spill, batches: Iterator[pa.RecordBatch], is_over: Callable[[], bool]
) -> RowsWritten | RowsRefused | None:
    """Adds the rows as they come; None if the run is over before all have."""
    try:
        for batch in batches:
            spill.add(batch)
            if is_over():
                return None
        spill.finish()
    except DiskError as error:
        return RowsRefused(error.strerror or str(error))
    return RowsWritten(spill.rows)


@contextlib.contextmanager
def _reserved_port() -> Iterator[socket.socket]:
    """A socket that keeps its port from all others but the process that is to have it.

    Linux and macOS let sockets of one user share a port if all of them ask for it, as TensorFlow's
    server does when it is told to; and this one does not listen.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("", 0))
        yield held

"""What one worker's Spark task does with its rows: a process with TensorFlow, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sparktf.training.driver.progress import Sender
from sparktf.training.job import Job
from sparktf.training.outcomes import Ending, Outcome, cause, refusals, without_rows
from sparktf.training.spill import DiskError, Spill
from sparktf.training.task.child import WorkerProcess
from sparktf.training.task.group import Coordinator, Member, Message

if TYPE_CHECKING:
    import pyarrow as pa

# A port that was taken is chosen anew so often in all.
_PORT_ATTEMPTS = 3

# A process whose function has returned stays for so long beside those that still run: they may
# fetch from it what they reduce together. If they wait for more than that, they learn by its end
# that it will not come.
_LINGER_SECONDS = 20.0

# From a process and from the other tasks: which of the two, a message, and bytes.
Events = queue.Queue[tuple[str, Message, bytes]]


class Worker:
    """One worker of a run, in a thread or process of its own.

    Args:
        job: The run.
        rank: From 0.
        host: Where the others reach this one.
        gather: Gives everyone's texts, by rank, to each who gives one; waits for all.
        gpus: Addresses of the GPUs that it may use.
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
        self.outcomes: list[Outcome] = []
        self.value = b""
        # Whether it must end with the process that started this one, as Spark's tasks must.
        self.ends_with_parent = False
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Makes `run` end within a second; from another thread."""
        self._cancelled.set()

    def run(
        self, rows: Spill | None, coming: Iterable[pa.RecordBatch] = (), refused: str = ""
    ) -> None:
        """Runs the function, here and with the other workers; sets `outcomes` and `value`.

        Args:
            rows: This worker's, in a run that feeds them.
            coming: What is still to be added to them. It is, while the process starts; unless the
                run ends before.
            refused: Why it cannot begin, if it cannot.

        Raises:
            RuntimeError: Another worker's task is gone.
        """
        if self.job.use_gpu and not self._gpus:
            refused = (
                "has no GPU from Spark: use_gpu=True needs spark.task.resource.gpu.amount, and "
                "executors whose discovery script finds GPUs"
            )
        remaining = iter(coming)
        for _ in range(_PORT_ATTEMPTS):
            self._run_once(rows, remaining, refused)
            failure = cause(self.outcomes)
            if failure is None or failure.kind != "port":
                return

    def _run_once(
        self, spill: Spill | None, coming: Iterator[pa.RecordBatch], refused: str
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
            process = self._start(spill, events)
            stack.callback(process.kill)
            told = {
                "host": self.host,
                "port": port.getsockname()[1],
                "coordinator": coordinator.port if coordinator else 0,
                "refused": refused,
            }
            members = [json.loads(text) for text in self._gather(json.dumps(told))]
            reasons = [m["refused"] for m in members]
            if any(reasons):
                self.outcomes = refusals(reasons, [m["host"] for m in members])
                return
            member = self._member(members[0], events)
            stack.callback(member.close)
            sender = Sender(self.job.progress_address if self.rank == 0 else None, self.job.token)
            stack.callback(sender.close)
            process.begin(self._what(members, spill))
            watching = watcher.submit(self._attend, process, member, sender, events)
            if spill is not None:
                events.put(("rows", _fill(spill, coming, watching.done), b""))
            watching.result()

    def _member(self, first: Message, events: Events) -> Member:
        host = first["host"] if self.rank > 0 else "127.0.0.1"

        def heard(message: Message | None) -> None:
            events.put(("group", {"gone": True} if message is None else message, b""))

        try:
            return Member((host, first["coordinator"]), self.rank, self.host, self.job.token, heard)
        except OSError as error:
            raise RuntimeError(
                f"worker {self.rank} on {self.host} cannot reach worker 0's task at "
                f"{host}:{first['coordinator']}: {error}. Executors must be able to connect to "
                "each other, on any port"
            ) from error

    def _start(self, spill: Spill | None, events: Events) -> WorkerProcess:
        env = dict(os.environ)
        env.pop("TF_CONFIG", None)
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
            lambda message, content: events.put(("process", message, content)),
            f"[sparktf worker {self.rank}] " if self.job.logs else None,
        )

    def _what(self, members: list[Message], spill: Spill | None) -> dict[str, Any]:
        """What the process is to do, see `process.run`."""
        cluster = [f"{m['host']}:{m['port']}" for m in members]
        task = {"type": "worker", "index": self.rank}
        config = json.dumps({"cluster": {"worker": cluster}, "task": task})
        return {
            "context": {
                "rank": self.rank,
                "size": self.job.size,
                "attempt": self.job.attempt,
                "cluster_spec": {"worker": cluster},
                "spill": spill.file.fileno() if spill else None,
                "seed": self.job.seed,
            },
            "env": {"TF_CONFIG": config} if self.job.size > 1 else {},
            "function": self.job.function,
            "wants_value": self.rank == 0 or self.job.all_results,
        }

    def _attend(
        self, process: WorkerProcess, member: Member, progress: Sender, events: Events
    ) -> None:
        """Watches over the process until all workers have ended."""
        outcome: Outcome | None = None
        leave_at = kill_at = float("inf")
        parent = os.getppid()

        def end(kind: Ending, **details: Any) -> None:
            nonlocal outcome
            if outcome is None:
                log = process.last_lines() if kind not in ("returned", "stopped") else ()
                outcome = Outcome(self.rank, self.host, kind, log=log, **details)
                member.tell({"outcome": asdict(outcome)})

        while True:
            source, message, content = _next(events, min(leave_at, kill_at))
            if self.ends_with_parent and os.getppid() != parent:
                os._exit(1)  # the executor is gone; the process goes with this one
            if self._cancelled.is_set():
                raise InterruptedError("the run was interrupted")
            if source == "process":
                if "state" in message:
                    member.tell(message)
                elif "progress" in message:
                    progress.send(message)
                elif "returned" in message:
                    self.value = content
                    end("returned")
                    leave_at = time.monotonic() + _LINGER_SECONDS
                elif "raised" in message:
                    process.kill()
                    details = {key: message[key] for key in ("error", "traceback", "exception")}
                    end(message["raised"], **details)
                else:
                    end("died", exit_code=message["exit"])
            elif source == "rows":
                if "refused" in message:
                    process.kill()
                    end("refused", error=message["refused"])
                else:
                    member.tell(message)
            elif source == "group" and "row_counts" in message:
                counts = message["row_counts"]
                if min(counts) > 0:
                    process.feed(counts)
                elif counts.index(0) == self.rank:
                    process.kill()
                    end("refused", error=without_rows(counts))
            elif source == "group":
                if "end" in message:
                    self.outcomes = [Outcome.of(found) for found in message["end"]]
                    return
                if "gone" in message:
                    raise RuntimeError(f"worker 0 lost its Spark task, so {self.rank} ends")
                if message["reason"]:
                    end("refused", error=message["reason"])
                kill_at = time.monotonic() + message["seconds"]
            now = time.monotonic()
            if now >= kill_at:
                kill_at = float("inf")
                process.kill()
                end("stopped")
            if now >= leave_at:
                leave_at = float("inf")
                process.leave()


def _next(events: Events, until: float) -> tuple[str, Message, bytes]:
    """The next event; an empty one after a second or at the time `until`."""
    try:
        return events.get(timeout=max(0.0, min(1.0, until - time.monotonic())))
    except queue.Empty:
        return "", {}, b""


def _fill(spill: Spill, coming: Iterator[pa.RecordBatch], is_over: Callable[[], bool]) -> Message:
    """Adds the rows that come, unless the run is over; gives what the others are told of them."""
    try:
        for batch in coming:
            spill.add(batch)
            if is_over():
                return {}
        spill.finish()
    except DiskError as error:
        return {"refused": error.strerror or str(error)}
    return {"rows": spill.rows}


@contextlib.contextmanager
def _reserved_port() -> Any:
    """A socket that keeps its port from all others but the process that is to have it.

    Linux and macOS let sockets of one user share a port if all of them ask for it, as TensorFlow's
    server does when it is told to; and this one does not listen.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("", 0))
        yield held

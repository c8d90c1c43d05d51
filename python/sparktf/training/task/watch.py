"""A task's watch over its process, from the function's begin until all workers have ended."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from sparktf.training.messages import (
    AllEnded,
    CoordinatorLost,
    Ended,
    EpochEnded,
    Leave,
    ProcessExited,
    Raised,
    Returned,
    RowCounts,
    RowsRefused,
    RowsWritten,
    Stop,
    StrategyState,
    TaskEvent,
)
from sparktf.training.outcomes import Ending, Outcome, without_rows
from sparktf.training.task.child import WorkerProcess
from sparktf.training.task.group import Member
from sparktf.training.task.progress import Sender

# A process whose function has returned stays for so long beside those that still run: they may
# fetch from it what they reduce together. If they wait for more than that, they learn by its end
# that it will not come.
_LINGER_SECONDS = 20.0

_NEVER = float("inf")


class Watch:
    """What one task does while its process runs.

    Args:
        rank: The worker's.
        host: The worker's.
        process: It is told what the coordinator tells, and killed when the run is over for it.
        member: Gets what the coordinator is to know.
        epochs: Gets the epochs.
        events: All that happens to the task.

    Attributes:
        value: What the function has returned, pickled.
        outcomes: Of all workers, once all have ended.
    """

    def __init__(
        self,
        rank: int,
        host: str,
        process: WorkerProcess,
        member: Member,
        epochs: Sender,
        events: queue.Queue[TaskEvent],
    ) -> None:
        self._rank = rank
        self._host = host
        self._process = process
        self._member = member
        self._epochs = epochs
        self._events = events
        self._outcome: Outcome | None = None
        self._leave_at = self._kill_at = _NEVER
        self.value = b""
        self.outcomes: tuple[Outcome, ...] = ()

    def until_all_ended(self, check: Callable[[], None]) -> None:
        """Returns when all workers have ended.

        Args:
            check: Called at least once a second; what it raises ends this.

        Raises:
            RuntimeError: The coordinator's task is gone.
        """
        while not self.outcomes:
            event = self._next_event()
            check()
            if event is not None:
                self._handle(event)
            self._keep_time()

    def _next_event(self) -> TaskEvent | None:
        """None after a second, or when something is to be done."""
        until = min(self._leave_at, self._kill_at) - time.monotonic()
        try:
            return self._events.get(timeout=max(0.0, min(1.0, until)))
        except queue.Empty:
            return None

    def _handle(self, event: TaskEvent) -> None:
        match event:
            case StrategyState() | RowsWritten():
                self._member.tell(event)
            case EpochEnded():
                self._epochs.send(event)
            case RowCounts(rows):
                if min(rows) > 0:
                    self._process.tell(event)
                elif rows.index(0) == self._rank:
                    self._process.kill()
                    self._end("refused", error=without_rows(rows))
            case RowsRefused(reason):
                self._process.kill()
                self._end("refused", error=reason)
            case Returned(value):
                self.value = value
                self._end("returned")
                self._leave_at = time.monotonic() + _LINGER_SECONDS
            case Raised(kind, error, traceback, exception):
                self._process.kill()
                self._end(kind, error, traceback, exception)
            case ProcessExited(exit_code):
                self._end("died", exit_code=exit_code)
            case Stop(reason, grace_seconds):
                if reason:
                    self._end("refused", error=reason)
                self._kill_at = time.monotonic() + grace_seconds
            case AllEnded(outcomes):
                self.outcomes = outcomes
            case CoordinatorLost():
                raise RuntimeError(f"worker 0 lost its Spark task, so {self._rank} ends")

    def _end(
        self,
        kind: Ending,
        error: str = "",
        traceback: str = "",
        exception: str = "",
        exit_code: int | None = None,
    ) -> None:
        """The worker has ended like this, unless it had ended before."""
        if self._outcome is None:
            log = self._process.last_lines() if kind not in ("returned", "stopped") else ()
            self._outcome = Outcome(
                self._rank, self._host, kind, error, traceback, exit_code, log, exception
            )
            self._member.tell(Ended(self._outcome))

    def _keep_time(self) -> None:
        now = time.monotonic()
        if now >= self._kill_at:
            self._kill_at = _NEVER
            self._process.kill()
            self._end("stopped")
        if now >= self._leave_at:
            self._leave_at = _NEVER
            self._process.tell(Leave())

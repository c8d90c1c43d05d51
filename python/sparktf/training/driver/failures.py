"""What the driver says, and does, when a training run has failed."""

from __future__ import annotations

import base64
import pickle
import re
import signal
from collections.abc import Sequence
from typing import Any

from sparktf.training.outcomes import Outcome

# What Spark says of a task that failed for no fault of its code: its process, its executor or its
# machine is gone. The last is this package's, of a worker whose peer has gone.
_LOST = (
    "ExecutorLostFailure",
    "Python worker exited unexpectedly",
    "Python worker process terminated due to idle timeout",
    "SparkContext was shut down",
    "FetchFailed",
    "Connection reset",
    "java.io.EOFException",
    "lost its Spark task",
)


# Of a barrier stage: its number, and the partition's, which is the rank.
_TASK = re.compile(r"(?:ResultTask|ShuffleMapTask)\(\d+, (\d+)\)")


class TrainingError(RuntimeError):
    """A training run that has failed; raised on the driver, where it can be caught.

    The message has the worker's rank and host, what happened to it (the traceback of an exception,
    or how its process ended), and the last 60 lines that it logged. ``__cause__`` is the
    exception that the function raised, where that can be pickled, or Spark's.

    Attributes:
        rank: The worker's, None where Spark did not tell.
        host: Where it ran, or "".
        exit_code: Of a process that died, negative for a signal; None for an exception.
        traceback: Of the exception that the user's function raised, or "".
        log: The worker's last lines.
        attempts: How often the run was tried.
    """

    def __init__(
        self,
        message: str,
        *,
        rank: int | None = None,
        host: str = "",
        exit_code: int | None = None,
        traceback: str = "",
        log: tuple[str, ...] = (),
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.rank = rank
        self.host = host
        self.exit_code = exit_code
        self.traceback = traceback
        self.log = log
        self.attempts = attempts


def of_worker(outcome: Outcome, outcomes: Sequence[Outcome], attempts: int) -> TrainingError:
    """The error for a worker's failure, which is the cause of the other workers' ends."""
    lines = [f"worker {outcome.rank} of {len(outcomes)} on {outcome.host} {_how_it_ended(outcome)}"]
    if attempts > 1:
        lines[0] += f" (attempt {attempts})"
    returned = [str(other.rank) for other in outcomes if other.kind == "returned"]
    if outcome.kind == "cut off":
        lines.append(
            (f"Worker {', '.join(returned)} had returned by then. " if returned else "")
            + "All workers must run the same operations, and as many steps (see "
            "ctx.steps_per_epoch); and their machines must reach each other"
        )
    if outcome.traceback:
        lines.append(outcome.traceback.rstrip())
    log = _before_traceback(outcome)
    if log:
        lines.append(
            f"The last {len(log)} lines that it logged{' before' * bool(outcome.traceback)}:"
        )
        lines += [f"  {line}" for line in log]
    error = TrainingError(
        "\n".join(lines),
        rank=outcome.rank,
        host=outcome.host,
        exit_code=outcome.exit_code,
        traceback=outcome.traceback,
        log=outcome.log,
        attempts=attempts,
    )
    error.__cause__ = _unpickled(outcome.exception)
    return error


def _before_traceback(outcome: Outcome) -> tuple[str, ...]:
    """The log's lines without the traceback that the process has ended it with."""
    written = outcome.traceback.rstrip("\n").split("\n")
    count = min(len(written), len(outcome.log))
    # Long lines are cut in the log.
    pairs = zip(written[-count:], outcome.log[-count:], strict=True)
    if count and outcome.traceback and all(logged in line for line, logged in pairs):
        return outcome.log[:-count]
    return outcome.log


def _how_it_ended(outcome: Outcome) -> str:
    if outcome.kind == "raised":
        return f"raised {outcome.error}"
    if outcome.kind == "cut off":
        return f"was cut off from the others: {outcome.error}"
    if outcome.kind == "died":
        code = outcome.exit_code
        if code is not None and code < 0:
            return f"was ended by the signal {_signal_name(-code)}"
        return f"ended with exit code {code}"
    return outcome.error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _unpickled(encoded: str) -> BaseException | None:
    if not encoded:
        return None
    try:
        exception: Any = pickle.loads(base64.b64decode(encoded))
    except Exception:  # of a class that the driver does not have
        return None
    return exception if isinstance(exception, BaseException) else None


def is_loss(error: BaseException) -> bool:
    """Whether Spark's error tells of a lost task, which another attempt may not lose."""
    text = str(error)
    return any(sign in text for sign in _LOST)


def of_spark(error: BaseException, size: int, attempts: int) -> TrainingError:
    """The error for a worker that Spark lost."""
    text = str(error)
    task = _TASK.search(text)
    rank = int(task[1]) if task else None
    who = "a worker" if rank is None else f"worker {rank} of {size}"
    lines = [line.strip() for line in text.splitlines()]
    signs = [line for line in lines if any(sign in line for sign in _LOST)]
    failure = TrainingError(
        f"{who} lost its Spark task, to something outside of its function"
        + (f" (attempt {attempts})" if attempts > 1 else "")
        + f": {signs[0] if signs else text}",
        rank=rank,
        attempts=attempts,
    )
    failure.__cause__ = error
    return failure

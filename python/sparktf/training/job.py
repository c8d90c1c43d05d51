"""What a training run is: sent from the driver to its workers, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Lines of a worker's log that go into the message of a failure.
LOG_LINES = 60


@dataclass(frozen=True)
class Job:
    """One attempt at a run.

    Attributes:
        function: `(fn, args, kwargs)`, pickled by cloudpickle.
        size: Number of workers.
        columns: Names of the DataFrame's whose rows the workers get; None in a run without one.
        use_gpu: Whether each worker has a GPU of its own.
        env: Environment variables of the workers' processes.
        attempt: From 0.
        seed: The same for all attempts, for shuffling that the user gives no seed.
        all_results: Whether every worker's value comes back; else only the chief's.
        token: A secret of this attempt: who knows it belongs to the run.
        logs: Whether the workers' output goes to the standard error of their tasks.
        progress: Where the driver listens for what the chief has to tell, if it does.
    """

    function: bytes = field(repr=False)
    size: int
    columns: tuple[str, ...] | None
    use_gpu: bool
    env: tuple[tuple[str, str], ...]
    attempt: int
    seed: int
    all_results: bool
    token: str = field(repr=False)
    logs: bool
    progress: tuple[str, int] | None


@dataclass(frozen=True)
class Outcome:
    """How one worker has ended.

    Attributes:
        rank: The worker's.
        host: Where it ran.
        kind: "returned"; "raised" (an exception of the user's function); "cut off" (an exception
            that tells of another worker's end); "died" (its process ended by itself or was
            killed); "port" (another process had taken its port); "lost" (its Spark task is gone);
            "refused" (it could not begin: no disk, no GPU, …); "stopped" (for another's sake).
        error: Name and text of the exception, or what has happened.
        traceback: The exception's.
        exit_code: Of the process, if it died; negative for a signal.
        log: The process's last lines.
        exception: The pickled exception, in base64, where it can be pickled.
    """

    rank: int
    host: str
    kind: str
    error: str = ""
    traceback: str = ""
    exit_code: int | None = None
    log: tuple[str, ...] = ()
    exception: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Outcome:
        """What `asdict` made a dictionary of, after it was JSON on its way."""
        return cls(**{**found, "log": tuple(found["log"])})

    @property
    def is_failure(self) -> bool:
        return self.kind not in ("returned", "stopped")


def without_rows(rows: Sequence[int]) -> str:
    """Why a run cannot go on in which a worker has no rows."""
    return (
        f"has no rows: {sum(rows):,} rows in all, of which the workers have "
        f"{', '.join(f'{n:,}' for n in rows)}. Every worker needs some: use fewer processes, or a "
        "DataFrame with more rows"
    )


def refusals(reasons: Sequence[str], hosts: Sequence[str]) -> list[Outcome]:
    """Outcomes of a run that cannot begin; `reasons` are why the workers refuse, or empty."""
    return [
        Outcome(rank, host, "refused" if reason else "stopped", reason)
        for rank, (reason, host) in enumerate(zip(reasons, hosts, strict=True))
    ]


# Which of several workers' ends was the cause of the others, the likeliest first.
_CAUSES = ("refused", "raised", "died", "port", "lost", "cut off")


def cause(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The failure that the others follow from; None if all have returned."""
    failures = [outcome for outcome in outcomes if outcome.is_failure]
    return min(failures, key=lambda o: (_CAUSES.index(o.kind), o.rank), default=None)

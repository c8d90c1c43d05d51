"""How the workers of a run have ended, which of the ends was the cause, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Ending: TypeAlias = Literal[
    "returned",
    "raised",  # an exception of the user's function
    "cut off",  # an exception that tells of another worker's end
    "died",  # the process ended by itself or was killed
    "port",  # another process had taken the worker's port
    "lost",  # the worker's Spark task is gone
    "refused",  # it could not begin: no disk, no GPU, …
    "stopped",  # for another worker's sake
]

# Which of several workers' ends was the cause of the others, the likeliest first.
_CAUSES: tuple[Ending, ...] = ("refused", "raised", "died", "port", "lost", "cut off")


@dataclass(frozen=True)
class Outcome:
    """How one worker has ended.

    Attributes:
        rank: The worker's.
        host: Where it ran.
        kind: In what way.
        error: Name and text of the exception, or what has happened.
        traceback: The exception's.
        exit_code: Of the process, if it died; negative for a signal.
        log: The process's last lines.
        exception: The pickled exception, in base64, where it can be pickled.
    """

    rank: int
    host: str
    kind: Ending
    error: str = ""
    traceback: str = ""
    exit_code: int | None = None
    log: tuple[str, ...] = ()
    exception: str = ""

    @property
    def is_failure(self) -> bool:
        return self.kind not in ("returned", "stopped")


@dataclass(frozen=True)
class Results:
    """What comes back of one attempt at a run.

    Attributes:
        outcomes: Of all workers, by rank.
        values: What their functions returned, by rank: pickled, or empty where it is not wanted.
    """

    outcomes: tuple[Outcome, ...]
    values: Sequence[bytes]


def cause(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The failure that the others follow from; None if all have returned."""
    failures = [outcome for outcome in outcomes if outcome.is_failure]
    return min(failures, key=lambda o: (_CAUSES.index(o.kind), o.rank), default=None)


def refusals(reasons: Sequence[str], hosts: Sequence[str]) -> tuple[Outcome, ...]:
    """Outcomes of a run that cannot begin; `reasons` are why the workers refuse, or empty."""
    return tuple(
        Outcome(rank, host, "refused" if reason else "stopped", reason)
        for rank, (reason, host) in enumerate(zip(reasons, hosts, strict=True))
    )


def without_rows(rows: Sequence[int]) -> str:
    """Why a run cannot go on in which a worker has no rows."""
    return (
        f"has no rows: {sum(rows):,} rows in all, of which the workers have "
        f"{', '.join(f'{n:,}' for n in rows)}. Every worker needs some: use fewer processes, or a "
        "DataFrame with more rows"
    )

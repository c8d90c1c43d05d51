"""What driver, tasks and processes tell each other, in the order of a run.

=========================== ====================== ==============================================
who tells whom              by                     what
=========================== ====================== ==============================================
each task all tasks         barrier's `allGather`  `TaskReady`
a task its process          standard input         `Begin`, `RowCounts`, `Leave`
a process its task          pipe                   `StrategyState`, `EpochEnded`, `Returned`,
                                                   `Raised`
a task the coordinator      TCP                    `Hello`; `StrategyState`, `RowsWritten`,
                                                   `Ended`
the coordinator the tasks   TCP                    `RowCounts`, `Stop`, `AllEnded`
the chief's task the driver TCP                    `Hello`; `EpochEnded`
the chief's task the driver row of a DataFrame     `AllEnded`
=========================== ====================== ==============================================

The coordinator is a server in the task of rank 0, which is the chief's. What the driver sends to
the tasks is in a module of its own, `job`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from sparktf.training.codec import Codec, Message
from sparktf.training.outcomes import Outcome

# ---- Between tasks, before the run


@dataclass(frozen=True)
class TaskReady(Message):
    """From each task to all tasks, when it is there.

    Attributes:
        host: Where the others reach it.
        port: Held for its process's TensorFlow server.
        coordinator_port: Of the coordinator, in the task of rank 0; None in the others.
        refusal: Why the run cannot begin there, or "".
    """

    host: str
    port: int
    coordinator_port: int | None
    refusal: str


@dataclass(frozen=True)
class Hello(Message):
    """The first on each TCP connection, from a task to the coordinator or to the driver.

    Attributes:
        token: The run's secret: what comes from who does not know it is dropped.
        rank: The task's.
        host: Where it runs.
    """

    token: str = field(repr=False)
    rank: int
    host: str


# ---- From a task to its process


@dataclass(frozen=True)
class Begin(Message):
    """Calls the function: the first to a process, when all tasks are ready.

    Attributes:
        rank: Of the worker.
        cluster: ``host:port`` of each worker's TensorFlow server, by rank.
        attempt: From 0.
        seed: For shuffling that the user gives no seed.
        spill: Descriptor of the file that gets the worker's rows; None in a run without a
            DataFrame.
        wants_value: Whether what the function returns is sent back.
        function: `(fn, args, kwargs)`, pickled by cloudpickle.
    """

    rank: int
    cluster: tuple[str, ...]
    attempt: int
    seed: int
    spill: int | None
    wants_value: bool
    function: bytes = field(repr=False)


@dataclass(frozen=True)
class RowCounts(Message):
    """From the coordinator to all tasks, and from each to its process: all rows are written.

    Attributes:
        rows: Of each worker, by rank.
    """

    rows: tuple[int, ...]


@dataclass(frozen=True)
class Leave(Message):
    """Lets a process whose function has returned end by itself."""


# ---- From a process to its task

# As text, what JSON has no number for.
EpochNumber: TypeAlias = int | float | str


@dataclass(frozen=True)
class StrategyState(Message):
    """From a process, by its task, to the coordinator: how far `ctx.strategy()` has come.

    Attributes:
        state: Whether the worker waits in it for all others, or has them.
    """

    state: Literal["joining", "joined"]


@dataclass(frozen=True)
class EpochEnded(Message):
    """From the chief's process, by its task, to the driver: an epoch of ``fit`` has ended.

    Attributes:
        epoch: Its number, from 1.
        epochs: How many there are to be, if that is known.
        metrics: By name; as text, what JSON has no number for.
        seconds: How long the epoch took.
    """

    epoch: EpochNumber
    epochs: EpochNumber | None
    metrics: dict[str, float | str]
    seconds: float


@dataclass(frozen=True)
class Returned(Message):
    """The last from a process: its function has returned.

    Attributes:
        value: What it returned, pickled by cloudpickle; empty if nobody wants it.
    """

    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Raised(Message):
    """The last from a process: its function has raised an exception.

    Attributes:
        kind: What that means, see `Outcome`.
        error: Name and text of the exception.
        traceback: The exception's.
        exception: It itself, pickled, in base64, where it can be pickled.
    """

    kind: Literal["raised", "cut off", "port"]
    error: str
    traceback: str
    exception: str = field(repr=False)


# ---- Between a task and the coordinator


@dataclass(frozen=True)
class RowsWritten(Message):
    """To the coordinator: all of a worker's rows have come.

    Attributes:
        rows: How many.
    """

    rows: int


@dataclass(frozen=True)
class Ended(Message):
    """To the coordinator, once: how the task's worker has ended."""

    outcome: Outcome


@dataclass(frozen=True)
class Stop(Message):
    """From the coordinator to those whose process is to be ended, for another's sake.

    Attributes:
        reason: What is wrong with the worker itself, or "".
        grace_seconds: Until its process is killed: it may tell of its end by itself.
    """

    reason: str
    grace_seconds: float


@dataclass(frozen=True)
class AllEnded(Message):
    """The last from the coordinator, and by the chief's task to the driver.

    Attributes:
        outcomes: Of all workers, by rank.
    """

    outcomes: tuple[Outcome, ...]


# ---- What a task tells itself


@dataclass(frozen=True)
class ProcessExited(Message):
    """The task's process is gone.

    Attributes:
        exit_code: Negative for a signal.
    """

    exit_code: int


@dataclass(frozen=True)
class RowsRefused(Message):
    """The task cannot write its rows.

    Attributes:
        reason: Why: the disk is full.
    """

    reason: str


@dataclass(frozen=True)
class CoordinatorLost(Message):
    """The connection to the coordinator is gone, and so is its task."""


# ---- Who may tell what

ToProcess: TypeAlias = Begin | RowCounts | Leave
FromProcess: TypeAlias = StrategyState | EpochEnded | Returned | Raised
ToCoordinator: TypeAlias = StrategyState | RowsWritten | Ended
FromCoordinator: TypeAlias = RowCounts | Stop | AllEnded

# All that happens to a task while its process runs.
TaskEvent: TypeAlias = (
    FromProcess | ProcessExited | RowsWritten | RowsRefused | FromCoordinator | CoordinatorLost
)

TASK_READY: Codec[TaskReady] = Codec(TaskReady)
HELLO: Codec[Hello] = Codec(Hello, longest_line=4096)
TO_PROCESS: Codec[ToProcess] = Codec(*get_args(ToProcess))
FROM_PROCESS: Codec[FromProcess] = Codec(*get_args(FromProcess))
# An outcome has a traceback and log lines in it, each cut to some thousand characters.
TO_COORDINATOR: Codec[ToCoordinator] = Codec(*get_args(ToCoordinator), longest_line=16 << 20)
FROM_COORDINATOR: Codec[FromCoordinator] = Codec(*get_args(FromCoordinator))
EPOCH_ENDED: Codec[EpochEnded] = Codec(EpochEnded, longest_line=1 << 16)
ALL_ENDED: Codec[AllEnded] = Codec(AllEnded)

"""The process of one worker: it runs the user's function, and tells its task what came of it.

    python -m sparktf.training.process.run REPORTS ALIVE

REPORTS is the descriptor that messages to the task go to, ALIVE one that reads nothing until the
task is gone. The task's messages come by the standard input: first what to run, then how many rows
each worker has, and at last that the process may leave.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn

from sparktf.training.messages import (
    FROM_PROCESS,
    TO_PROCESS,
    Begin,
    FromProcess,
    Leave,
    Raised,
    Returned,
    RowCounts,
    ToProcess,
)

if TYPE_CHECKING:
    from sparktf.training.process.context import TrainingContext

# TensorFlow's words for another worker's end, in errors of these classes.
_CUT_OFF_CLASSES = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")
_CUT_OFF_SIGNS = ("Collective ops is aborted", "coordination service", "Connection reset by peer")
_PORT_TAKEN = "Could not start gRPC server"
_LONGEST_ERROR = 4000
_LONGEST_TEXT = 60_000

_PR_SET_PDEATHSIG = 1


class Reports:
    """The way to the task, for any thread."""

    def __init__(self, descriptor: int) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")

    def send(self, message: FromProcess) -> None:
        with self._lock:
            self._file.write(FROM_PROCESS.encode(message))
            self._file.flush()


def main() -> NoReturn:
    reports, alive = Reports(int(sys.argv[1])), int(sys.argv[2])
    _die_with_the_task(alive)
    commands = os.fdopen(os.dup(0), "rb")
    # Nothing that the function or a library reads from the standard input is meant for it.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    _run(commands, reports)
    # Not through Python's end: TensorFlow's part of it may wait for workers that are gone. And not
    # at once: others may still fetch from here the last of what they reduce together.
    threading.Event().wait()
    os._exit(0)


def _die_with_the_task(alive: int) -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before
            os._exit(1)
    subprocess.Popen(
        ["/bin/sh", "-c", "read x; kill -9 0"],
        stdin=alive,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(alive)


def _next_command(commands: IO[bytes]) -> ToProcess:
    command = TO_PROCESS.read(commands)
    if command is None:
        os._exit(1)  # the task is gone
    return command


def _follow(commands: IO[bytes], context: TrainingContext) -> None:
    """Does what the task tells while the function runs, and after it has returned."""
    while True:
        match _next_command(commands):
            case RowCounts(rows):
                context._receive_row_counts(list(rows))
            case Leave():
                _flush()
                os._exit(0)
            case Begin():
                raise AssertionError("the function has begun")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _run(commands: IO[bytes], reports: Reports) -> None:
    from pyspark import cloudpickle

    dumps: Any = cloudpickle.dumps
    from sparktf.training.process import context as train_context

    begin = _next_command(commands)
    assert isinstance(begin, Begin)
    if len(begin.cluster) > 1:
        os.environ.setdefault("TF_CONFIG", _tf_config(begin))  # what the user has set stays
    context = train_context.enter(begin, reports.send)
    threading.Thread(target=_follow, args=(commands, context), daemon=True).start()
    try:
        try:
            function, args, kwargs = cloudpickle.loads(begin.function)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"the function that is to be run needs the module {error.name!r}, which the "
                "executors' Python does not have: send it with addPyFile (Spark Connect: "
                "addArtifacts), install it there, or define the function where it is called from",
                name=error.name,
            ) from error
        value = function(*args, **kwargs)
        pickled = dumps(value) if begin.wants_value else b""
        # Whether all workers have rows is known then, and whether the disks hold them.
        context._wait_for_rows()
    except BaseException as error:  # SystemExit too
        reports.send(_raised(error))
        _flush()
        os._exit(1)
    _flush()
    reports.send(Returned(pickled))


def _tf_config(begin: Begin) -> str:
    """What TensorFlow's cluster resolver reads."""
    task = {"type": "worker", "index": begin.rank}
    return json.dumps({"cluster": {"worker": begin.cluster}, "task": task})


def _raised(error: BaseException) -> Raised:
    """What the task gets to know of an exception; prints it."""
    from pyspark import cloudpickle

    dumps: Any = cloudpickle.dumps
    name = type(error).__name__
    text = str(error)
    kind: Literal["raised", "cut off", "port"] = "raised"
    if _PORT_TAKEN in text:
        kind = "port"
    elif name in _CUT_OFF_CLASSES or any(sign in text for sign in _CUT_OFF_SIGNS):
        kind = "cut off"
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next  # the user's own frames
    lines = traceback.format_exception(type(error), error, frames)
    try:
        pickled = base64.b64encode(dumps(error)).decode()
        if len(pickled) > _LONGEST_TEXT:
            pickled = ""
        pickle.loads(base64.b64decode(pickled or "gAROLg=="))  # some can be made, but not read
    except Exception:
        pickled = ""
    print("".join(lines), end="", file=sys.stderr)
    return Raised(
        kind,
        error=f"{name}: {text}"[:_LONGEST_ERROR],
        traceback="".join(lines)[-_LONGEST_TEXT:],
        exception=pickled,
    )


if __name__ == "__main__":
    # As a module of its package, so that what is pickled by its name is found again.
    from sparktf.training.process import run

    run.main()

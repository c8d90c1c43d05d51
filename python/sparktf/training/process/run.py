"""The process of one worker: it runs the user's function, and tells its task what came of it.

    python -m sparktf.training.process.run REPORTS ALIVE

REPORTS is the descriptor that messages go to (a line of JSON, and as many bytes as it says), ALIVE
one that reads nothing until the task is gone. What to run comes by the standard input, and later
how many rows each worker has, once they all have theirs.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import traceback
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sparktf.training.process.context import TrainingContext

# TensorFlow's words for another worker's end, in errors of these classes.
_CUT_OFF_CLASSES = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")
_CUT_OFF_SIGNS = ("Collective ops is aborted", "coordination service", "Connection reset by peer")
_PORT_TAKEN = "Could not start gRPC server"
_LONGEST_TRACEBACK = 60_000

_PR_SET_PDEATHSIG = 1


class Reports:
    """What the task is told."""

    def __init__(self, descriptor: int) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")

    def send(self, message: dict[str, Any], content: bytes = b"") -> None:
        with self._lock:
            line = json.dumps({**message, "bytes": len(content)}, default=str)
            self._file.write(line.encode() + b"\n" + content)
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


def _command(commands: IO[bytes]) -> dict[str, Any]:
    size = commands.read(8)
    if len(size) < 8:
        os._exit(1)  # the task is gone
    command: dict[str, Any] = pickle.loads(commands.read(struct.unpack("!Q", size)[0]))
    return command


def _obey(commands: IO[bytes], context: TrainingContext) -> None:
    """Does what the task has to say while the function runs."""
    while "leave" not in (command := _command(commands)):
        context._feed(command["row_counts"])
    _flush()
    os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _run(commands: IO[bytes], reports: Reports) -> None:
    from pyspark import cloudpickle

    dumps: Any = cloudpickle.dumps
    from sparktf.training.process import context as train_context

    what = _command(commands)
    for name, text in what["env"].items():
        os.environ.setdefault(name, text)  # what the user has set stays
    context = train_context.enter(what["context"], reports.send)
    threading.Thread(target=_obey, args=(commands, context), daemon=True).start()
    try:
        try:
            function, args, kwargs = cloudpickle.loads(what["function"])
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"the function that is to be run needs the module {error.name!r}, which the "
                "executors' Python does not have: send it with addPyFile (Spark Connect: "
                "addArtifacts), install it there, or define the function where it is called from",
                name=error.name,
            ) from error
        value = function(*args, **kwargs)
        content = dumps(value) if what["wants_value"] else b""
        # Whether all workers have rows is known then, and whether the disks hold them.
        context._wait_for_rows()
    except BaseException as error:  # SystemExit too
        _tell_exception(error, reports)
        _flush()
        os._exit(1)
    _flush()
    reports.send({"returned": True}, content)


def _tell_exception(error: BaseException, reports: Reports) -> None:
    from pyspark import cloudpickle

    dumps: Any = cloudpickle.dumps
    name = type(error).__name__
    text = str(error)
    kind = "raised"
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
        if len(pickled) > _LONGEST_TRACEBACK:
            pickled = ""
        pickle.loads(base64.b64decode(pickled or "gAROLg=="))  # some can be made, but not read
    except Exception:
        pickled = ""
    print("".join(lines), end="", file=sys.stderr)
    reports.send(
        {
            "raised": kind,
            "error": f"{name}: {text}"[:4000],
            "traceback": "".join(lines)[-_LONGEST_TRACEBACK:],
            "exception": pickled,
        }
    )


if __name__ == "__main__":
    # As a module of its package, so that what is pickled by its name is found again.
    from sparktf.training.process import run

    run.main()

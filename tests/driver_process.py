"""A driver program in a process of its own, which runs the functions that a test gives it.

A process has one classic session at most, and that of the tests' own is a local one.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pyspark import cloudpickle


@dataclass
class Said:
    """What a function gave, or raised, and what was printed meanwhile."""

    value: Any
    error: BaseException | None
    output: str


class Driver:
    """A running driver program."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def try_to(self, function: Callable[..., Any], *args: Any) -> Said:
        """Calls `function(spark, *args)` there."""
        self.start(function, *args)
        return self.answer()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """The same, for its value."""
        said = self.try_to(function, *args)
        if said.error is not None:
            raise said.error
        return said.value

    def start(self, function: Callable[..., Any], *args: Any) -> None:
        assert self.process.stdin is not None
        _write(self.process.stdin, cloudpickle.dumps((function, args)))

    def answer(self) -> Said:
        assert self.process.stdout is not None
        said = pickle.loads(_read(self.process.stdout))
        return Said(*said)


@contextlib.contextmanager
def run(master: str, folder: Path, **settings: str) -> Iterator[Driver]:
    """A driver with a classic session of that master, and with the settings (`_` is a dot)."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = str(Path(__file__).parent)
    path = os.pathsep.join([tests, *(entry for entry in sys.path if entry)])
    arguments = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
    with (folder / "driver.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "driver_process", master, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PYSPARK_PYTHON": sys.executable},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        yield Driver(process)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write(to: IO[bytes], content: bytes) -> None:
    to.write(struct.pack("!Q", len(content)) + content)
    to.flush()


def _read(source: IO[bytes]) -> bytes:
    (size,) = struct.unpack("!Q", source.read(8))
    return source.read(size)


def main() -> None:
    commands = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)

    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(sys.argv[1]).appName("sparktf training tests")
    builder = builder.config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    # One on each of the cluster's workers.
    builder = builder.config("spark.executor.memory", "600m").config("spark.executor.cores", "1")
    builder = builder.config("spark.cores.max", "2").config("spark.network.timeout", "600s")
    builder = builder.config("spark.driver.host", "127.0.0.1")
    for argument in sys.argv[2:]:
        name, _, value = argument.partition("=")
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    assert threading.current_thread() is threading.main_thread()
    while True:
        try:
            function, args = pickle.loads(_read(commands))
        except struct.error:
            break
        value, error = None, None
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            try:
                value = function(spark, *args)
            except BaseException as raised:
                error = raised
        try:
            answer = cloudpickle.dumps((value, error, output.getvalue()))
        except Exception:
            known = RuntimeError(f"{type(error).__name__}: {error}")
            answer = cloudpickle.dumps((None, known, output.getvalue()))
        _write(answers, answer)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spark.stop()


if __name__ == "__main__":
    main()

"""The programs of examples/, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import left_behind

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

# What this process's own session has set, for the JVM that it has started.
_OF_THIS_SESSION = ("PYSPARK_SUBMIT_ARGS", "SPARK_TESTING", "SPARK_HOME")


def environment() -> dict[str, str]:
    """That of a program with a session of its own."""
    return {name: text for name, text in os.environ.items() if name not in _OF_THIS_SESSION}


def run(program: str, arguments: Sequence[object], folder: Path, **variables: str) -> str:
    """What it prints; asserts that it succeeds and leaves no process.

    Args:
        program: Its path below examples/; Python's are run in a Spark of two cores.
        arguments: The command line's.
        folder: Where it is started.
        **variables: Of its environment.
    """
    command = [str(EXAMPLES / program), *map(str, arguments)]
    if program.endswith(".py"):
        command.insert(0, sys.executable)
        variables["PYSPARK_SUBMIT_ARGS"] = "--master local[2] pyspark-shell"
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert not left_behind.processes()
    return done.stdout

"""What TensorFlow says when it begins, which tells nobody anything: left out where it may be."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from typing import Final

# Not even TF_CPP_MIN_LOG_LEVEL keeps TensorFlow from these. Grep takes it, too.
_NOISE: Final = (
    r"All log messages before absl::InitializeLog\(\)|[]] oneDNN custom operations are on"
    r"|[]] Unable to register cu[a-zA-Z]+ factory|computation_placer\.cc:[0-9]+\] "
)
# What it says of GPUs that nobody wants it to have.
_NO_GPU: Final = re.compile(r"\] failed call to cuInit: |cuda_diagnostics\.cc:\d+\] ")


def only_errors(environment: MutableMapping[str, str]) -> None:
    """Makes TensorFlow tell of errors alone where it begins in a process of this environment.

    Unless that says already how much it is to tell.
    """
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def is_noise(line: str, with_gpu: bool = False) -> bool:
    """Whether it is one of TensorFlow's lines about itself, or about GPUs where none is wanted."""
    return bool(re.search(_NOISE, line) or (not with_gpu and _NO_GPU.search(line)))


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Leaves these lines out of what this process, of ours alone, writes to its standard error.

    They come from C++. A process of its own looks for them, so that what TensorFlow says before it
    ends this one (a processor that is too old, another library's version) is not lost with it.
    """
    grep = shutil.which("grep")
    if grep is None:
        yield
        return
    with os.fdopen(os.dup(2), "wb") as error_output:
        leaving_out = subprocess.Popen(
            [grep, "-a", "-v", "-E", "--line-buffered", _NOISE],
            stdin=subprocess.PIPE,
            stdout=error_output,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert leaving_out.stdin is not None
        os.dup2(leaving_out.stdin.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(error_output.fileno(), 2)
            leaving_out.stdin.close()
            # It goes on where a process that was started meanwhile still may write.
            with contextlib.suppress(subprocess.TimeoutExpired):
                leaving_out.wait(5)

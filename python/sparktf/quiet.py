"""What TensorFlow says when it begins, which tells nobody anything: left out where it may be."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from typing import Final

# Not even TF_CPP_MIN_LOG_LEVEL keeps TensorFlow from these.
_NOISE: Final = re.compile(
    r"All log messages before absl::InitializeLog\(\)|\] oneDNN custom operations are on"
    r"|\] Unable to register cu\w+ factory|computation_placer\.cc:\d+\] "
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
    return _NOISE.search(line) is not None or (not with_gpu and _NO_GPU.search(line) is not None)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Holds back what this process, of ours alone, writes to its standard error meanwhile.

    All of it follows, but for TensorFlow's lines about itself, which come from C++.
    """
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as error_output:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(error_output.fileno(), 2)
            held.seek(0)
            error_output.writelines(
                line for line in held if not is_noise(line.decode(errors="replace"))
            )

"""Packages that come with extras of sparktf: whether they are here, and what to install if not."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from sparktf import quiet

# Module -> the extra of pyproject.toml that brings it.
_EXTRAS: Final = {
    "pyspark": "spark",
    "pandas": "spark",
    "pyarrow": "spark",
    "numpy": "spark",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "PIL": "images",
    "matplotlib": "pictures",
    "click": "cli",
    "google.protobuf": "cli",
    "google_crc32c": "cli",
    "mlxtend": "examples",
}


def require(what: str, *modules: str, extras: Sequence[str] = ()) -> None:
    """Sees to it that the modules can be imported, without importing them.

    Args:
        what: What needs them, as its user calls it.
        *modules: Of packages that extras bring.
        extras: To install, where it is not those that bring what is missing.

    Raises:
        ModuleNotFoundError: Some are not there; the message says what to install.
    """
    missing = [name for name in modules if not _is_there(name)]
    if not missing:
        return
    wanted = extras or dict.fromkeys(_EXTRAS[name] for name in missing)
    raise ModuleNotFoundError(
        f"{what} needs {', '.join(missing)}, which {this_python()} does not have: "
        f'pip install "sparktf[{",".join(wanted)}]"',
        name=missing[0],
    )


def require_tensorflow(what: str) -> None:
    """The same for TensorFlow, which is about to be imported."""
    require(what, "tensorflow")
    quiet.only_errors(os.environ)


def this_python() -> str:
    """The interpreter of this process, as errors name it."""
    return f"{sys.executable} (Python {'.'.join(map(str, sys.version_info[:3]))})"


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False
    except ValueError:  # imported, but not from a file
        return True

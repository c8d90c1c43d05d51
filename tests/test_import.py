"""`import sparktf` is for everyone: those without TensorFlow, without Spark, without either."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import sparktf

_HEAVY = ("tensorflow", "keras", "pyspark", "py4j", "numpy", "pandas", "pyarrow", "PIL")


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def test_importing_the_package_imports_none_of_the_heavy_ones():
    loaded = _run(f"import sys, sparktf; print([m for m in {_HEAVY} if m in sys.modules])")
    assert loaded == "[]"


def test_all_public_names_are_there_without_the_heavy_ones():
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in _HEAVY)
    code = f"import sys; {blocked}; import sparktf; "
    code += (
        "print([n for n in sparktf.__all__ if not hasattr(sparktf, n)], sparktf.jar_path()[-4:])"
    )
    assert _run(code) == "[] .jar"


def test_the_version_is_the_one_in_pyproject():
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    written = re.search(r'^version = "(.+)"$', pyproject.read_text(), re.MULTILINE)
    assert written is not None
    assert sparktf.__version__ == written[1]


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(sparktf, "no_such_name")

"""TensorFlow data and models, native in Apache Spark.

Nothing here imports TensorFlow, pyspark or NumPy until a function that needs it is called, so
``import sparktf`` is cheap and works where they are not installed.
"""

from __future__ import annotations

from typing import Any

from sparktf import images
from sparktf.schema import feature_spec
from sparktf.session import configure, jar_path, register
from sparktf.tfdata import dataset

__all__ = [
    "__version__",
    "configure",
    "dataset",
    "feature_spec",
    "images",
    "jar_path",
    "register",
]

__version__: str


def __getattr__(name: str) -> Any:
    # Looked up when asked for: reading the package's metadata takes longer than the import, and
    # a copy that Spark ships to its workers (addPyFile) has none.
    if name == "__version__":
        from importlib.metadata import version

        return version("sparktf")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

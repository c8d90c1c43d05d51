"""TensorFlow data and models, native in Apache Spark.

Nothing here imports TensorFlow, pyspark or NumPy until a function that needs it is called, so
``import sparktf`` is cheap and works where they are not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparktf import images
from sparktf.data.batches import batches
from sparktf.data.counting import count
from sparktf.data.datasets import dataset
from sparktf.data.feature_specs import feature_spec
from sparktf.models.saving import load_model, repair_saved_model, save_model
from sparktf.plots import plot_history, show_images
from sparktf.scoring.functions import predict_rdd, predict_udf, register_udf
from sparktf.spark.data_source import configure, jar_path, register
from sparktf.training.distributor import TensorFlowDistributor, TrainingError
from sparktf.training.process.context import TrainingContext, context

if TYPE_CHECKING:
    from sparktf.scoring.transformer import SavedModelTransformer as SavedModelTransformer

__all__ = [
    "TensorFlowDistributor",
    "TrainingContext",
    "TrainingError",
    "__version__",
    "batches",
    "configure",
    "context",
    "count",
    "dataset",
    "feature_spec",
    "images",
    "jar_path",
    "load_model",
    "plot_history",
    "predict_rdd",
    "predict_udf",
    "register",
    "register_udf",
    "repair_saved_model",
    "save_model",
    "show_images",
]

__version__: str


# Such classes cannot be defined without pyspark, so they are not in __all__.
_BY_PYSPARK = ("SavedModelTransformer", "ml")


def __dir__() -> list[str]:
    from importlib.util import find_spec

    return sorted([*__all__, *(_BY_PYSPARK if find_spec("pyspark") else ())])


def __getattr__(name: str) -> Any:
    # Looked up when asked for: reading the package's metadata takes longer than the import, and
    # a copy that Spark ships to its workers (addPyFile) has none.
    if name == "__version__":
        from importlib.metadata import version

        return version("sparktf")
    if name in _BY_PYSPARK:
        from importlib import import_module

        from sparktf.extras import require

        require(f"sparktf.{name}", "pyspark", "numpy", "pyarrow")
        if name == "ml":
            return import_module("sparktf.ml")
        return import_module("sparktf.scoring.transformer").SavedModelTransformer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

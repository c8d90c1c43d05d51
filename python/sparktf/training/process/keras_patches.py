"""What Keras needs for TensorFlow's multi-worker strategy, changed in the worker's process alone.

Keras 3 builds a model from a batch that it has reduced over the workers, which fails for batches
that are no numbers; and reduces metrics, which are scalars, along an axis that they do not have.
Both are put right for the multi-worker strategy, and nothing else is touched. Keras 2 (tf-keras)
needs no repair.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from sparktf.training.messages import EpochNumber

# 3.10, 3.12, 3.13 and 3.15 have been compared with one process; 3.8 takes no such dataset.
_TESTED = ((3, 10), (3, 15))

EpochReport = Callable[[EpochNumber, "EpochNumber | None", Mapping[str, float], float], None]


def repair_keras() -> None:
    """Makes fit, evaluate and predict of Keras 3 work under a multi-worker strategy.

    Where Keras is of another version than the tested ones, these methods are made to say so.
    """
    import keras

    version = tuple(int(part) for part in keras.__version__.split(".")[:2])
    if version[0] < 3:
        return
    from keras.src.backend.tensorflow import trainer

    if getattr(trainer, "_sparktf_repaired", False):
        return
    trainer._sparktf_repaired = True
    if _TESTED[0] <= version <= _TESTED[1]:
        _repair(trainer)
    else:
        _refuse(trainer, keras.__version__)


def _repair(trainer: Any) -> None:
    from keras.src import tree

    kind = trainer.TensorFlowTrainer
    build, reduce = kind._maybe_symbolic_build, trainer.reduce_per_replica

    def repaired_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        strategy = self._distribute_strategy
        if strategy is None or not trainer._collective_all_reduce_multi_worker(strategy):
            build(self, iterator=iterator, data_batch=data_batch)
            return
        if iterator is not None:
            for *_, batches in iterator:  # one number or two before it, by the version
                # Only its shapes and types matter: any replica's part will do.
                data_batch = tree.map_structure(
                    lambda value: strategy.experimental_local_results(value)[0], next(batches)
                )
                break
        with strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    def repaired_reduce(values: Any, strategy: Any, reduction: str) -> Any:
        if reduction in ("auto", "mean") and trainer._collective_all_reduce_multi_worker(strategy):
            return tree.map_structure(lambda v: strategy.reduce("MEAN", v, axis=None), values)
        return reduce(values, strategy, reduction)

    kind._maybe_symbolic_build = repaired_build
    trainer.reduce_per_replica = repaired_reduce


def _refuse(trainer: Any, version: str) -> None:
    tested = " to ".join(".".join(map(str, end)) for end in _TESTED)

    def refusing(name: str, original: Any) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            strategy = self._distribute_strategy
            if strategy is None or not trainer._collective_all_reduce_multi_worker(strategy):
                return original(self, *args, **kwargs)
            raise RuntimeError(
                f"Keras {version} cannot {name} on several workers as it is, and sparktf's repair "
                f"is tested with Keras {tested}. Install one of these; or use tf-keras (import "
                "tf_keras as keras), which needs no repair; or a training loop of your own with "
                "strategy.run"
            )

        return method

    kind = trainer.TensorFlowTrainer
    for name in ("fit", "evaluate", "predict"):
        setattr(kind, name, refusing(name, getattr(kind, name)))


def report_epochs(report: EpochReport) -> None:
    """Has every ``fit`` of this process report its epochs, with Keras 3 and tf-keras alike.

    Args:
        report: Gets number of the epoch (from 1), number of epochs, metrics and seconds.
    """
    import keras

    _report_epochs(keras, report)
    # Importing it takes seconds, so only where it is going to be used.
    if os.environ.get("TF_USE_LEGACY_KERAS") == "1" or "tf_keras" in sys.modules:
        import tf_keras  # type: ignore[import-untyped]

        _report_epochs(tf_keras, report)


def _number(given: Any) -> EpochNumber:
    """What Keras was given: Python's number, NumPy's, or a tensor."""
    return given if type(given) in (int, float) else str(given)


def _report_epochs(keras: Any, report: EpochReport) -> None:
    kind = keras.callbacks.CallbackList
    original = kind.__init__

    class Epochs(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._begin = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            metrics = {
                str(name): float(value)
                for name, value in (logs or {}).items()
                if isinstance(value, (int, float)) or getattr(value, "ndim", None) == 0
            }
            seconds = time.perf_counter() - self._begin
            epochs = (self.params or {}).get("epochs")
            report(
                _number(epoch + 1), None if epochs is None else _number(epochs), metrics, seconds
            )

    def with_epochs(
        self: Any, callbacks: Any = None, add_history: bool = False, *args: Any, **kwargs: Any
    ) -> None:
        if add_history:  # it is fit's
            given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
            callbacks = [*(c for c in given if c is not None), Epochs()]
        original(self, callbacks, add_history, *args, **kwargs)

    kind.__init__ = with_epochs

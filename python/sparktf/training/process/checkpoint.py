"""The state of a training after each epoch, kept where all workers see it.

A checkpoint is one NumPy archive: all variables of the model and its optimizer in the order that
Keras lists them, and where in the run they are from. It is complete or not there: a file gets its
name when it is whole, except in object stores, which show a file when it is closed.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sparktf.storage.by_pyarrow import open_uri

if TYPE_CHECKING:
    from sparktf.training.process.context import TrainingContext

_NAME: Final = "epoch-{:06}.npz"
_PATTERN: Final = re.compile(r"epoch-(\d{6,})\.npz")
_UNFINISHED: Final = ".part"
_KEPT: Final = 2


class Folder:
    """Where checkpoints are.

    Raises:
        ValueError: Neither pyarrow nor fsspec can open such a path.
    """

    def __init__(self, uri: str) -> None:
        from pyarrow import fs

        self._files, path = open_uri(uri, "checkpoints")
        self._path = path.rstrip("/")
        self._has_rename = not isinstance(self._files, (fs.S3FileSystem, fs.GcsFileSystem))

    def epochs(self) -> list[int]:
        """The epochs that there are checkpoints of, the last first."""
        matches = (_PATTERN.fullmatch(name) for name in self._names())
        return sorted((int(match[1]) for match in matches if match), reverse=True)

    def write(self, epoch: int, content: bytes) -> None:
        """Writes a checkpoint, and removes older ones and what was never finished."""
        self._files.create_dir(self._path, recursive=True)
        path = f"{self._path}/{_NAME.format(epoch)}"
        under = path + _UNFINISHED if self._has_rename else path
        with self._files.open_output_stream(under) as into:
            into.write(content)
        if under != path:
            self._files.move(under, path)
        old = {_NAME.format(number) for number in self.epochs()[_KEPT:]}
        for name in self._names():
            if name in old or (name.endswith(_UNFINISHED) and _PATTERN.match(name)):
                self._files.delete_file(f"{self._path}/{name}")

    def read(self, epoch: int) -> bytes:
        with self._files.open_input_stream(f"{self._path}/{_NAME.format(epoch)}") as source:
            return bytes(source.read())

    def _names(self) -> list[str]:
        from pyarrow import fs

        selector = fs.FileSelector(self._path, allow_not_found=True)
        return [info.base_name for info in self._files.get_file_info(selector)]


def callback(uri: str, context: TrainingContext) -> Any:
    """The Keras callback of `TrainingContext.checkpoint`."""
    import keras

    folder = Folder(uri)

    class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._batches = 0

        def on_train_begin(self, logs: Any = None) -> None:
            _build(self.model)
            epochs = folder.epochs()
            latest = epochs[0] if epochs else 0
            _check_seen_by_all(context, uri, latest)
            state = {"epoch": 0, "batches": 0}
            if latest:
                state = _restore(self.model, folder.read(latest), f"{uri} (epoch {latest})")
            self._batches = context._batches_before = int(state["batches"])
            self.model._initial_epoch = int(state["epoch"])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            # By its number, one version of Keras means the first of an execution, another the last.
            self._batches += self.model.steps_per_execution
            # This fit's rows have begun. Others, to validate by, begin with their first.
            context._batches_before = 0

        def on_train_end(self, logs: Any = None) -> None:
            # Another fit of this model has its own epochs and rows.
            context._batches_before = 0
            self.model._initial_epoch = 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            # Read on every worker: a variable may be the workers' together.
            content = _state(self.model, {"epoch": epoch + 1, "batches": self._batches})
            if context.is_chief:
                folder.write(epoch + 1, content)

    return Checkpoint()


def _build(model: Any) -> None:
    """Makes the optimizer's variables, which do not exist before the first step."""
    if not hasattr(model, "_initial_epoch"):
        raise TypeError(
            "ctx.checkpoint is for models of Keras 3: with tf-keras use its "
            "callbacks.BackupAndRestore"
        )
    if not model.built:
        raise ValueError(
            "ctx.checkpoint needs a model whose input is known before fit: give it a keras.Input, "
            "or call model.build(shape)"
        )
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


def _variables(model: Any) -> list[Any]:
    # Without the metrics', which begin anew in each epoch and of which some come later.
    metrics = {id(v) for v in model.metrics_variables}
    variables = [*model.variables, *model.optimizer.variables]
    return list({id(v): v for v in variables if id(v) not in metrics}.values())


def _state(model: Any, state: dict[str, int]) -> bytes:
    variables = _variables(model)
    arrays = {}
    kinds = []
    for number, variable in enumerate(variables):
        values = np.asarray(variable.numpy())
        kinds.append(str(values.dtype))
        if values.dtype.kind == "V":  # bfloat16, which NumPy's archives do not know
            values = values.view(f"u{values.dtype.itemsize}")
        arrays[f"v{number}"] = values
    state_text = json.dumps({**state, "names": [v.path for v in variables], "kinds": kinds})
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, state=np.array(state_text), **arrays)
    return content.getvalue()


def _restore(model: Any, content: bytes, where: str) -> dict[str, Any]:
    """Sets the variables; gives the state that was saved with them."""
    variables = _variables(model)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        state: dict[str, Any] = json.loads(str(archive["state"]))
        saved = [archive[f"v{number}"] for number in range(len(state["kinds"]))]
    shapes = [tuple(values.shape) for values in saved]
    wanted = [tuple(variable.shape) for variable in variables]
    if shapes != wanted:
        raise ValueError(
            f"the checkpoint at {where} is of another model: it has {len(shapes)} variables of "
            f"shapes {shapes}, where this one has {len(wanted)} of {wanted}. Use another folder "
            "for this model, or remove that one"
        )
    for variable, values, kind in zip(variables, saved, state["kinds"], strict=True):
        if str(values.dtype) != kind:
            import ml_dtypes

            values = values.view(np.dtype(getattr(ml_dtypes, kind)))
        variable.assign(values)
    return state


def _check_seen_by_all(context: TrainingContext, uri: str, latest: int) -> None:
    """Raises a ValueError on each worker if they do not see the same checkpoint."""
    if context.size == 1:
        return
    import tensorflow as tf

    strategy = context.strategy()
    here = tf.reshape(tf.constant(latest, tf.int64), [1])
    seen = strategy.gather(here, axis=0).numpy().tolist()
    if len(set(seen)) > 1:
        raise ValueError(
            f"the workers do not see the same checkpoints at {uri}: their newest are of the epochs "
            f"{seen}, by rank. It must be a folder that all workers share"
        )

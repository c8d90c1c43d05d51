"""The SavedModels that this process has loaded, and calls of their signatures.

An executor's Python worker lives through many tasks and jobs, and so does what the modules that it
has imported hold. (What a pickled function brings along, globals of `__main__` included, is new in
each task.)
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sparktf import quiet
from sparktf.models import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So that a worker which scores ever new models does not grow without end.
_MOST_MODELS: Final = 16

_models: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

#: How many models this process has loaded so far.
loads = 0


class SignatureCall:
    """A signature of a loaded model, called with arrays."""

    def __init__(self, loaded: Any, signature: str, outputs: Sequence[str]) -> None:
        import tensorflow as tf

        self._loaded = loaded  # the function alone would not keep its variables
        self._function = loaded.signatures[signature]
        self._outputs = outputs
        self._convert = tf.convert_to_tensor

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs, in the order given to this object, for one batch of rows."""
        convert = self._convert
        results = self._function(**{name: convert(values) for name, values in inputs.items()})
        arrays = [results[name].numpy() for name in self._outputs]
        count = len(next(iter(inputs.values())))
        for name, array in zip(self._outputs, arrays, strict=True):
            if array.ndim == 0 or len(array) != count:
                raise ValueError(
                    f"the model's output {name!r} is of shape {list(array.shape)} for a batch of "
                    f"{count} rows: its first dimension is not the batch, so it gives no value "
                    "for each row"
                )
        return arrays


def get(
    location: files.ModelLocation,
    tags: Sequence[str],
    signature: str,
    outputs: Sequence[str],
    threads: int,
) -> SignatureCall:
    """The signature of the model at a location, which is loaded once per process.

    Args:
        location: Another content of the same folder takes the place of one that was loaded.
        tags: Of the graph.
        signature: One that the model has.
        outputs: Of the signature.
        threads: TensorFlow's for this process; heeded by the first model that it loads.

    Raises:
        ImportError: There is no TensorFlow here.
        ValueError: There is another model by now.
    """
    folder = location.folder()
    key = (str(folder), location.fingerprint, tuple(tags))
    loaded = _models.get(key)
    if loaded is None:
        for other in [k for k in _models if k[0] == key[0] and k[1] != key[1]]:
            del _models[other]
        while len(_models) >= _MOST_MODELS:
            _models.popitem(last=False)
        loaded = _load(folder, tags, threads)
        # Its graph may be of one model and its weights of another that came meanwhile.
        location.folder()
        _models[key] = loaded
    else:
        _models.move_to_end(key)
    return SignatureCall(loaded, signature, outputs)


def _load(folder: Path, tags: Sequence[str], threads: int) -> Any:
    global loads
    tf = start_tensorflow(threads)
    loaded = tf.saved_model.load(str(files.loadable(folder)), tags=list(tags))
    loads += 1
    return loaded


def start_tensorflow(threads: int) -> Any:
    """The module, set up for a process that is one of several on its machine."""
    quiet.only_errors(os.environ)
    with quiet.without_noise():
        return _started(threads)


def _started(threads: int) -> Any:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            # Else the first worker of a machine takes all of its memory from the others.
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        pass  # another function of this worker has started TensorFlow, as it wanted it
    return tf

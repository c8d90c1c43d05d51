"""Models as files: saved where Spark can write, loaded from where it can read, and repaired."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Final

from sparktf.extras import require_tensorflow
from sparktf.models import files, store
from sparktf.models.signatures import signature_names
from sparktf.spark.shipping import temporary_folder

__all__ = ["load_model", "repair_saved_model", "save_model"]

# In the folder that TensorFlow leaves to others: what `load_model` makes a Keras model of again.
_KERAS_FILE: Final = "assets.extra/model.keras"


def save_model(
    model: Any,
    uri: str | os.PathLike[str],
    *,
    signatures: Any = None,
    overwrite: bool = False,
) -> None:
    """Saves a model as a SavedModel for inference, which Python and the JVM can score.

    A Keras model is saved by its ``export`` and, beside that, in Keras's own format inside the
    same folder, so that `load_model` gives it back as it was, ready for more training.

    Args:
        model: A Keras model (Keras 3 or tf-keras) or a `tf.Module`.
        uri: A folder, or a file where it ends in ``.zip``; on this machine or, with an active
            classic session, where Spark writes files (``hdfs://…``, ``s3a://…``).
        signatures: Of a `tf.Module`, as in `tf.saved_model.save`.
        overwrite: Whether a model that is there may be replaced. The new one is written beside it,
            and takes its place by a rename when it is whole.

    Raises:
        FileExistsError: There is something, and `overwrite` is not set, or it is no model.
        TypeError: It is neither a Keras model nor a `tf.Module`.
        ValueError: The module has no signature, or Spark cannot write there.
    """
    require_tensorflow("sparktf.save_model")
    target = os.fspath(uri)
    place = store.place(target)
    if place.exists():
        if not overwrite:
            raise store.already_there(target)
        store.check_replaceable(place)
    folder = temporary_folder()
    try:
        with _without_temporary_path():
            _export(model, folder / "model", signatures)
        result = folder / "model"
        if target.endswith(".zip"):
            result = folder / "model.zip"
            files.zip_folder(folder / "model", result)
        store.put(result, place, overwrite)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _without_temporary_path() -> Iterator[None]:
    """TensorFlow logs where it has written to, which is not where the model will be."""
    import tensorflow as tf

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Assets written to: ")

    logger = tf.get_logger()
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _export(model: Any, folder: Path, signatures: Any) -> None:
    import tensorflow as tf

    if hasattr(model, "export") and hasattr(model, "get_config"):
        if signatures is not None:
            raise TypeError("signatures are for a tf.Module; a Keras model has its own")
        # Keras 3 prints a list of endpoints; Keras 2 has no such argument
        silent = {"verbose": False} if "verbose" in signature(model.export).parameters else {}
        model.export(str(folder), **silent)
        extra = folder / _KERAS_FILE
        extra.parent.mkdir(parents=True)
        model.save(extra)
        return
    if not isinstance(model, tf.Module):
        raise TypeError(f"a Keras model or a tf.Module can be saved, not a {type(model).__name__}")
    tf.saved_model.save(model, str(folder), signatures=signatures)
    if not signature_names(folder):
        raise ValueError(
            "the module has no signature, so nothing could score it: pass "
            "signatures=module.f.get_concrete_function(tf.TensorSpec([None, …], …))"
        )


def load_model(
    uri: str | os.PathLike[str], *, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """The model at a path: what `save_model` saved, or any SavedModel.

    Args:
        uri: A SavedModel's folder or a .zip of one, on this machine or, with an active session,
            where Spark reads files.
        custom_objects: As in `keras.models.load_model`.

    Returns:
        The Keras model where `save_model` saved one, else what `tf.saved_model.load` gives, whose
        ``signatures`` are functions.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: It is no SavedModel.
    """
    require_tensorflow("sparktf.load_model")
    folder = files.fetch(uri, None).folder
    signature_names(folder)  # says what is wrong more clearly than TensorFlow
    if not (folder / _KERAS_FILE).is_file():
        import tensorflow as tf

        return tf.saved_model.load(str(files.loadable(folder)))
    import zipfile

    with zipfile.ZipFile(folder / _KERAS_FILE) as archive:
        metadata = archive.read("metadata.json").decode()
    if '"keras_version": "2.' in metadata:
        import tf_keras as keras  # type: ignore[import-untyped]
    else:
        import keras
    return keras.models.load_model(folder / _KERAS_FILE, custom_objects=custom_objects)


def repair_saved_model(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    tags: Sequence[str] = ("serve",),
) -> None:
    """Makes a SavedModel that TensorFlow for Java can load of one that it cannot.

    `tf.saved_model.save` of a Keras 3 model writes such ones: Python finds their variables by the
    objects that hold them, while the JVM restores variables by name, and there they have none.
    The repaired model has the same signatures and weights, and nothing of Keras; what
    ``model.export(path)`` writes needs no repair.

    Args:
        src: A SavedModel's folder or a .zip of one, wherever `predict_udf` takes it from.
        dst: A new folder on this machine.
        tags: Of the model's graph.

    Raises:
        FileExistsError: There is something at `dst`.
        FileNotFoundError: There is no such `src`.
        ValueError: `src` is no SavedModel, or has no signature.
    """
    require_tensorflow("sparktf.repair_saved_model")
    target = Path(dst)
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    folder = files.fetch(src, None).folder
    names = signature_names(folder, tags)
    if not names:
        raise ValueError(f"{src} has no signature, so there is nothing that a repair could keep")

    import tensorflow as tf

    loaded = tf.saved_model.load(str(files.loadable(folder)), tags=list(tags))
    # Saved from what was loaded, the variables have names and a restore of TensorFlow 1's kind.
    signatures = {name: loaded.signatures[name] for name in names}
    saved = temporary_folder() / "model"
    try:
        tf.saved_model.save(loaded, str(saved), signatures=signatures)
        store.put(saved, store.LocalPlace(target), overwrite=False)
    finally:
        shutil.rmtree(saved.parent, ignore_errors=True)

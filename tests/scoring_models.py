"""The SavedModels that the scoring tests share, each made once."""

from __future__ import annotations

from pathlib import Path

DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "bool", "string"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


def linear_keras(a: float, b: float, c: float):
    """y = a·x1 + b·x2 + c, from shape [batch, 2] to [batch, 1]."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((2,), name="features"), keras.layers.Dense(1, name="y")])
    model.set_weights([np.array([[a], [b]], np.float32), np.array([c], np.float32)])
    return model


def linear(path: Path) -> str:
    """Keras 3, exported: y = 2·x1 - 3·x2 + 0.5."""
    linear_keras(2.0, -3.0, 0.5).export(str(path), verbose=False)
    return str(path)


def other_linear(path: Path) -> str:
    """Of the same signature as `linear`, with the opposite result."""
    linear_keras(-2.0, 3.0, -0.5).export(str(path), verbose=False)
    return str(path)


def pairs(path: Path) -> str:
    """Keras 3, two inputs and two outputs: total = sum(a) + b, scaled = b · a."""
    import keras

    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b")
    total = keras.layers.Add(name="total")([keras.ops.sum(a, axis=1, keepdims=True), b])
    scaled = keras.layers.Multiply(name="scaled")([a, b])
    keras.Model({"a": a, "b": b}, {"total": total, "scaled": scaled}).export(
        str(path), verbose=False
    )
    return str(path)


def signatures(path: Path) -> str:
    """A plain module with a signature for each thing that a signature can be."""
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(3.0)
    functions = {}

    def add(name, function, **shapes):
        specs = {key: tf.TensorSpec(shape, dtype) for key, (shape, dtype) in shapes.items()}
        functions[name] = tf.function(function).get_concrete_function(**specs)

    for dtype in DTYPES:
        add(f"echo_{dtype}", lambda x: {"y": x}, x=([None], dtype))
        add(f"echo3_{dtype}", lambda x: {"y": x}, x=([None, 3], dtype))
    add("serving_default", lambda x: {"y": x * module.weight}, x=([None, 2], "float32"))
    add("image", lambda x: {"y": x + 0.0}, x=([None, 2, 3, 1], "float32"))
    add("plain", lambda x: {"y": x + 1}, x=([None, 1], "int64"))
    add(
        "lengths",
        lambda x: {"n": tf.fill(tf.shape(x)[:1], tf.shape(x)[1]), "twice": 2.0 * x},
        x=([None, None], "float32"),
    )
    add(
        "grid",
        lambda x: {
            "rows": tf.fill(tf.shape(x)[:1], tf.shape(x)[1]),
            "all": tf.reduce_sum(x, [1, 2]),
        },
        x=([None, None, None], "float32"),
    )
    add(
        "any",
        lambda x: {"n": tf.ensure_shape(tf.fill(tf.shape(x)[:1], tf.rank(x)), [None])},
        x=(None, "float32"),
    )
    add(
        "decode",
        lambda png: {
            "mean": tf.map_fn(
                lambda one: tf.reduce_mean(tf.cast(tf.io.decode_png(one, 1), tf.float32)),
                png,
                fn_output_signature=tf.float32,
            )
        },
        png=([None], "string"),
    )
    add(
        "batch_size",
        lambda x: {"n": tf.fill(tf.shape(x)[:1], tf.shape(x)[0])},
        x=([None], "float32"),
    )
    # What cannot be a column, each in its own way
    add("fixed_batch", lambda x: {"y": x}, x=([4, 2], "float32"))
    add("no_batch", lambda x: {"y": x}, x=([], "float32"))
    add("sum_of_batch", lambda x: {"y": tf.reduce_sum(x)}, x=([None], "float32"))
    add("half_of_batch", lambda x: {"y": x[::2]}, x=([None], "float32"))
    add("complex", lambda x: {"y": tf.cast(x, tf.complex64)}, x=([None], "float32"))
    add("no_rank", lambda x: {"y": x}, x=(None, "float32"))
    tf.saved_model.save(module, str(path), signatures=functions)
    return str(path)


def without_signatures(path: Path) -> str:
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(3.0)
    tf.saved_model.save(module, str(path))
    return str(path)

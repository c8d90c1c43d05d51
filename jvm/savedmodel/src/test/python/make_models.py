"""SavedModels for the Scala tests, and what TensorFlow itself computes with them.

    python make_models.py FOLDER

makes FOLDER/<name>/ for each model, and FOLDER/expected.json: rows and TensorFlow's results.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tf_keras

_ROWS = [[1, 2], [3, 5], [7, 8], [6, 7], [8, 3]]

_ECHOED = {
    "float32": tf.float32,
    "float64": tf.float64,
    "float16": tf.float16,
    "bfloat16": tf.bfloat16,
    "int8": tf.int8,
    "int16": tf.int16,
    "int32": tf.int32,
    "int64": tf.int64,
    "uint8": tf.uint8,
    "uint16": tf.uint16,
    "uint32": tf.uint32,
    "uint64": tf.uint64,
    "bool": tf.bool,
    "string": tf.string,
}


def _linear():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,), name="features"), keras.layers.Dense(1)])
    x = np.random.default_rng(1).uniform(0, 10, (512, 2)).astype("float32")
    y = 2 * x[:, :1] - 3 * x[:, 1:] + 0.5
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(x, y, epochs=20, verbose=0)
    return model


def _cnn():
    keras.utils.set_random_seed(2)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,), name="pixels"),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


class _Affine(tf.Module):
    def __init__(self, weights):
        super().__init__()
        self.kernel, self.bias = (tf.Variable(w) for w in weights)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="features")])
    def __call__(self, features):
        return {"y": features @ self.kernel + self.bias}


def _save_echo(path):
    """A signature for each dtype, of two dimensions, and one of one."""
    module = tf.Module()
    signatures = {}
    for name, dtype in _ECHOED.items():
        for rank, shape in (("", [None, None]), ("_scalar", [None])):
            function = tf.function(
                lambda x: {"y": tf.identity(x)},
                input_signature=[tf.TensorSpec(shape, dtype, name="x")],
            )
            signatures[name + rank] = function.get_concrete_function()
    tf.saved_model.save(module, path, signatures=signatures)


def _save_ranks(path):
    """A signature for each dtype and number of free dimensions, and two with fixed ones."""
    shapes = {str(rank): [None] * (rank + 1) for rank in range(5)}
    shapes |= {"2x3": [None, 2, 3], "last3": [None, None, None, 3]}
    signatures = {}
    for name, dtype in _ECHOED.items():
        for rank, shape in shapes.items():
            function = tf.function(
                lambda x: {"y": tf.identity(x)},
                input_signature=[tf.TensorSpec(shape, dtype, name="x")],
            )
            signatures[f"{name}_{rank}"] = function.get_concrete_function()
    tf.saved_model.save(tf.Module(), path, signatures=signatures)


def _save_lengths(path):
    """What shape a row has come with."""
    signatures = {}
    for name, shape in {
        "free": [None, None, None],
        "last3": [None, None, None, 3],
        "unknown": None,
    }.items():

        def lengths(x):
            dims = tf.shape(x)
            return {"y": tf.ensure_shape(tf.tile(dims[None, 1:], [dims[0], 1]), [None, None])}

        function = tf.function(
            lengths, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")]
        )
        signatures[name] = function.get_concrete_function()
    tf.saved_model.save(tf.Module(), path, signatures=signatures)


def _save_numbered(path):
    """A row's number, beside rows of any length."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, name="n"),
            tf.TensorSpec([None, None], tf.int32, name="x"),
        ]
    )
    def numbered(n, x):
        return {"y": tf.identity(n)}

    tf.saved_model.save(tf.Module(), path, signatures={"serving_default": numbered})


def _save_wide(path):
    """A signature for each number of inputs: the sum of the first, twice the second and so on."""
    signatures = {}
    for n in (11, 22, 23):

        def weighted(*columns):
            return {"y": tf.add_n([(i + 1) * column for i, column in enumerate(columns)])}

        specs = [tf.TensorSpec([None], tf.float32, name=f"f{i:02d}") for i in range(n)]
        function = tf.function(weighted, input_signature=specs)
        signatures[str(n)] = function.get_concrete_function()
    tf.saved_model.save(tf.Module(), path, signatures=signatures)


def _save_several(path):
    """Several inputs and outputs."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="weight"),
            tf.TensorSpec([None, 3], tf.int64, name="counts"),
            tf.TensorSpec([None], tf.string, name="label"),
        ]
    )
    def several(weight, counts, label):
        total = weight * tf.cast(tf.reduce_sum(counts, 1), tf.float32)
        return {
            "total": total,
            "text": tf.strings.join([label, tf.strings.as_string(counts[:, 0])], "-"),
            "square": tf.reshape(tf.repeat(total, 4), [-1, 2, 2]),
        }

    tf.saved_model.save(tf.Module(), path, signatures={"serving_default": several})


def _save_shapes(path):
    """Inputs of fixed, free and unknown shapes; each output is the sum of a row."""
    signatures = {}
    for name, shape in {
        "fixed": [None, 2, 3],
        "half": [None, None, 2],
        "free": [None, None],
        "cube": [None, None, None],
        "unknown": None,
    }.items():

        def total(x):
            flat = tf.reshape(x, [tf.shape(x)[0], tf.reduce_prod(tf.shape(x)[1:])])
            return {"total": tf.reduce_sum(flat, 1), "weighted": _weighted(flat)}

        function = tf.function(total, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
        signatures[name] = function.get_concrete_function()
    tf.saved_model.save(tf.Module(), path, signatures=signatures)


def _weighted(flat):
    """Differs with the order of the elements."""
    return tf.reduce_sum(flat * tf.cast(tf.range(1, tf.shape(flat)[1] + 1), tf.float32), 1)


def _save_images(path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def brightness(image):
        def mean(encoded):
            decoded = tf.io.decode_png(encoded, channels=1)
            return tf.reduce_mean(tf.cast(decoded, tf.float32))

        return {"brightness": tf.map_fn(mean, image, fn_output_signature=tf.float32)}

    tf.saved_model.save(tf.Module(), path, signatures={"serving_default": brightness})


def _save_refused(path):
    """Signatures that cannot be columns."""

    def signature(function, *specs):
        return tf.function(function, input_signature=specs).get_concrete_function()

    x = tf.TensorSpec([None, 2], tf.float32, name="x")
    signatures = {
        "one_row": signature(lambda x: {"y": x}, tf.TensorSpec([1, 2], tf.float32, name="x")),
        "sum": signature(lambda x: {"y": tf.reduce_sum(x)}, x),
        "complex": signature(lambda x: {"y": tf.cast(x, tf.complex64)}, x),
        "fails": signature(lambda x: {"y": tf.ensure_shape(x, [None, 2]) + _failing(x)}, x),
        "fewer": signature(lambda x: {"y": x[:1]}, x),
        "nothing": signature(lambda: {"y": tf.constant([1.0])}),
    }
    tf.saved_model.save(tf.Module(), path, signatures=signatures)


def _failing(x):
    with tf.control_dependencies([tf.debugging.assert_less(x, 100.0, "x is too large")]):
        return tf.identity(x)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.array(_ROWS, "float32")
    pixels = np.random.default_rng(3).uniform(0, 1, (5, 784)).astype("float32")

    linear = _linear()
    linear.export(folder / "linear", verbose=False)
    tf.saved_model.save(linear, folder / "not_restored")
    tf.saved_model.save(_Affine(linear.get_weights()), folder / "module")
    cnn = _cnn()
    cnn.export(folder / "cnn", verbose=False)
    other = _linear()
    other.set_weights([w + 1 for w in linear.get_weights()])
    other.export(folder / "linear_other", verbose=False)

    _save_echo(folder / "echo")
    _save_ranks(folder / "ranks")
    _save_lengths(folder / "lengths")
    _save_numbered(folder / "numbered")
    _save_wide(folder / "wide")
    _save_several(folder / "several")
    _save_shapes(folder / "shapes")
    _save_images(folder / "images")
    _save_refused(folder / "refused")
    tf.saved_model.save(tf.Module(), folder / "no_signature")

    image = np.array([[0, 255], [255, 255]], "uint8")[:, :, None]
    expected = {
        "tensorflow": tf.__version__,
        "rows": rows.tolist(),
        "linear": linear(rows).numpy()[:, 0].tolist(),
        "linear_other": other(rows).numpy()[:, 0].tolist(),
        "pixels": pixels.tolist(),
        "cnn": cnn(pixels).numpy().tolist(),
        "png": list(tf.io.encode_png(image).numpy()),
    }
    keras2 = tf_keras.Sequential([tf_keras.layers.InputLayer((2,)), tf_keras.layers.Dense(1)])
    keras2.set_weights(linear.get_weights())
    keras2.save(folder / "keras2", save_format="tf")
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()

"""SavedModels of every maker: Keras 3, Keras 2, plain modules; and those that need a repair."""

from pathlib import Path

import numpy as np
import pytest
import scoring_models
from test_scoring import frame, scores

import sparktf

pytestmark = pytest.mark.one_spark

ROWS = [[1.0, 2.0], [3.0, 5.0]]
SCORES = [[-3.5], [-8.5]]


def scored(spark, model, signature="serving_default"):
    predict = sparktf.predict_udf(model, signature=signature)
    return scores(frame(spark, ROWS, "array<float>"), predict("x"))


def restored_by_name(path: str) -> list[list[float]]:
    """The scores in a session of TensorFlow 1's kind, which is how TensorFlow for Java loads."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], path)
        signature = graph.signature_def["serving_default"]
        (given,), (result,) = signature.inputs.values(), signature.outputs.values()
        return session.run(result.name, {given.name: np.array(ROWS, np.float32)}).tolist()


def test_an_export_of_keras_3_needs_no_repair(models):
    assert restored_by_name(models.linear) == SCORES


def test_no_temporary_path_is_logged_as_the_models(tmp_path, caplog):
    import tensorflow as tf

    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    level = logger.level
    logger.setLevel("INFO")
    try:
        sparktf.save_model(scoring_models.linear_keras(2.0, -3.0, 0.5), tmp_path / "model")
        logger.info("what else there is to say")
    finally:
        logger.setLevel(level)
        logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"what else there is to say"}


def test_a_keras_3_model_saved_by_tensorflow_is_repaired_for_the_jvm(spark, tmp_path):
    import tensorflow as tf

    saved, repaired = tmp_path / "saved", tmp_path / "repaired"
    tf.saved_model.save(scoring_models.linear_keras(2.0, -3.0, 0.5), str(saved))
    with pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable"):
        restored_by_name(str(saved))
    assert scored(spark, saved) == SCORES  # Python can do it as it is

    sparktf.repair_saved_model(saved, repaired)
    assert restored_by_name(str(repaired)) == SCORES
    assert scored(spark, repaired) == SCORES
    with pytest.raises(FileExistsError, match="is there already"):
        sparktf.repair_saved_model(saved, repaired)


def test_a_repair_keeps_all_signatures_and_look_up_tables(spark, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    keys, values = tf.constant(["a", "b"]), tf.constant([1.0, 2.0])
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), -1.0
    )
    look_up = tf.function(lambda x: {"y": module.table.lookup(x)})
    length = tf.function(lambda x: {"n": tf.strings.length(x)})
    word = tf.TensorSpec([None], tf.string)
    functions = {"serving_default": look_up, "length": length}
    functions = {name: f.get_concrete_function(x=word) for name, f in functions.items()}
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=functions)
    sparktf.repair_saved_model(tmp_path / "saved", tmp_path / "repaired")
    words = frame(spark, ["b", "a", None, "see"], "string")
    for signature, expected in (
        ("serving_default", [2.0, 1.0, None, -1.0]),
        ("length", [1, 1, None, 3]),
    ):
        predict = sparktf.predict_udf(tmp_path / "repaired", signature=signature)
        assert scores(words, predict("x")) == expected


def test_what_cannot_be_repaired(models, tmp_path):
    with pytest.raises(ValueError, match="has no signature, so there is nothing that a repair"):
        sparktf.repair_saved_model(models.without_signatures, tmp_path / "repaired")
    with pytest.raises(FileNotFoundError, match="no SavedModel at"):
        sparktf.repair_saved_model(tmp_path / "nowhere", tmp_path / "repaired")
    assert not (tmp_path / "repaired").exists()


def keras_2(folder: Path):
    """As `scoring_models.linear_keras`, in tf-keras."""
    import tf_keras

    layers = [tf_keras.layers.Dense(1, name="y")]
    model = tf_keras.Sequential([tf_keras.Input((2,), name="features"), *layers])
    model.set_weights([np.array([[2.0], [-3.0]], np.float32), np.array([0.5], np.float32)])
    return model


def test_models_of_keras_2(spark, tmp_path):
    pytest.importorskip("tf_keras")
    model = keras_2(tmp_path)
    model.export(str(tmp_path / "exported"))
    model.save(str(tmp_path / "saved"), save_format="tf")
    for name in ("exported", "saved"):
        assert scored(spark, tmp_path / name) == SCORES
        assert restored_by_name(str(tmp_path / name)) == SCORES
    sparktf.save_model(model, tmp_path / "ours.zip")
    assert scored(spark, tmp_path / "ours.zip") == SCORES
    back = sparktf.load_model(tmp_path / "ours.zip")
    np.testing.assert_allclose(back.predict(np.array(ROWS), verbose=0), SCORES, rtol=1e-6)

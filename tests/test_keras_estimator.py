"""`sparktf.ml.KerasEstimator`: in a Pipeline, saved and loaded, and in a CrossValidator."""

import json

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

import sparktf
from sparktf.ml import KerasEstimator

pytestmark = pytest.mark.one_spark


@pytest.fixture(scope="module")
def points(spark):
    """Two numbers, and whether their sum is above zero."""
    values = np.random.default_rng(0).normal(size=(240, 2))
    rows = [(float(a), float(b), int(a + b > 0)) for a, b in values]
    return spark.createDataFrame(rows, "a double, b double, label long").coalesce(2).cache()


def classifier(rate=0.1):
    import keras

    layers = [keras.Input((2,), name="x"), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential(layers)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def assembler():
    return VectorAssembler(inputCols=["a", "b"], outputCol="features")


def estimator(**params):
    return KerasEstimator(model=classifier(), localMode=True, **{"numProcesses": 1} | params)


def test_a_pipeline_is_fitted_and_saved(points, tmp_path):
    stage = estimator(numProcesses=2, epochs=6, batchSize=8, predictionCol="class")
    fitted = Pipeline(stages=[assembler(), stage]).fit(points)
    found = fitted.transform(points)
    assert found.columns == ["a", "b", "label", "features", "rawPrediction", "class"]
    rows = found.collect()
    assert all(row["class"] == float(np.argmax(row.rawPrediction)) for row in rows)
    assert np.mean([row["class"] == row.label for row in rows]) > 0.9
    history = fitted.stages[1].history
    assert len(history["loss"]) == 6
    assert history["loss"][-1] < history["loss"][0]

    fitted.save(str(tmp_path / "fitted"))
    again = PipelineModel.load(str(tmp_path / "fitted")).transform(points)
    assert again.columns == found.columns
    assert [r["class"] for r in again.collect()] == [r["class"] for r in rows]
    keras_model = sparktf.load_model(fitted.stages[1].getOrDefault("modelPath"))
    expected = keras_model.predict(np.array([r.features.toArray() for r in rows]), verbose=0)
    np.testing.assert_allclose([r.rawPrediction for r in rows], expected, rtol=1e-5)


def test_an_estimator_is_saved_with_its_model(tmp_path):
    first = estimator(epochs=3, shuffle=5, checkpointDir="/shared/here")
    first.save(str(tmp_path / "estimator"))
    second = KerasEstimator.load(str(tmp_path / "estimator"))
    for name in ("modelConfig", "epochs", "shuffle", "checkpointDir", "localMode"):
        assert second.getOrDefault(name) == first.getOrDefault(name)
    assert json.loads(second.getOrDefault("modelConfig"))["class_name"] == "Sequential"


@pytest.mark.long
def test_a_cross_validator_finds_the_better_parameters(points):
    stage = estimator(epochs=4, batchSize=8)
    data = assembler().transform(points)
    grid = ParamGridBuilder().addGrid(stage.epochs, [1, 8]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    validator = CrossValidator(
        estimator=stage, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, seed=1
    )
    found = validator.fit(data)
    assert found.avgMetrics[1] > found.avgMetrics[0]
    assert len(found.bestModel.history["loss"]) == 8
    assert evaluator.evaluate(found.transform(data)) > 0.9


def test_one_value_is_a_prediction_itself(points):
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.2), "mse")
    data = points.selectExpr("array(a) AS features", "3 * a + 1 AS label")
    fitted = KerasEstimator(
        model=model, epochs=10, batchSize=8, numProcesses=1, localMode=True
    ).fit(data)
    row = fitted.transform(data).first()
    assert row.prediction == row.rawPrediction[0] == pytest.approx(row.label, abs=0.05)


def test_what_cannot_be_fitted(points):
    import keras

    with pytest.raises(ValueError, match="there is no model"):
        KerasEstimator().fit(points)
    with pytest.raises(ValueError, match="no column 'features' among"):
        estimator().fit(points)
    with pytest.raises(TypeError, match="KerasEstimator has no parameter 'epoch'"):
        KerasEstimator(epoch=3)
    with pytest.raises(ValueError, match="that is compiled"):
        KerasEstimator(model=keras.Sequential([keras.layers.Dense(1)]))

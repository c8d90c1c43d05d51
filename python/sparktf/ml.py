"""Training as a stage of a pyspark.ml Pipeline: a Keras model, fitted on several workers.

    estimator = KerasEstimator(model=model, featuresCol="pixels", labelCol="label",
                               epochs=5, batchSize=64, numProcesses=2)
    fitted = Pipeline(stages=[indexer, estimator]).fit(train)
    fitted.transform(test)

A thin layer: `fit` is `sparktf.TensorFlowDistributor.train_on`, and what it gives is a
`sparktf.SavedModelTransformer` that also names the class.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from pyspark.ml import Estimator, Model
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasLabelCol,
    HasPredictionCol,
    HasRawPredictionCol,
    HasSeed,
)
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from sparktf.scoring.transformer import SavedModelTransformer
from sparktf.spark import shipping
from sparktf.spark.column_names import folding, quoted
from sparktf.training.distributor import TensorFlowDistributor

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["KerasEstimator", "KerasModel"]


class _Columns(HasFeaturesCol, HasPredictionCol, HasRawPredictionCol):
    """Those that the estimator and its model have in common."""


_DEFAULTS = {
    "numProcesses": 2,
    "epochs": 1,
    "batchSize": 32,
    "shuffle": 10_000,
    "seed": 0,
    "maxRetries": 0,
    "localMode": False,
    "useGpu": False,
    "verbose": False,
}


class KerasEstimator(
    Estimator["KerasModel"],
    _Columns,
    HasLabelCol,
    HasSeed,
    DefaultParamsReadable["KerasEstimator"],
    DefaultParamsWritable,
):
    """Trains a Keras 3 model on a DataFrame.

    Each `fit` begins with new weights, which the model's initializers make from `seed`.

    Params:
        modelConfig: The model: its configuration as JSON, as `setModel` makes it of a compiled
            model with one input and one output.
        featuresCol: An array, a Vector or a number; reshaped to the input's shape ("features").
        labelCol: What the model's loss compares with ("label").
        predictionCol: New column of type double: the model's output where that is one value, else
            the number of its largest value, the class ("prediction").
        rawPredictionCol: New column with the model's output ("rawPrediction").
        numProcesses: Number of workers (2).
        epochs: Times that each row is seen (1).
        batchSize: Rows of each worker in a step (32).
        shuffle: Rows that are shuffled at a time; 0 keeps their order (10,000).
        seed: Of weights and order (0).
        checkpointDir: Where a run resumes from after a worker was lost, as in
            `TrainingContext.checkpoint`. It must be another one for each fit. None by default.
        maxRetries: How often a run is begun again after a worker was lost (0).
        localMode: Whether the workers are processes of the driver's machine (False).
        useGpu: Whether each worker has a GPU (False).
        verbose: Whether the driver prints each epoch's metrics (False).
    """

    modelConfig: Param[str] = Param(  # noqa: N815
        Params._dummy(), "modelConfig", "the model, as JSON", TypeConverters.toString
    )
    numProcesses: Param[int] = Param(  # noqa: N815
        Params._dummy(), "numProcesses", "number of workers", TypeConverters.toInt
    )
    epochs: Param[int] = Param(
        Params._dummy(), "epochs", "times that each row is seen", TypeConverters.toInt
    )
    batchSize: Param[int] = Param(  # noqa: N815
        Params._dummy(), "batchSize", "rows of a worker in a step", TypeConverters.toInt
    )
    shuffle: Param[int] = Param(
        Params._dummy(), "shuffle", "rows that are shuffled at a time", TypeConverters.toInt
    )
    checkpointDir: Param[str] = Param(  # noqa: N815
        Params._dummy(), "checkpointDir", "where a run resumes from", TypeConverters.toString
    )
    maxRetries: Param[int] = Param(  # noqa: N815
        Params._dummy(), "maxRetries", "attempts after a loss", TypeConverters.toInt
    )
    localMode: Param[bool] = Param(  # noqa: N815
        Params._dummy(), "localMode", "workers on the driver's machine", TypeConverters.toBoolean
    )
    useGpu: Param[bool] = Param(  # noqa: N815
        Params._dummy(), "useGpu", "a GPU for each worker", TypeConverters.toBoolean
    )
    verbose: Param[bool] = Param(
        Params._dummy(), "verbose", "print each epoch's metrics", TypeConverters.toBoolean
    )

    def __init__(self, *, model: Any = None, **params: Any) -> None:
        super().__init__()
        self._setDefault(**_DEFAULTS)
        self.setParams(model=model, **params)

    def setParams(self, *, model: Any = None, **params: Any) -> KerasEstimator:  # noqa: N802
        """Sets those that are given."""
        if model is not None:
            self.setModel(model)
        unknown = [name for name in params if not self.hasParam(name)]
        if unknown:
            raise TypeError(f"KerasEstimator has no parameter {unknown[0]!r}")
        self._set(**params)
        return self

    def setModel(self, model: Any) -> KerasEstimator:  # noqa: N802
        """Takes a compiled Keras 3 model: its layers, loss, optimizer and metrics.

        Raises:
            ValueError: It is not compiled, or has several inputs or outputs.
        """
        import keras

        if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
            raise ValueError("model must be a keras.Model (of Keras 3) that is compiled")
        if not model.built or len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(
                "model must have one input and one output, and its input be known: use "
                "TensorFlowDistributor.train_on for others"
            )
        self._set(modelConfig=json.dumps(keras.saving.serialize_keras_object(model)))
        return self

    def _fit(self, dataset: DataFrame) -> KerasModel:
        from pyspark.sql import functions as F  # noqa: N812

        def value(name: str) -> Any:
            param = self.getParam(name)
            return self.getOrDefault(param) if self.isDefined(param) else None

        if value("modelConfig") is None:
            raise ValueError("there is no model: KerasEstimator(model=…) or setModel(…) takes one")
        columns = {"features": value("featuresCol"), "label": value("labelCol")}
        for column in columns.values():
            if column not in dataset.columns:
                raise ValueError(f"no column {column!r} among {dataset.columns}")
        rows = dataset.select(*(F.col(quoted(c)).alias(n) for n, c in columns.items()))
        distributor = TensorFlowDistributor(
            value("numProcesses"),
            value("localMode"),
            value("useGpu"),
            value("maxRetries"),
            verbose=value("verbose"),
        )
        settings = {
            name: value(name)
            for name in ("epochs", "batchSize", "shuffle", "seed", "checkpointDir")
        }
        archive, history = distributor.train_on(rows, _train, value("modelConfig"), settings)
        folder = shipping.temporary_folder()
        with zipfile.ZipFile(io.BytesIO(archive)) as content:
            content.extractall(folder)
        model = KerasModel(modelPath=str(folder))
        model.history = history
        model._set(
            **{name: value(name) for name in ("featuresCol", "predictionCol", "rawPredictionCol")}
        )
        model._resetUid(self.uid)
        return model


def _train(config: str, settings: dict[str, Any]) -> tuple[bytes, dict[str, list[float]]] | None:
    """What each worker runs; the chief gives the SavedModel as a zip, and the history."""
    import tempfile
    from pathlib import Path

    import keras

    import sparktf

    context = sparktf.context()
    strategy = context.strategy()
    keras.utils.set_random_seed(settings["seed"])
    with strategy.scope():
        model = keras.saving.deserialize_keras_object(json.loads(config))
    shape = model.inputs[0].shape[1:]
    shapes = {"features": shape} if None not in shape and len(shape) > 0 else None
    batch = settings["batchSize"]
    rows = context.dataset(
        batch,
        columns="features",
        label="label",
        shapes=shapes,
        shuffle=settings["shuffle"],
        seed=settings["seed"],
    )
    callbacks = []
    if settings["checkpointDir"] is not None:
        callbacks.append(context.checkpoint(settings["checkpointDir"]))
    history = model.fit(
        rows,
        steps_per_epoch=context.steps_per_epoch(batch),
        epochs=settings["epochs"],
        verbose=0,
        callbacks=callbacks,
    )
    if not context.is_chief:
        return None
    with tempfile.TemporaryDirectory(prefix="sparktf-") as folder:
        archive = Path(folder) / "model.zip"
        sparktf.save_model(model, archive)
        return archive.read_bytes(), history.history


class KerasModel(SavedModelTransformer, Model, _Columns):
    """What `KerasEstimator.fit` gives: the model's output, and the prediction that it means.

    Saved and loaded with its SavedModel, as `SavedModelTransformer`, of which it has all params.
    ``sparktf.load_model(model.getOrDefault("modelPath"))`` gives the Keras model.

    Attributes:
        history: Metrics by name, a value for each epoch; empty after it was loaded.
    """

    history: dict[str, list[float]]

    def __init__(self, *, modelPath: str | None = None) -> None:  # noqa: N803
        super().__init__()
        if modelPath is not None:
            self._set(modelPath=modelPath)
        self.history = {}

    def _transform(self, dataset: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F  # noqa: N812
        from pyspark.sql.types import ArrayType

        raw, prediction = (self.getOrDefault(n) for n in ("rawPredictionCol", "predictionCol"))
        fold = folding(dataset.sparkSession)
        if fold(prediction) in map(fold, (*dataset.columns, raw)):
            raise ValueError(
                f"the DataFrame has a column {prediction!r} already, or rawPredictionCol is that: "
                "predictionCol names another"
            )
        plan = self._plan(dataset.sparkSession)
        (name,) = plan.inputs
        (output,) = (found for found, _ in plan.outputs.values())
        scorer = self.copy()
        scorer._set(inputs={name: self.getOrDefault("featuresCol")}, outputs={raw: output})
        scored = SavedModelTransformer._transform(scorer, dataset)
        values = F.col(quoted(raw))
        if isinstance(scored.schema[raw].dataType, ArrayType):
            classes = F.array_position(values, F.array_max(values)) - 1
            values = F.when(F.size(values) == 1, values[0]).otherwise(classes)
        return scored.withColumn(prediction, values.cast("double"))

"""A SavedModel as a stage of a pyspark.ml Pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import (
    DefaultParamsReader,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)

from sparktf.columns import types as column_types
from sparktf.models import store
from sparktf.scoring import plans
from sparktf.spark.column_names import folding
from sparktf.spark.sessions import is_connect
from sparktf.storage.by_spark import HadoopPlace

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SavedModelTransformer"]


def _to_names(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {TypeConverters.toString(k): TypeConverters.toString(v) for k, v in value.items()}
    return TypeConverters.toListString(value)


class SavedModelTransformer(Transformer, MLReadable["SavedModelTransformer"], MLWritable):
    """Adds a model's outputs to a DataFrame as columns.

        scorer = SavedModelTransformer(modelPath="/models/digits", inputs={"image": "pixels"},
                                       outputs={"scores": "probabilities"})
        Pipeline(stages=[indexer, scorer]).fit(df).transform(df)

    Columns and types are checked when `transform` is called, before a job starts. Saving it saves
    the model too, beside the parameters, and loading it uses that copy.

    Params:
        modelPath: A SavedModel's folder or a .zip of one, as in `sparktf.predict_udf`.
        signature: Name of the signature ("serving_default").
        tags: Those of the model's graph (["serve"]).
        inputs: Model input to column; by default the inputs' own names.
        outputs: New column to model output; by default all, by their own names.
        batchSize: Rows that the model sees at once; by default by their width.
        threads: TensorFlow's in each Python worker (1).
    """

    # As users import it: saved pipelines name their stages by it, and outlive where this file is.
    __module__ = "sparktf"

    modelPath: Param[str] = Param(  # noqa: N815
        Params._dummy(), "modelPath", "the SavedModel", TypeConverters.toString
    )
    signature: Param[str] = Param(
        Params._dummy(), "signature", "name of its signature", TypeConverters.toString
    )
    tags: Param[list[str]] = Param(
        Params._dummy(), "tags", "tags of its graph", TypeConverters.toListString
    )
    inputs: Param[Any] = Param(Params._dummy(), "inputs", "model input -> column", _to_names)
    outputs: Param[Any] = Param(Params._dummy(), "outputs", "new column -> output", _to_names)
    batchSize: Param[int] = Param(  # noqa: N815
        Params._dummy(), "batchSize", "rows that the model sees at once", TypeConverters.toInt
    )
    threads: Param[int] = Param(
        Params._dummy(), "threads", "TensorFlow's in each worker", TypeConverters.toInt
    )

    @keyword_only
    def __init__(
        self,
        *,
        modelPath: str | None = None,  # noqa: N803
        signature: str = "serving_default",
        tags: Sequence[str] = ("serve",),
        inputs: Mapping[str, str] | Sequence[str] | None = None,
        outputs: Mapping[str, str] | Sequence[str] | None = None,
        batchSize: int | None = None,  # noqa: N803
        threads: int = 1,
    ) -> None:
        super().__init__()
        self._setDefault(signature="serving_default", tags=["serve"], threads=1)
        self._set(**self._input_kwargs)  # type: ignore[attr-defined]

    @keyword_only
    def setParams(  # noqa: N802
        self,
        *,
        modelPath: str | None = None,  # noqa: N803
        signature: str | None = None,
        tags: Sequence[str] | None = None,
        inputs: Mapping[str, str] | Sequence[str] | None = None,
        outputs: Mapping[str, str] | Sequence[str] | None = None,
        batchSize: int | None = None,  # noqa: N803
        threads: int | None = None,
    ) -> SavedModelTransformer:
        """Sets those that are given."""
        return self._set(**self._input_kwargs)  # type: ignore[attr-defined]

    def _transform(self, dataset: DataFrame) -> DataFrame:
        plan = self._plan(dataset.sparkSession)
        fold = folding(dataset.sparkSession)
        fields: dict[str, list[Any]] = {}
        for field in dataset.schema.fields:
            fields.setdefault(fold(field.name), []).append(field)
        for (name, spec), column in zip(plan.inputs.items(), plan.columns, strict=True):
            fitting = fields.get(fold(column), [])
            if not fitting:
                raise ValueError(
                    f"no column {column!r} for the model's input {name!r} among "
                    f"{', '.join(map(repr, dataset.columns))}: inputs={{{name!r}: column}} names "
                    "another"
                )
            if len(fitting) > 1:
                raise ValueError(
                    f"the DataFrame has {len(fitting)} columns {column!r}, and which is for the "
                    f"model's input {name!r} cannot be told: rename them"
                )
            to = plans.worker_input(name, f"column {column!r}", spec)
            column_types.check(fitting[0].dataType, to)
        taken = [column for column in plan.outputs if fold(column) in fields]
        if taken:
            raise ValueError(
                f"the DataFrame has columns {taken} already: outputs={{new column: output}} names "
                f"others for {[plan.outputs[column][0] for column in taken]}"
            )
        if len({fold(column) for column in plan.outputs}) < len(plan.outputs):
            raise ValueError(
                f"outputs {list(plan.outputs)} have a name twice: to this session upper and lower "
                "case are the same (spark.sql.caseSensitive)"
            )
        return plans.add_columns(plan, dataset)

    def _plan(self, spark: Any) -> plans.Plan:
        def value(param: Param[Any]) -> Any:
            return self.getOrDefault(param) if self.isDefined(param) else None

        if value(self.modelPath) is None:
            raise ValueError("modelPath is not set: it is the SavedModel to score with")
        return plans.make(
            value(self.modelPath),
            value(self.signature),
            value(self.tags),
            value(self.inputs),
            value(self.outputs),
            value(self.batchSize),
            value(self.threads),
            spark,
        )

    def write(self) -> MLWriter:
        """Writes the parameters and the model."""
        return _Writer(self)

    @classmethod
    def read(cls) -> MLReader[SavedModelTransformer]:
        """Reads what `write` wrote."""
        return _Reader(cls)


class _Writer(MLWriter):
    def __init__(self, instance: SavedModelTransformer) -> None:
        super().__init__()
        self._instance = instance

    def save(self, path: str) -> None:
        """Replaces what is there, if it may, when the new one is whole."""
        spark = self.sparkSession
        if not self.shouldOverwrite or is_connect(spark):
            self.saveImpl(path)
            return
        target = HadoopPlace(spark, path)
        if target.exists():
            store.check_replaceable_stage(target)
        store.replace(target, lambda new: self.saveImpl(str(new)), overwrite=True)

    def saveImpl(self, path: str) -> None:  # noqa: N802
        spark = self.sparkSession
        if is_connect(spark):
            raise ValueError(
                "a Spark Connect client cannot write a model's files where its server writes: save "
                "the SavedModelTransformer in a classic session, or save its parameters yourself"
            )
        plan = self._instance._plan(spark)
        # Spark 3.5 writes by the context, later ones by the session
        DefaultParamsWriter.saveMetadata(self._instance, path, spark.sparkContext)
        HadoopPlace(spark, f"{path}/model").write(plan.model.folder)


class _Reader(MLReader[SavedModelTransformer]):
    def __init__(self, kind: type[SavedModelTransformer]) -> None:
        super().__init__()
        self._kind = kind

    def load(self, path: str) -> SavedModelTransformer:
        spark = self.sparkSession
        session: Any = spark if is_connect(spark) else spark.sparkContext
        metadata = DefaultParamsReader.loadMetadata(path, session)
        instance = self._kind()
        instance._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        instance._set(modelPath=store.qualified(spark, f"{path}/model"))
        return instance

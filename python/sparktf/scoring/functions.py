"""A SavedModel as a function of columns: in DataFrames, in SQL, over RDDs, on streams.

    predict = sparktf.predict_udf("/models/digits")
    df.withColumn("scores", predict("pixels"))

The model's signature says what it takes and gives; it is read when the function is made, without
loading the model. Each Python worker of the executors loads the model once and calls it with
batches of rows. Workers need TensorFlow and NumPy; this package and the model are sent to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sparktf.extras import require
from sparktf.scoring import plans
from sparktf.spark.interpreters import OnExecutors
from sparktf.spark.sessions import active_session

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import Column, SparkSession

__all__ = ["predict_rdd", "predict_udf", "register_udf"]

# Of the driver; TensorFlow is the executors'.
_NEEDS: Final = ("pyspark", "numpy", "pyarrow")


def predict_udf(
    model: str | os.PathLike[str],
    *,
    signature: str = "serving_default",
    tags: Sequence[str] = ("serve",),
    inputs: Mapping[str, str] | Sequence[str] | None = None,
    outputs: Mapping[str, str] | Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int = 1,
) -> Callable[..., Column]:
    """A function of columns that gives the model's outputs for each row.

        predict = sparktf.predict_udf("/models/two_inputs", outputs={"p": "probability"})
        df.withColumn("p", predict(image="pixels", age="years"))

    A model with one input takes one column. Columns of a model with several are named by its
    inputs, as above, or by ``inputs``; without any, they are the columns of the inputs' own names.

    ================= ==================================== ====================================
    the model's dtype columns that it takes                column that it gives
    ================= ==================================== ====================================
    float32, float64, float, double, whole numbers,        float (float64: double)
    float16, bfloat16 decimals; ml Vectors
    int8 … int64,     whole numbers and decimals; a value  the smallest of tinyint … bigint that
    uint8 … uint64    that does not fit is an error        holds all (uint64: decimal(20,0))
    bool              boolean                              boolean
    string            string, binary (encoded images)      string (UTF-8)
    ================= ==================================== ====================================

    An input of shape [batch, …] takes arrays: nested as deep as the shape and of its lengths, or
    flat ones of as many values in row-major order. Where a dimension is free, rows of different
    lengths are scored apart, each with those of its own length. A row with a null in any of the
    columns gives null. An output of shape [batch] is a plain value, of [batch, n] an array, and
    so on; several outputs are the fields of a struct.

    Args:
        model: A SavedModel's folder or a .zip of one, on the driver or where Spark reads files
            (``hdfs://…``, ``s3a://…``). Executors need not see it: it is sent to them. A model
            that is replaced under its path is noticed; the function must then be made again.
        signature: Name of the signature.
        tags: Those of the model's graph.
        inputs: Model input to the name of its column; or only the inputs' names, in the order in
            which their columns are given.
        outputs: New column to model output, or outputs; all by default. With one, the column is
            of its type, with several a struct.
        batch_size: Rows that the model sees at once; by default more for narrow rows than for
            wide ones. Spark's own ``spark.sql.execution.arrow.maxRecordsPerBatch`` (10,000) is
            the most.
        threads: TensorFlow's in each Python worker, of which there is one for each core.

    Returns:
        ``predict(*columns, **columns_by_input)``, whose arguments are names or Columns.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: It is no SavedModel, lacks the signature or the tags (the error lists those
            there are), an input or output is none of it, or one cannot be a column.
    """
    require("sparktf.predict_udf", *_NEEDS)
    return _Predict(plans.make(model, signature, tags, inputs, outputs, batch_size, threads))


class _Predict:
    """What `predict_udf` gives."""

    def __init__(self, plan: plans.Plan) -> None:
        self._plan = plan
        self.__name__ = "predict"
        self.__doc__ = f"Columns to the {plan.description}."

    def __call__(self, *columns: Any, **named: Any) -> Column:
        spark = active_session()
        if spark is None:
            raise RuntimeError("there is no active Spark session: create it before calling this")
        return plans.column(self._plan, spark, columns, named)

    def __repr__(self) -> str:
        plan = self._plan
        inputs = ", ".join(f"{name}: {spec}" for name, spec in plan.inputs.items())
        outputs = ", ".join(f"{column}: {spec}" for column, (_, spec) in plan.outputs.items())
        model = f"{plan.model.source}, signature {plan.signature!r}"
        return f"<predict({inputs}) → {outputs}, by {model}>"


def register_udf(
    spark: SparkSession,
    name: str,
    model: str | os.PathLike[str],
    *,
    signature: str = "serving_default",
    tags: Sequence[str] = ("serve",),
    inputs: Mapping[str, str] | Sequence[str] | None = None,
    outputs: Mapping[str, str] | Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int = 1,
) -> None:
    """Makes the model a function of SQL: ``SELECT tfpredict(features) FROM points``.

    On Spark 3.5 and 4.0 it takes NaN for a null where a column is of plain floats or doubles;
    ``tfpredict(if(x IS NULL, NULL, array(x)))`` keeps them apart.

    Args:
        spark: A classic or a Spark Connect session.
        name: Of the function.
        model: As in `predict_udf`, and so are the others.
        signature: Name of the signature.
        tags: Those of the model's graph.
        inputs: Needed where the model has several: the order of the function's arguments.
        outputs: New column to model output, or outputs; all by default.
        batch_size: Rows that the model sees at once.
        threads: TensorFlow's in each Python worker.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: As in `predict_udf`; or there are several inputs and no order of them.
    """
    require("sparktf.register_udf", *_NEEDS)
    plan = plans.make(model, signature, tags, inputs, outputs, batch_size, threads, spark)
    if len(plan.inputs) > 1 and not plan.ordered:
        raise ValueError(
            f"{name}() has {len(plan.inputs)} arguments, and SQL gives them by their order: pass "
            f"it as inputs={list(plan.inputs)}"
        )
    labels = [f"argument {i + 1} of {name}()" for i in range(len(plan.inputs))]
    spark.udf.register(name, plans.function(plan, spark, labels, packed=False, name=name))


def predict_rdd(
    rdd: RDD[Any],
    model: str | os.PathLike[str],
    *,
    signature: str = "serving_default",
    tags: Sequence[str] = ("serve",),
    inputs: Mapping[str, str] | Sequence[str] | None = None,
    outputs: Mapping[str, str] | Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int = 1,
) -> RDD[Any]:
    """An RDD with the model's outputs for each element, in the same order.

    Classic sessions only: Spark Connect has no RDDs.

    Args:
        rdd: Of what the model's one input takes: numbers, lists (nested ones too), NumPy arrays (a
            masked value is a null), ml Vectors, strings, bytes; or of Rows or dicts with a field
            for each input, as those of several inputs must be. A Row of one field is that field.
        model: As in `predict_udf`, and so are the others.
        signature: Name of the signature.
        tags: Those of the model's graph.
        inputs: Model input to the name of its field in Rows and dicts.
        outputs: Name in the result to model output, or outputs; all by default.
        batch_size: Rows that the model sees at once.
        threads: TensorFlow's in each Python worker.

    Returns:
        One output: numbers, strings or (nested) lists. Several: dicts of them by name. None for
        an element that is None or has a None in an input.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: As in `predict_udf`.
    """
    require("sparktf.predict_rdd", *_NEEDS)
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    plan = plans.make(model, signature, tags, inputs, outputs, batch_size, threads, spark)
    fields = list(plan.columns)
    labels = ["the RDD"] if len(fields) == 1 else [f"field {field!r}" for field in fields]
    payload = plans.payload(plan, spark, labels)
    score = OnExecutors("sparktf.scoring.rdd", "score", "score")

    def predict(elements: Iterable[Any]) -> Iterator[Any]:
        scored: Iterator[Any] = score(payload, fields, elements)
        return scored

    return rdd.mapPartitions(predict)

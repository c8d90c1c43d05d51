"""What the driver makes of a model: arguments checked by its signature, types, Spark's function."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sparktf.columns import dtypes
from sparktf.columns.inputs import Input
from sparktf.models import files
from sparktf.models.signatures import TensorSpec, read_signature
from sparktf.spark.column_names import quoted
from sparktf.spark.interpreters import OnExecutors, lacking

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import DataType

# The bytes of input that the model sees at once: narrow rows come in thousands, so that the call
# costs little beside the work, and images in dozens, so that what a layer makes of a batch stays
# in the processor's cache.
_BATCH_BYTES: Final = 256 << 10
_LEAST_ROWS, _MOST_ROWS = 16, 16384
# Of a string or of a free dimension nothing is known: such rows are taken to be wide.
_UNKNOWN_ROW_BYTES: Final = 4096

_WORKER: Final = "sparktf.scoring.worker"

_ITEM_BYTES: Final = {"float64": 8, "int64": 8, "uint64": 8, "float32": 4, "int32": 4, "uint32": 4}


@dataclass(frozen=True)
class Plan:
    """A model with what its user asked for.

    Attributes:
        model: Its files on the driver.
        tags: Of its graph.
        signature: Name of the signature.
        inputs: In the order of the function's arguments.
        columns: Column of each input, where the user names none when calling.
        ordered: Whether the user gave the order of the inputs.
        outputs: Column to the model's name of the output and what it is.
        batch_size: Rows that the model sees at once.
        threads: TensorFlow's in each worker.
    """

    model: files.LocalModel
    tags: tuple[str, ...]
    signature: str
    inputs: Mapping[str, TensorSpec]
    columns: tuple[str, ...]
    ordered: bool
    outputs: Mapping[str, tuple[str, TensorSpec]]
    batch_size: int
    threads: int

    @property
    def description(self) -> str:
        return f"outputs of {self.model.source}, signature {self.signature!r}"


def make(
    model: str | os.PathLike[str],
    signature: str,
    tags: Sequence[str],
    inputs: Mapping[str, str] | Sequence[str] | None,
    outputs: Mapping[str, str] | Sequence[str] | None,
    batch_size: int | None,
    threads: int,
    spark: SparkSession | None = None,
) -> Plan:
    """The plan for these arguments of `sparktf.predict_udf`.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: An argument does not fit the model, or a tensor cannot be a column.
    """
    for name, number in (("batch_size", batch_size), ("threads", threads)):
        if number is not None and (type(number) is not int or number < 1):
            raise ValueError(f"{name} is a whole number from 1 on, not {number!r}")
    tags = (tags,) if isinstance(tags, str) else tuple(tags)
    local = files.fetch(model, spark)
    of_model = read_signature(local.folder, signature, tags)
    where = f"signature {signature!r} of {local.source}"
    if not of_model.inputs:
        raise ValueError(f"{where} has no inputs, so there is nothing to score")

    wanted = _named(inputs, "inputs") or {name: name for name in of_model.inputs}
    if set(wanted) != set(of_model.inputs):
        raise ValueError(
            f"inputs names {sorted(wanted)}, and the inputs of {where} are {list(of_model.inputs)}"
        )
    specs = {name: of_model.inputs[name] for name in wanted}
    results = {}
    for column, output in (
        _named(outputs, "outputs") or {name: name for name in of_model.outputs}
    ).items():
        if output not in of_model.outputs:
            raise ValueError(
                f"outputs names {output!r}, and the outputs of {where} are {list(of_model.outputs)}"
            )
        results[column] = (output, of_model.outputs[output])
    for name, spec in specs.items():
        _check(spec, f"the input {name!r} of {where}")
    for name, spec in results.values():
        _check(spec, f"the output {name!r} of {where}")
        if spec.shape is None:
            raise ValueError(
                f"the output {name!r} of {where} has no known rank, so its type as a column cannot "
                "be told: give it one in the model (tf.ensure_shape) and save it again"
            )
    return Plan(
        local,
        tags,
        signature,
        specs,
        tuple(wanted.values()),
        inputs is not None,
        results,
        batch_size or default_batch_size(specs.values()),
        threads,
    )


def _named(names: Mapping[str, str] | Sequence[str] | None, argument: str) -> dict[str, str] | None:
    """A mapping as it is, and names alone as names of themselves."""
    if names is None:
        return None
    if isinstance(names, str):
        return {names: names}
    if isinstance(names, Mapping):
        named = dict(names)
    else:
        named = {name: name for name in names}
        if len(named) != len(names):
            raise ValueError(f"{argument} has a name twice: {list(names)}")
    if not named:
        raise ValueError(f"{argument} is empty: leave it out for all")
    return named


def _check(spec: TensorSpec, what: str) -> None:
    if spec.kind != "tensor":
        raise ValueError(f"{what} is a {spec.kind}, and a column can only be a dense tensor")
    if dtypes.spark_type(spec.dtype) is None:
        raise ValueError(
            f"{what} is {spec.dtype}, which no column can hold: add a signature to the model that "
            "converts it"
        )
    if spec.shape is not None and (not spec.shape or spec.shape[0] is not None):
        raise ValueError(
            f"{what} is {spec}: its first dimension must be the batch and free, so that any "
            "number of rows can be scored at once. Save the model with None there"
        )


def default_batch_size(inputs: Any) -> int:
    """Rows for the model to see at once, by the width of its inputs: a power of two."""
    row = 0
    for spec in inputs:
        item = _ITEM_BYTES.get(spec.dtype, 2)
        size = item
        for dim in (None,) if spec.shape is None else spec.shape[1:]:
            size = max(size, _UNKNOWN_ROW_BYTES) if dim is None else size * max(dim, 1)
        row += _UNKNOWN_ROW_BYTES if spec.dtype == "string" else size
    rows = max(1, _BATCH_BYTES // row)
    return min(max(1 << (rows.bit_length() - 1), _LEAST_ROWS), _MOST_ROWS)


def return_type(plan: Plan) -> DataType:
    """Spark's type of the function's column."""
    from pyspark.sql.types import StructField, StructType

    kinds = {column: _spark_type(spec) for column, (_, spec) in plan.outputs.items()}
    if len(kinds) == 1:
        return next(iter(kinds.values()))
    return StructType([StructField(column, kind) for column, kind in kinds.items()])


def _spark_type(spec: TensorSpec) -> DataType:
    from pyspark.sql import types

    kind = dtypes.spark_data_type(spec.dtype)
    for _ in spec.shape[1:] if spec.shape else ():
        kind = types.ArrayType(kind)
    return kind


def column(
    plan: Plan, spark: SparkSession, columns: Sequence[Any], named: Mapping[str, Any]
) -> Column:
    """The function of these columns, given by order or by the names of inputs."""
    from pyspark.sql import functions as F  # noqa: N812

    given = _arguments(plan, columns, named)
    labels = [f"column {_column_name(value)}" for value in given]
    arguments = [F.col(value) if isinstance(value, str) else value for value in given]
    packed = False
    if not has_arrow_udf():
        # As an array of one element, a null stays one and a bigint stays whole.
        packed = True
        for index, spec in enumerate(plan.inputs.values()):
            if _is_plain(spec):
                value = arguments[index]
                arguments[index] = F.when(value.isNotNull(), F.array(value))
    result: Column = function(plan, spark, labels, packed, "predict")(*arguments)
    if packed and len(plan.outputs) > 1:
        # pandas has no row of several columns that is null as a whole
        complete = arguments[0].isNotNull()
        for value in arguments[1:]:
            complete = complete & value.isNotNull()
        result = F.when(complete, result)
    return result


def add_columns(plan: Plan, df: DataFrame) -> DataFrame:
    """The DataFrame with the model's outputs for the plan's columns."""
    from pyspark.sql import functions as F  # noqa: N812

    given = {
        name: F.col(quoted(column)) for name, column in zip(plan.inputs, plan.columns, strict=True)
    }
    scores = column(plan, df.sparkSession, (), given)
    if len(plan.outputs) == 1:
        return df.withColumn(next(iter(plan.outputs)), scores)
    struct = "_sparktf_scores"
    while any(struct == name.lower() for name in (*df.columns, *plan.outputs)):
        struct += "_"
    fields = [F.col(f"{struct}.{quoted(name)}").alias(name) for name in plan.outputs]
    return df.withColumn(struct, scores).select("*", *fields).drop(struct)


def _column_name(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    text = str(value)
    return text[len("Column<") : -1] if text.startswith("Column<") else text


def _arguments(plan: Plan, columns: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    names = list(plan.inputs)
    if columns and named:
        raise TypeError("give the columns either by their order or by the names of inputs")
    if named:
        if set(named) != set(names):
            raise TypeError(f"the model's inputs are {names}, not {list(named)}")
        return [named[name] for name in names]
    if not columns:
        return list(plan.columns)
    if len(columns) != len(names):
        advice = "; array(…) makes one column of several" if len(names) == 1 else ""
        raise TypeError(
            f"{len(columns)} columns for the model's {len(names)} inputs {names}{advice}"
        )
    if len(names) > 1 and not plan.ordered:
        raise TypeError(
            f"the order of the model's inputs is not told by the model: name them, as in "
            f"predict({', '.join(f'{name}=…' for name in names)}), or give inputs=[…]"
        )
    return list(columns)


def _is_plain(spec: TensorSpec) -> bool:
    """Whether a plain value may fill a row of it."""
    return spec.shape is not None and all(dim in (1, None) for dim in spec.shape[1:])


def has_arrow_udf() -> bool:
    """Spark 4.1 and later give functions Arrow's arrays; earlier ones make pandas' of them."""
    from pyspark.sql import functions

    return hasattr(functions, "arrow_udf")


def worker_input(name: str, label: str, spec: TensorSpec) -> Input:
    return Input(name, label, spec.dtype, None if spec.shape is None else spec.shape[1:])


def payload(plan: Plan, spark: SparkSession, labels: Sequence[str]) -> bytes:
    """All that a worker must know to score. Bytes, for a worker to say clearly what it lacks."""
    from sparktf.scoring import worker

    return pickle.dumps(
        worker.Scoring(
            files.ship(plan.model, spark),
            plan.tags,
            plan.signature,
            tuple(
                worker_input(name, label, spec)
                for label, (name, spec) in zip(labels, plan.inputs.items(), strict=True)
            ),
            tuple(
                worker.Output(column, name, spec.dtype, len(spec.shape or (None,)) - 1)
                for column, (name, spec) in plan.outputs.items()
            ),
            plan.batch_size,
            plan.threads,
            lacking("score"),
        )
    )


def function(
    plan: Plan, spark: SparkSession, labels: Sequence[str], packed: bool, name: str
) -> Any:
    """A function of Spark's, of as many columns as there are inputs.

    Args:
        plan: What to run.
        spark: The session that will run it.
        labels: How errors call the columns.
        packed: Whether plain values come as arrays of one element.
        name: Of the function in Spark's plans.
    """
    packed_scoring = payload(plan, spark, labels)
    arrow = has_arrow_udf()
    score = OnExecutors(_WORKER, "score_arrow" if arrow else "score_pandas", "score")
    packs = [packed and _is_plain(spec) for spec in plan.inputs.values()]

    # Goes to the workers by its value, and takes nothing of this module with it.
    def predict(*columns: Any) -> Any:
        return score(packed_scoring, columns) if arrow else score(packed_scoring, packs, columns)

    predict.__name__ = name
    # Spark tells kinds of functions by their annotations; executors would import these first.
    try:
        if arrow:
            import pyarrow as pa
            from pyspark.sql import functions

            predict.__annotations__ = {"columns": pa.Array, "return": pa.Array}
            return functions.arrow_udf(predict, return_type(plan))  # type: ignore[attr-defined]
        import pandas as pd
        from pyspark.sql.pandas.functions import pandas_udf

        returned = pd.DataFrame if len(plan.outputs) > 1 else pd.Series
        predict.__annotations__ = {"columns": pd.Series, "return": returned}
        return pandas_udf(predict, return_type(plan))  # type: ignore[call-overload]
    finally:
        predict.__annotations__ = {}

"""The workers of a run as tasks of Spark: one barrier stage, which runs all of them or none."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sparktf.spark import shipping
from sparktf.spark.interpreters import OnExecutors, unsuitable
from sparktf.spark.sessions import collect
from sparktf.training import result_rows
from sparktf.training.driver.partitioning import repartition_evenly
from sparktf.training.job import Job
from sparktf.training.outcomes import Results, refusals, without_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def run(job: Job, df: DataFrame | None, spark: SparkSession) -> Results:
    """Runs a worker in each task; one has the rows of one partition."""
    shipping.ship_package(spark)
    n = job.size
    rows = spark.range(0, n, 1, n) if df is None else repartition_evenly(df, n)
    pickled_job = pickle.dumps(job)

    work = OnExecutors("sparktf.training.task.barrier", "run", "train")

    # Goes to the workers by its value, and takes nothing of this module with it.
    def task(batches: Iterable[Any]) -> Iterator[Any]:
        parts: Iterator[Any] = work(pickled_job, batches)
        return parts

    try:
        result = collect(spark, rows.mapInArrow(task, result_rows.SCHEMA, barrier=True))
    except Exception as error:
        complaint = unsuitable(spark, error, "train")
        if complaint is None:
            raise
        raise complaint from None  # Spark's lines, more than a hundred, tell no more
    results = result_rows.joined(result, n)
    if not results.outcomes:  # Spark 3.5 runs no task on a DataFrame that turns out to be empty
        reasons = [without_rows([0] * n)] + [""] * (n - 1)
        return Results(refusals(reasons, ["no executor"] * n), results.values)
    return results

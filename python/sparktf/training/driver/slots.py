"""Whether the cluster can run all workers at once, told before Spark would try for ten minutes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparktf.spark.sessions import collect, is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# For executors that were lost to come again.
_REPLACED_SECONDS = 60.0

# On Spark Connect: for the cluster to have room.
_PROBE_SECONDS = 60.0


def wait_for_slots(spark: SparkSession, needed: int, attempt: int) -> None:
    """Returns when so many tasks can run at once.

    Executors of a session that has just begun, or that were lost in the attempt before, get some
    time to come.

    Raises:
        RuntimeError: They cannot.
    """
    if is_connect(spark):
        _probe(spark, needed)
        return
    context: Any = spark.sparkContext
    settings = context.getConf()
    starting = _seconds(settings.get("spark.scheduler.maxRegisteredResourcesWaitingTime", "30s"))
    until = context.startTime / 1000 + starting
    if attempt > 0:
        until = max(until, time.time() + _REPLACED_SECONDS)
    scala = context._jsc.sc()
    profile = scala.resourceProfileManager().defaultResourceProfile()
    while (slots := int(scala.maxNumConcurrentTasks(profile))) < needed:
        if time.time() >= until or str(context.master).startswith("local"):
            raise _too_few(needed, f"{slots}")
        time.sleep(0.2)


def _too_few(needed: int, slots: str) -> RuntimeError:
    return RuntimeError(
        f"{needed} processes must run at the same time, and the cluster has {slots} task slots: "
        "its cores (and GPUs) divided by spark.task.cpus (spark.task.resource.gpu.amount). Use "
        "fewer processes, or give the application more executors or cores"
    )


def _seconds(text: str) -> float:
    match = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", text.lower())
    if match is None:
        return 30.0
    unit = {"us": 1e-6, "ms": 1e-3, "m": 60, "min": 60, "h": 3600, "d": 86400}
    # Spark takes a number without a unit for milliseconds here.
    return float(match[1]) * (1e-3 if not match[2] else unit.get(match[2], 1))


def _probe(spark: Any, needed: int) -> None:
    """A Connect client cannot ask for the slots: it lets tasks that do nothing run in them."""
    local = re.match(r"local\[(\d+)", spark.conf.get("spark.master", ""))
    if local and int(local[1]) < needed:
        raise _too_few(needed, local[1])

    def nothing(batches: Iterator[Any]) -> Iterator[Any]:
        yield from batches

    df = spark.range(0, needed, 1, needed).mapInArrow(nothing, "id long", barrier=True)
    try:
        collect(spark, df, _PROBE_SECONDS)
    except TimeoutError as error:
        raise RuntimeError(
            f"{needed} processes must run at the same time, and within {_PROBE_SECONDS:.0f} s the "
            "cluster had no room for so many tasks at once: it has fewer slots, or is busy"
        ) from error

"""Spark's sessions, classic and Connect."""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def is_connect(spark: Any) -> bool:
    """Whether it is a session of Spark Connect, told without importing what Connect needs."""
    return any(c.__module__.startswith("pyspark.sql.connect.") for c in type(spark).__mro__)


def active_session() -> SparkSession | None:
    """The session of this thread, or else of this process, classic or Connect, if there is one."""
    from pyspark.sql.utils import is_remote

    if is_remote():
        from pyspark.sql.connect.session import SparkSession as ConnectSession

        session: Any = ConnectSession.getActiveSession() or ConnectSession._default_session
        return session  # type: ignore[no-any-return]
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is None:
        return None
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


def collect(spark: Any, df: DataFrame, seconds: float | None = None) -> list[Any]:
    """The rows; what interrupts the wait for them ends Spark's job too.

    Raises:
        TimeoutError: They were not there after `seconds`.
    """
    connect = is_connect(spark)
    tagged = spark if connect else spark.sparkContext
    tag = f"sparktf-{uuid.uuid4().hex}"
    late = threading.Event()

    def cancel() -> None:
        (tagged.interruptTag if connect else tagged.cancelJobsWithTag)(tag)

    def give_up() -> None:
        late.set()
        cancel()

    with contextlib.ExitStack() as stack:
        (tagged.addTag if connect else tagged.addJobTag)(tag)
        stack.callback(tagged.removeTag if connect else tagged.removeJobTag, tag)
        if seconds is not None:
            timer = threading.Timer(seconds, give_up)
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
        try:
            return df.collect()
        except BaseException as error:
            if late.is_set():
                raise TimeoutError(f"no rows after {seconds:.0f} s") from error
            # Interrupted here, or by someone's cancelling; a job that has failed is gone anyway.
            cancel()
            raise

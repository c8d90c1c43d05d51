"""Spark's sessions, classic and Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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

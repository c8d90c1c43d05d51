"""Making ``format("tfrecord")`` known to Spark: the jar that this package carries."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sparktf.extras import require
from sparktf.spark import interpreters, submit_jars
from sparktf.spark.sessions import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["configure", "jar_path", "register"]

_JARS: Final = Path(__file__).parents[1] / "jars"
_SOURCE_CLASS: Final = "io.sparktf.tfrecord.TFRecordFileFormat"


def jar_path(scala: str = "2.13") -> str:
    """The path of the data source's jar, for ``spark-submit --jars``.

    Args:
        scala: The Scala version of the Spark that is to load it: "2.13" (Spark 4, and some builds
            of 3.5) or "2.12" (Spark 3.5 from PyPI). A third number is ignored.

    Raises:
        ValueError: There is no jar for that Scala version.
    """
    wanted = ".".join(scala.split(".")[:2])
    jars = {}
    for jar in sorted(_JARS.glob("sparktf-tfrecord_*.jar")):
        version = jar.name.removeprefix("sparktf-tfrecord_").partition("-")[0]
        jars[version] = str(jar)
    if wanted not in jars:
        there = ", ".join(jars) if jars else "none at all"
        raise ValueError(f"sparktf has no jar for Scala {scala}: it has {there} (in {_JARS})")
    return jars[wanted]


def configure(builder: SparkSession.Builder) -> SparkSession.Builder:
    """Adds the data source's jar to a session that is about to be built.

        spark = sparktf.configure(SparkSession.builder.appName("digits")).getOrCreate()

    The jar joins `spark.jars`, beside what is there already from the builder, from
    `PYSPARK_SUBMIT_ARGS` or from spark-defaults.conf. Call it after setting `spark.jars` or
    `spark.jars.packages` yourself. Where packages are used, or `PYSPARK_SUBMIT_ARGS` names jars,
    the jar goes into `PYSPARK_SUBMIT_ARGS` of this process: pyspark's `spark.jars` would
    take the packages from the executors. Calling it again changes nothing.

    Local executors are to run the Python that runs this (`PYSPARK_PYTHON` of this process is set),
    unless `PYSPARK_PYTHON` or `spark.pyspark.python` names another. So set a cluster's master
    before calling it.

    Spark takes jars when its JVM starts. Where one is running already (a notebook that comes with
    a session, a program under spark-submit) this warns: call `register` once the session is
    there, or use ``spark-submit --jars``.

    Args:
        builder: ``SparkSession.builder``, with or without options. With ``remote("local…")``
            the server that pyspark starts gets the jar.

    Returns:
        The same builder.

    Raises:
        ValueError: The builder connects to a Spark Connect server, whose jars are not set here
            (use `register`); or there is no jar for the Scala version of the Spark that pyspark
            would start.
    """
    require("sparktf.configure", "pyspark")
    import pyspark

    options: dict[str, Any] = builder._options
    remote = options.get("spark.remote") or os.environ.get("SPARK_REMOTE")
    # The pyspark-client package has no SparkContext: it knows Connect alone.
    if (remote and not remote.startswith("local")) or not hasattr(pyspark, "SparkContext"):
        raise ValueError(
            "a Spark Connect server's spark.jars cannot be set from a client: build the session, "
            "then call sparktf.register(spark)"
        )
    if _jvm_lacks_source():
        warnings.warn(
            "Spark's JVM is running already and takes no more jars from a builder: call "
            "sparktf.register(spark) once the session is there",
            stacklevel=2,
        )
    submit_jars.add_jar(options, jar_path(submit_jars.scala_version()))
    interpreters.use_drivers(options, jvm_runs=_jvm_runs())
    return builder


def _jvm_runs() -> bool:
    from pyspark import SparkContext

    # The variable is set by spark-submit for the program that it runs.
    return SparkContext._jvm is not None or "PYSPARK_GATEWAY_PORT" in os.environ


def _jvm_lacks_source() -> bool:
    from pyspark import SparkContext

    if SparkContext._jvm is None:
        return _jvm_runs()
    return not _finds_source(_context_class_loader(SparkContext._jvm))


def register(spark: SparkSession) -> None:
    """Makes ``format("tfrecord")`` known to a session that is already running.

    On a classic session the jar is added to the driver's class loader, so that all threads see
    it, and to what executors fetch. On Spark Connect it is sent to the server as an artifact of
    this session. Where the source is there already, nothing is added.

    Executors on the driver's machine (a local master) run the driver's Python from now on, unless
    `PYSPARK_PYTHON` or `spark.pyspark.python` names another.

    Args:
        spark: A classic or a Spark Connect session.

    Raises:
        ValueError: There is no jar for the Scala version that this Spark runs on.
        RuntimeError: The driver was started in a way that lets no jars in (classic).
    """
    require("sparktf.register", "pyspark")
    interpreters.use_drivers_in(spark)
    if is_connect(spark):
        _register_connect(spark)
    else:
        _register_classic(spark)


def _register_classic(spark: SparkSession) -> None:
    context = spark.sparkContext
    jvm: Any = context._jvm
    innermost = _context_class_loader(jvm)
    if _finds_source(innermost):
        return
    jar = jar_path(jvm.scala.util.Properties.versionNumberString())
    loader = _outermost_mutable(jvm, innermost)
    if loader is None:
        raise RuntimeError(
            "Spark's driver has no class loader that takes jars (it was not started by "
            f"spark-submit or pyspark): start it with {jar} on its class path"
        )
    # SQL's ADD JAR would reach this thread's sessions only.
    loader.addURL(jvm.java.io.File(jar).toURI().toURL())
    context._jsc.addJar(jar)


def _context_class_loader(jvm: Any) -> Any:
    return jvm.java.lang.Thread.currentThread().getContextClassLoader()


def _finds_source(loader: Any) -> bool:
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

    try:
        loader.loadClass(_SOURCE_CLASS)
    except Py4JJavaError as e:
        if e.java_exception.getClass().getSimpleName() != "ClassNotFoundException":
            raise
        return False
    return True


def _outermost_mutable(jvm: Any, loader: Any) -> Any | None:
    """The one that spark-submit made, the parent of any that this thread's ADD JAR has made."""
    from py4j.java_gateway import is_instance_of  # type: ignore[import-untyped]
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    found = None
    while loader is not None:
        if is_instance_of(gateway, loader, "org.apache.spark.util.MutableURLClassLoader"):
            found = loader
        loader = loader.getParent()
    return found


def _register_connect(spark: SparkSession) -> None:
    from pyspark.errors import PySparkException

    try:
        # By its class: another jar may have a source of this name. Spark 3.5 refuses an artifact
        # that it has already.
        spark.read.format(_SOURCE_CLASS).schema("x BIGINT").load().schema  # noqa: B018
    except PySparkException:
        # The server tells, not the client's version: Spark 3.5 is built for both Scala versions.
        query = "SELECT java_method('scala.util.Properties', 'versionNumberString')"
        spark.addArtifacts(jar_path(spark.sql(query).collect()[0][0]))

"""Which Python the executors run: the driver's where they are on its machine.

pyspark lets executors run $PYSPARK_PYTHON, else the ``python3`` of the PATH, whatever runs the
driver: a virtual environment that is not activated is not seen by local executors.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sparktf.extras import this_python
from sparktf.spark import submit_jars
from sparktf.spark.sessions import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_VARIABLE: Final = "PYSPARK_PYTHON"
_SETTING: Final = "spark.pyspark.python"
# What Spark says of an executor's Python that is another than its user thinks.
_UNSUITABLE: Final = re.compile(
    r"No module named '(?:pyarrow|numpy|pyspark)\b.*"
    r"|Python in worker has different version.*?(?=, PySpark|\.$|$)"
    r"|Cannot run program .*",
    re.MULTILINE,
)

# Of SQL's functions, and the only one that can be changed while Spark runs.
_SQL_SETTING: Final = "spark.sql.execution.pyspark.python"


def is_local(master: str | None) -> bool:
    """Whether executors of this master are on the driver's machine for sure."""
    return re.fullmatch(r"local(\[.*\])?|local-cluster\[.*\]", master or "") is not None


def use_drivers(options: dict[str, Any], jvm_runs: bool) -> None:
    """Lets the local executors of a Spark that is about to start run this Python.

    Args:
        options: The builder's.
        jvm_runs: Whether the JVM has its master from elsewhere, unless the builder names one.
    """
    master = options.get("spark.master") or options.get("spark.remote")
    if master is None and not jvm_runs:
        master = os.environ.get("SPARK_REMOTE") or submit_jars.setting("spark.master") or "local"
    chosen = options.get(_SETTING) or submit_jars.setting(_SETTING)
    if is_local(master) and not chosen and sys.executable:
        os.environ.setdefault(_VARIABLE, sys.executable)


def use_drivers_in(spark: SparkSession) -> None:
    """The same for a session that runs already: for functions that are made from now on."""
    if _VARIABLE in os.environ or not sys.executable:
        return
    if is_connect(spark):
        # Set by pyspark where the server is a child of this process.
        if "SPARK_LOCAL_REMOTE" in os.environ and spark.conf.get(_SQL_SETTING, None) is None:
            spark.conf.set(_SQL_SETTING, sys.executable)
        return
    context = spark.sparkContext
    if is_local(context.master) and context.getConf().get(_SETTING) is None:
        context.pythonExec = sys.executable


class OnExecutors:
    """Stands for a function of this package; where it is unpickled, it is that function.

    So a task that cannot import it ends with an error that says so as soon as it gets the function
    which uses it, before Spark's own code finds out that, say, pyarrow is missing. And as what it
    calls is imported, what that holds stays from task to task.

    Args:
        module: Of this package.
        function: Of the module.
        to_do: What executors need it for.
    """

    def __init__(self, module: str, function: str, to_do: str) -> None:
        self._what = module, function, lacking(to_do)

    def __call__(self, *_arguments: Any) -> Any:
        raise AssertionError(f"{self._what[1]} is called on executors only")

    def __reduce__(self) -> tuple[Any, ...]:
        # Goes there by its value: of this package, nothing may be there.
        def found(module: str, function: str, complaint: str) -> Any:
            try:
                return getattr(import_module(module), function)
            except ImportError as error:
                python = f"{sys.executable} (Python {sys.version.split()[0]})"
                raise RuntimeError(complaint.format(python, error)) from None

        return found, self._what


def unsuitable(spark: SparkSession, error: Exception, to_do: str) -> RuntimeError | None:
    """What to say for Spark's error about the executors' Python; None where it is not of that."""
    text = str(error)
    complaint = lacking(to_do)
    ours = re.search(f"^RuntimeError: ({re.escape(complaint.partition('{')[0])}.*)", text, re.M)
    if ours is not None:
        return RuntimeError(ours[1])
    reason = _UNSUITABLE.search(text)
    return None if reason is None else RuntimeError(complaint.format(_theirs(spark), reason[0]))


def _theirs(spark: SparkSession) -> str:
    """The executors' interpreter: what it says itself, or as it was called where it cannot."""
    from pyspark.sql.functions import udf

    def python(_: Any) -> str:
        import sys

        return f"{sys.executable} (Python {sys.version.split()[0]})"

    try:
        row = spark.range(1).select(udf(python, "string", useArrow=False)("id")).first()
        assert row is not None
        return str(row[0])
    except Exception:  # it does not run, or not what is of another Python
        return "the server's" if is_connect(spark) else repr(spark.sparkContext.pythonExec)


def lacking(to_do: str) -> str:
    """What to say where executors cannot import something: to be formatted with their Python and
    the error."""
    ours = this_python().replace("{", "{{").replace("}", "}}")
    return (
        f"the executors' Python, {{}}, cannot import what sparktf needs to {to_do} ({{}}): install "
        "it there, or set PYSPARK_PYTHON (spark-submit: spark.pyspark.python) to a Python that has "
        f"it. The driver's is {ours}, and both must be of the same minor version"
    )

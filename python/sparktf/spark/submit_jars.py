"""Which jars a Spark that pyspark is about to start takes, and from where.

pyspark starts its JVM as ``spark-submit --conf KEY=VALUE… $PYSPARK_SUBMIT_ARGS``, with the
builder's options as ``--conf``. There ``--jars`` beats any ``spark.jars``, and that beats the one
of spark-defaults.conf. Then, in the JVM, the builder's ``spark.jars`` replaces what spark-submit
made of all that, the jars of ``--packages`` included; the driver has loaded its own by then, but
executors get only the builder's.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

_SUBMIT_ARGS = "PYSPARK_SUBMIT_ARGS"


def spark_home() -> Path:
    """The Spark that pyspark starts: $SPARK_HOME or the one inside the pyspark package."""
    import pyspark

    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)


def scala_version() -> str:
    """ "2.12" or "2.13": of the Spark that pyspark starts."""
    import pyspark

    for jar in (spark_home() / "jars").glob("scala-library-2.*.jar"):
        return ".".join(jar.name.removeprefix("scala-library-").split(".")[:2])
    return "2.12" if pyspark.__version__.startswith("3.") else "2.13"


def setting(name: str) -> str | None:
    """What $PYSPARK_SUBMIT_ARGS or else spark-defaults.conf gives Spark for a setting."""
    submit = _SubmitArguments(os.environ.get(_SUBMIT_ARGS, "pyspark-shell"))
    return submit.settings.get(name) or _spark_defaults().get(name)


def add_jar(options: dict[str, str], jar: str) -> None:
    """Adds `jar` to those that Spark takes, whichever place they come from.

    Args:
        options: The builder's. `spark.jars` is set in them; but where $PYSPARK_SUBMIT_ARGS has
            jars or packages, or spark-defaults.conf or the builder has packages, `--jars` of
            $PYSPARK_SUBMIT_ARGS is (see this module's head), and `spark.jars` only if it was.
        jar: Path.
    """
    defaults = _spark_defaults()
    submit = _SubmitArguments(os.environ.get(_SUBMIT_ARGS, "pyspark-shell"))
    in_builder = _split(options.get("spark.jars"))
    # Of these two spark-submit would take the first that is there.
    in_files = submit.jars or _split(defaults.get("spark.jars"))
    jars = list(dict.fromkeys([*in_builder, *in_files, jar]))
    has_packages = "spark.jars.packages" in {**defaults, **options} or submit.has_packages
    if submit.jars or has_packages:
        os.environ[_SUBMIT_ARGS] = submit.with_jars(jars)
        if in_builder:
            options["spark.jars"] = ",".join(jars)
    else:
        options["spark.jars"] = ",".join(jars)


def _split(jars: str | None) -> list[str]:
    return [jar.strip() for jar in (jars or "").split(",") if jar.strip()]


def _spark_defaults() -> dict[str, str]:
    folder = os.environ.get("SPARK_CONF_DIR")
    file = (Path(folder) if folder else spark_home() / "conf") / "spark-defaults.conf"
    if not file.is_file():
        return {}
    # A Java properties file: the key ends at the first blank, "=" or ":".
    lines = file.read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"\s*(spark\.[^\s=:]+)\s*[\s=:]\s*(.*?)\s*", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


class _SubmitArguments:
    """Options of spark-submit on one line, as $PYSPARK_SUBMIT_ARGS has them."""

    def __init__(self, line: str) -> None:
        self.jars: list[str] = []
        self.settings: dict[str, str] = {}
        self.has_packages = False
        self._others: list[str] = []
        words = iter(shlex.split(line))
        conf_jars: list[str] = []
        for word in words:
            option, equals, value = word.partition("=")
            if option not in ("--jars", "--packages", "--conf", "-c", "--master"):
                self._others.append(word)
                continue
            if not equals:
                value = next(words, "")
            if option == "--jars":
                self.jars = _split(value)
            elif option in ("--conf", "-c") and value.startswith("spark.jars="):
                conf_jars = _split(value.removeprefix("spark.jars="))
            else:
                self._others += [option, value]
                if option in ("--conf", "-c"):
                    name, _, given = value.partition("=")
                    self.settings[name] = given
                elif option == "--master":
                    self.settings["spark.master"] = value
                if option == "--packages" or value.startswith("spark.jars.packages="):
                    self.has_packages = True
        self.jars = self.jars or conf_jars

    def with_jars(self, jars: list[str]) -> str:
        return shlex.join(["--jars", ",".join(jars), *self._others])

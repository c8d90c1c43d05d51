"""The classes of a Spark as the JVM has them once loaded, in a file (class data sharing).

    python tests/class_archive.py

makes the one of the pyspark that is imported, in target/classes. With it a program of the tests
starts in half the processor time, most of which goes into loading Spark's classes. It is no part
of what is tested: a JVM with another class path, or another Java, leaves it alone.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

ARCHIVE = (
    Path(__file__).resolve().parents[1]
    / "target"
    / "classes"
    / f"spark-{importlib.metadata.version('pyspark')}.jsa"
)


def java_options() -> str:
    """With which a JVM of Spark uses the archive, if there is one."""
    return f"-XX:SharedArchiveFile={ARCHIVE}" if ARCHIVE.exists() else ""


def main() -> None:
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    made = ARCHIVE.with_suffix(f".{os.getpid()}")
    os.environ["SPARK_SUBMIT_OPTS"] = f"-XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit={made}"
    os.environ["PYSPARK_SUBMIT_ARGS"] = "--master local[2] pyspark-shell"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        run_some_of_everything(folder)
    if made.exists():
        made.rename(ARCHIVE)
    else:
        print("This Java has kept no archive of classes: the tests will take longer.")


def run_some_of_everything(folder: str) -> None:
    """In a JVM of its own, which has ended when this returns."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F  # noqa: N812

    spark = SparkSession.builder.config("spark.ui.enabled", "false").getOrCreate()
    rows = spark.range(100).select("id", F.rand().alias("x"), F.array("id").alias("ids"))
    rows.repartition(2).write.parquet(f"{folder}/rows")
    read = spark.read.parquet(f"{folder}/rows")
    read.groupBy(read.id % 3).agg(F.avg("x"), F.max("ids")).collect()
    read.mapInArrow(lambda batches: batches, read.schema).cache().count()
    read.createOrReplaceTempView("rows")
    spark.sql("SELECT a.id FROM rows a JOIN rows b ON a.id = b.id ORDER BY 1").toPandas()
    process = spark.sparkContext._gateway.proc
    spark.stop()
    process.stdin.close()  # ends it, and it writes the archive
    process.wait()


if __name__ == "__main__":
    main()

"""spark-shell with sparktf's packages, from a local Maven repository that `publishM2` filled, and
the registry that Spark asks for TensorFlow's part."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from published import ROOT, VERSION, users_environment

from sparktf.spark import submit_jars

_IVY = ROOT / "target" / "ivy"


def run(
    folder: Path,
    *arguments: str,
    stdin: str,
    packages: tuple[str, ...] = ("sparktf-savedmodel",),
    **variables: str,
) -> str:
    """What spark-shell has printed, on both streams; asserts that it succeeds.

    Args:
        folder: A new one, where it is started.
        *arguments: Its own, behind those that load the packages.
        stdin: What is typed.
        packages: Names without Scala's version.
        **variables: Of its environment.
    """
    folder.mkdir()
    spark_home = submit_jars.spark_home()
    scala = submit_jars.scala_version()
    coordinates = [f"io.github.sparktf:{name}_{scala}:{VERSION}" for name in packages]
    # What does not change is kept: TensorFlow's archive is large, and unpacked when first used.
    unpacked = f"-Dorg.bytedeco.javacpp.cachedir={ROOT / 'target' / 'javacpp'}"
    command = [
        str(spark_home / "bin" / "spark-shell"),
        *("--packages", ",".join(coordinates), "--conf", f"spark.jars.ivy={_IVY}"),
        *("--conf", "spark.ui.enabled=false", "--driver-java-options", unpacked),
        *("--conf", f"spark.executor.extraJavaOptions={unpacked}"),
        *arguments,
    ]
    environment = users_environment(folder, spark_home) | {"TF_CPP_MIN_LOG_LEVEL": "2"} | variables
    with _ivy():
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout + done.stderr


@contextlib.contextmanager
def _ivy() -> Iterator[None]:
    """An Ivy cache that has TensorFlow and none of our own jars, which change; for one at a time,
    as Ivy has no locks and the tests of several Sparks may run side by side."""
    _IVY.mkdir(parents=True, exist_ok=True)
    with (_IVY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for ours in _IVY.glob("*/*sparktf*"):
            if ours.is_dir():
                shutil.rmtree(ours)
            else:
                ours.unlink()
        yield

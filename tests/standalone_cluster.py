"""A standalone cluster of Spark: a master and workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparktf.spark import submit_jars

# What Spark's discovery scripts print; each worker has its own names.
_DISCOVERY = """#!/bin/sh
name=$(basename "$PWD")
echo "{\\"name\\": \\"gpu\\", \\"addresses\\": [\\"$name-a\\", \\"$name-b\\"]}"
"""


@dataclass
class Cluster:
    """What runs. Each of the workers has two cores, and two GPUs that are but names.

    Attributes:
        url: The master's.
        folder: Where the workers and their executors keep files: `local` is for Spark's.
        pids: Of the master and of the workers.
    """

    url: str
    folder: Path
    pids: list[int]


@contextlib.contextmanager
def run(folder: Path, memory: str = "2g") -> Iterator[Cluster]:
    """A cluster of two workers whose files are in `folder`."""
    discovery = folder / "discover-gpus"
    folder.mkdir(parents=True, exist_ok=True)
    discovery.write_text(_DISCOVERY)
    discovery.chmod(0o755)
    gpu = "-Dspark.worker.resource.gpu"
    gpus = f"{gpu}.amount=2 {gpu}.discoveryScript={discovery}"
    started: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as stack:
        stack.callback(_end, started)

        def start(name: str, kind: str, *arguments: str) -> Path:
            home = folder / name
            (home / "local").mkdir(parents=True)
            log = home / "log"
            command = [str(submit_jars.spark_home() / "bin" / "spark-class"), kind, *arguments]
            left_out = ("PYSPARK_SUBMIT_ARGS", "SPARK_TESTING")
            given = {
                "SPARK_HOME": str(submit_jars.spark_home()),
                "PYSPARK_PYTHON": sys.executable,
                "SPARK_LOCAL_DIRS": str(home / "local"),
                "SPARK_DAEMON_MEMORY": "512m",
                "SPARK_WORKER_OPTS": gpus,
                # A machine that stands still for a minute is not to be taken for a lost worker.
                "SPARK_MASTER_OPTS": "-Dspark.worker.timeout=600",
            }
            env = {name: text for name, text in os.environ.items() if name not in left_out}
            with log.open("w") as output:
                process = subprocess.Popen(
                    command, cwd=home, env=env | given, stdout=output, stderr=subprocess.STDOUT
                )
            started.append(process)
            return log

        ends = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        log = start("master", "org.apache.spark.deploy.master.Master", *ends)
        url = _said(log, started[-1], r"Starting Spark master at (spark://\S+)")
        size = ("--cores", "2", "--memory", memory)
        logs = []
        for number in range(2):
            own = ("--work-dir", str(folder / f"worker-{number}" / "work"))
            kind = "org.apache.spark.deploy.worker.Worker"
            logs.append(start(f"worker-{number}", kind, *ends, *size, *own, url))
        for log, process in zip(logs, started[1:], strict=True):
            _said(log, process, r"(Successfully registered) with master")
        yield Cluster(url, folder, [process.pid for process in started])


def _said(log: Path, process: subprocess.Popen[bytes], pattern: str) -> str:
    deadline = time.monotonic() + 120
    while not (found := re.search(pattern, log.read_text())):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)
    return found[1]


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        process.wait()

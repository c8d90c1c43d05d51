"""What a training run must not leave: processes, files, open ports."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

# Of the processes that a run starts: the workers', and those that watch over them.
_SIGNS = (b"sparktf.training.process.run", b"read x; kill -9 0")

# A shuffle file, as Spark's block managers name them.
_SPARKS = re.compile(r"/blockmgr-[^/]+/[0-9a-f]{2}/shuffle_\d+_\d+_\d+\.data \(deleted\)$")

# An environment variable of this pytest, and so of all processes below it, those without a parent
# too: others' tests may run beside it.
_RUN = "SPARKTF_TEST_RUN"
os.environ[_RUN] = str(os.getpid())


def processes() -> list[int]:
    """Those of training runs that these tests began."""
    return [
        pid
        for pid in with_variable(_RUN, os.environ[_RUN])
        if any(sign in _read(pid, "cmdline") for sign in _SIGNS)
    ]


def with_variable(name: str, value: str) -> list[int]:
    """Processes that have an environment variable, as all have that a run's processes start."""
    wanted = f"{name}={value}".encode()
    found = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [pid for pid in found if wanted in _read(pid, "environ").split(b"\0")]


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


def files(folder: Path) -> list[Path]:
    """Below a folder, those that sparktf has made, but not what Spark was given for the session:
    the package as a zip, perhaps the data source's jar."""
    found = [
        Path(parent) / name
        for parent, folders, names in os.walk(folder)
        for name in names + folders
    ]
    return [
        path
        for path in found
        if path.name.startswith("sparktf-") and path.suffix not in (".zip", ".jar")
    ]


def open_files(pids: list[int]) -> list[str]:
    """Files without a name that these processes and those below them hold open.

    But no shuffle file of Spark's: of a task that ends before its rows do, the executor closes the
    stream only when the JVM collects it, whatever the task does.
    """
    found = []
    for pid in descendants(pids):
        for entry in _entries(Path(f"/proc/{pid}/fd")):
            if entry.endswith("(deleted)") and not _SPARKS.search(entry):
                found.append(entry)
    return found


def listening(pids: list[int]) -> set[int]:
    """The ports at which Python processes among these and those below them listen.

    Without those of Spark's daemons, which start the executors' Python processes.
    """
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                sockets[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    found, daemons = set(), set()
    for pid in descendants(pids):
        if "python" in _program(pid):
            ports = {sockets[e] for e in _entries(Path(f"/proc/{pid}/fd")) if e in sockets}
            found |= ports
            if "java" in _program(_parent(pid)):
                daemons |= ports
    return found - daemons


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descendants(pids: list[int]) -> list[int]:
    """These processes and all below them."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            children.setdefault(_parent(int(folder.name)), []).append(int(folder.name))
    found = []
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _entries(folder: Path) -> list[str]:
    found = []
    try:
        for link in folder.iterdir():
            try:
                found.append(str(link.readlink()))
            except OSError:
                continue
    except OSError:
        pass
    return found


def wait_until(condition, seconds: float = 30.0) -> bool:  # type: ignore[no-untyped-def]
    """Whether it has become true within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True

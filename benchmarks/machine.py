"""The committed results, what a figure must be read beside, and what else benchmarks share."""

import json
import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def save(name: str, results: list[dict[str, object]], **versions: str) -> None:
    """Replaces the results of that name; `versions` are of what was measured."""
    document = {"machine": describe_machine() | versions, "results": results}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def describe_machine() -> dict[str, object]:
    processor = platform.processor()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [x for x in cpu_info.read_text().splitlines() if x.startswith("model name")]
        processor = names[0].partition(": ")[2] if names else processor
    return {
        "cores": os.cpu_count(),
        "processor": processor,
        "system": f"{platform.system()} {platform.machine()}",
    }


def peak_mib(pid: int | str) -> int:
    """The most resident memory that a process has had: VmHWM of proc(5)."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))


def jars(*folders: str) -> list[str]:
    """The jars in folders of this repository, but for those of a Scala that is not this Spark's."""
    from sparktf.spark.submit_jars import scala_version

    (other,) = {"2.12", "2.13"} - {scala_version()}
    found = [jar for folder in folders for jar in sorted((ROOT / folder).glob("*.jar"))]
    return [str(jar) for jar in found if f"_{other}-" not in jar.name]

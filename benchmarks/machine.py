"""The committed results, and what a figure must be read beside: where it was measured."""

import json
import os
import platform
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


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

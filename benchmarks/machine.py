"""What a figure must be read beside: the machine that it was measured on."""

import os
import platform
from pathlib import Path


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

"""Boils JMH's JSON down to what is worth keeping: a score and its error for each benchmark.

python benchmarks/summarize_jmh.py target/jmh.json
"""

import json
import sys
from pathlib import Path

from machine import save


def main() -> None:
    runs = json.loads(Path(sys.argv[1]).read_text())
    results = []
    for run in runs:
        group, name = run["benchmark"].split(".")[-2:]
        metric = run["primaryMetric"]
        results.append(
            {
                "benchmark": group.removesuffix("Benchmark").lower(),
                "shape": run["params"]["shape"],
                "source": name,
                "ns_per_record": round(metric["score"], 1),
                "error": round(metric["scoreError"], 1),
            }
        )
    save("jmh", results, java=f"{runs[0]['vmName']} {runs[0]['vmVersion']}")


if __name__ == "__main__":
    main()

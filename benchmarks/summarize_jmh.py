"""Boils JMH's JSON down to what is worth keeping: a score and its error for each benchmark.

python benchmarks/summarize_jmh.py target/jmh.json benchmarks/results/jmh.json
"""

import json
import sys
from pathlib import Path

from machine import describe_machine


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    runs = json.loads(source.read_text())
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
    machine = describe_machine() | {"java": f"{runs[0]['vmName']} {runs[0]['vmVersion']}"}
    target.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Shows the results of run.py, a table for each Spark and a picture, and those of dataset.py.

    .venv/bin/python benchmarks/report.py

Writes results/README.md and results/spark-*.svg from spark-*.json and dataset.json in results/.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from dataset import BY_HAND, OURS, PEERS
from machine import RESULTS
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

LABELS = {
    "write": "write",
    "infer": "infer",
    "read": "read all\ncolumns",
    "read few": "read few\ncolumns",
    "count": "count",
    "read gzip": "read gzip",
}
COLORS = {"Parquet": "#9aa5b1", "tensorflow-hadoop": "#e0a458"}
COLOR_OF_PEER = "#2f6690"
NOT_SHOWN = ("sparktf", "Parquet snappy", "Spark alone", "floor")

Seconds = dict[str, dict[str, dict[str, float]]]
"""By data set, operation and source."""


def seconds_of(document: dict) -> Seconds:
    seconds: Seconds = {}
    for r in document["results"]:
        operations = seconds.setdefault(r["data"], {})
        operations.setdefault(r["operation"], {})[r["source"]] = r["seconds"]
    return seconds


def sources_of(seconds: Seconds) -> list[str]:
    """In the order in which they were measured, sparktf first."""
    found = {s: None for operations in seconds.values() for x in operations.values() for s in x}
    return list(found)


def table(seconds: Seconds) -> str:
    """In Markdown: seconds of sparktf, and of each other source how many times that is."""
    others = [s for s in sources_of(seconds) if s != "sparktf"]
    lines = [
        f"| data | operation | sparktf | {' | '.join(others)} |",
        "| --- | --- | ---: |" + " ---: |" * len(others),
    ]
    for data, operations in seconds.items():
        for operation, by_source in operations.items():
            own = by_source["sparktf"]
            cells = [
                f"{by_source[s]:.3f} s ({by_source[s] / own:.2f}x)" if s in by_source else ""
                for s in others
            ]
            lines.append(f"| {data} | {operation} | {own:.3f} s | {' | '.join(cells)} |")
    return "\n".join(lines)


def dataset_table(results: list[dict]) -> str:
    """In Markdown: an epoch, and how many times as fast it is as the fastest by hand."""
    cases: dict[tuple, dict[str, float]] = {}
    for r in results:
        names = ("data", "rows", "columns", "batch", "shuffle")
        case = tuple(f"{r[n]:,}" if n == "rows" else str(r[n]) for n in names)
        cases.setdefault(case, {})[r["pipeline"]] = r["seconds"]
    others = ["as people write", *dict.fromkeys(PEERS)]
    head = ["data", "rows", "columns", "batch", "shuffle", *OURS, "by hand", "which is", *others]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for case, seconds in cases.items():
        best = min((p for p in BY_HAND if p in seconds), key=seconds.__getitem__)
        cells = [f"{seconds[p]:.3f} s ({seconds[best] / seconds[p]:.2f}x)" for p in OURS]
        cells += [f"{seconds[best]:.3f} s", best]
        cells += [f"{seconds[p]:.2f} s" if p in seconds else "" for p in others]
        lines.append(f"| {' | '.join((*case, *cells))} |")
    return "\n".join(lines)


def draw(seconds: Seconds, title: str, target: Path) -> None:
    """For each data set, how many times as fast as each other source."""
    others = [s for s in sources_of(seconds) if s not in NOT_SHOWN]
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), sharey=True, layout="constrained")
    for panel, (data, operations) in zip(axes.flat, seconds.items(), strict=False):
        draw_panel(panel, data, operations, others)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(others), frameon=False)
    figure.suptitle(title)
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def draw_panel(
    panel: Axes, data: str, operations: dict[str, dict[str, float]], others: list[str]
) -> None:
    width = 0.8 / len(others)
    for i, other in enumerate(others):
        places, ratios = [], []
        for j, by_source in enumerate(operations.values()):
            if other in by_source:
                places.append(j + (i - (len(others) - 1) / 2) * width)
                ratios.append(by_source[other] / by_source["sparktf"])
        color = COLORS.get(other, COLOR_OF_PEER)
        bars = panel.bar(places, [r - 1 for r in ratios], width, 1, color=color, label=other)
        labels = [f"{r:.2g}" if r < 10 else f"{r:.0f}" for r in ratios]
        panel.bar_label(bars, labels, fontsize=7, padding=1)
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}x"))
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set_xticks(range(len(operations)), [LABELS[o] for o in operations], fontsize=8)
    panel.set_title(data, fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)


def place(machine: dict) -> str:
    return f"{machine['cores']} cores of an {machine['processor']}"


def main() -> None:
    matplotlib.rcParams["svg.hashsalt"] = "sparktf"  # the same picture of the same figures
    parts = [
        "# Results of `make bench` and `make bench-dataset`",
        "Written by `report.py` from the JSON files beside it.",
    ]
    for source in sorted(RESULTS.glob("spark-*.json"), reverse=True):
        document = json.loads(source.read_text())
        machine, seconds = document["machine"], seconds_of(document)
        where = place(machine)
        title = f"sparktf on Spark {machine['spark']}, {where}: how many times as fast"
        draw(seconds, title, source.with_suffix(".svg"))
        parts += [
            f"## Spark {machine['spark']}",
            f"{where}, {machine['system']}, Java {machine['java']}; `local[2]`; best of three in "
            "each of three alternating rounds. In brackets how many times sparktf's time it is.",
            f"![How many times as fast]({source.stem}.svg)",
            table(seconds),
        ]
    document = json.loads((RESULTS / "dataset.json").read_text())
    machine = document["machine"]
    parts += [
        "## sparktf.dataset and sparktf.batches",
        f"{place(machine)}, {machine['system']}, TensorFlow {machine['tensorflow']}; eight files, "
        "an epoch over all batches; the best in alternating rounds. In brackets how many times as "
        "fast it is as the fastest pipeline of tf.data by hand.",
        dataset_table(document["results"]),
    ]
    (RESULTS / "README.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()

"""The results of the benchmarks as tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"

WAYS = {
    "bare": "TensorFlow alone, two processes",
    "bare in the JVM": "TensorFlow alone, in a JVM",
    "predict_udf": "`predict_udf` (Python)",
    "predict_batch_udf": "pyspark's `predict_batch_udf`",
    "transport": "a function in Python that gives constants",
    "transform": "`transform` (Scala)",
    "tfpredict": "`tfpredict` (SQL on the JVM)",
    "row by row": "a Scala function that scores row by row",
}


def table(name: str) -> str:
    tables = (scoring, training, growth, scale, dataset)
    return {made.__name__: made for made in tables}[name]()


def _load(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RESULTS / file).read_text())["results"]
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """All columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def scoring() -> str:
    rates: dict[str, dict[str, str]] = {}
    columns = []
    for spark in ("4.2", "3.5"):
        for result in _load(f"scoring-{spark}.json"):
            way = result.get("way")
            # Beside those that are ours at their default, one size of batches for each.
            if way is None or (
                way in ("predict_udf", "transform") and result["batch"] != "default"
            ):
                continue
            column = f"{result['model']}, Spark {spark}"
            if column not in columns:
                columns.append(column)
            rates.setdefault(way, {})[column] = _count(result["rows_per_second"])
    rows = [[WAYS.get(way, way), *(by.get(c, "") for c in columns)] for way, by in rates.items()]
    return _table(["rows a second", *columns], rows)


def _count(number: float) -> str:
    return f"{number / 1e6:.3g} million" if number >= 1e6 else f"{round(number, -2):,.0f}"


def training() -> str:
    tables = []
    for result in _load("training.json"):
        if "rows" not in result:
            continue
        many, few = str(result["rows"]), str(result["few"])
        rows = [
            [
                f"`{way}`" if way == "train_on" else way,
                f"{seconds[many]:.2f} s",
                f"{seconds[few]:.2f} s",
                _count(result["net"][way]),
            ]
            for way, seconds in result["seconds"].items()
        ]
        head = [
            f"{result['rows']:,} rows of 784 {result['data']}",
            "whole call",
            "start-up",
            "rows a second without it",
        ]
        tables.append(_table(head, rows))
    return "\n\n".join(tables)


def dataset() -> str:
    cases: dict[tuple[str, str, str], dict[str, float]] = {}
    for result in _load("dataset.json"):
        if result["batch"] == 1024:
            wanted = "" if result["columns"] == "all" else f", {result['columns']} columns"
            order = ", shuffled" if result["shuffle"] else ""
            case = cases.setdefault((result["data"], wanted, order), {})
            case[result["pipeline"]] = result["seconds"]
    rows = []
    ours = {"dataset": "`sparktf.dataset`", "batches": "`sparktf.batches`"}
    for case, seconds in cases.items():
        by_hand = min(s for p, s in seconds.items() if p.startswith("batched"))
        rows.append(["".join(case), *(f"{by_hand / seconds[p]:.1f}x" for p in ours)])
    return _table(["", *ours.values()], rows)


def growth() -> str:
    curves: dict[str, list[dict[str, Any]]] = {}
    for result in _load("growth.json"):
        curves.setdefault(result["curve"], []).append(result)
    tables = []
    for curve, points in curves.items():
        names = [p["point"] if isinstance(p["point"], str) else f"{p['point']:,}" for p in points]
        tables.append(_table([curve, *names], [["s", *(f"{p['seconds']:.2f}" for p in points)]]))
    return "\n\n".join(tables)


def scale() -> str:
    rows = [
        [
            r["case"],
            r["heap"].replace("g", " GiB"),
            f"{r['seconds']:.2f} s",
            f"{r['peak_rss_mib']:,}",
        ]
        for r in _load("scale.json")
    ]
    return _table(["case", "heap", "time", "peak of memory, MiB"], rows)

"""Times what the command `sparktf` does with a file beside the PyPI package `tfrecord`, in one run.

    pip install --target /tmp/peer --no-deps tfrecord crc32c
    .venv/bin/python benchmarks/command.py --peer /tmp/peer --save

Each way runs in turn over the same files, of which one for each table of data_sets.py is written
by Spark, and the best of its rounds counts:

- `verify`: both checksums of every record.
- `stat`: the same, and statistics of all features.
- `tfrecord`: the package's loader gives each record as arrays by feature, and compares no checksum.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import data_sets
from machine import save

from sparktf.records.frames import read_records
from sparktf.records.statistics import Statistics


def verify(path: str) -> int:
    return sum(1 for _ in read_records(path))


def stat(path: str) -> int:
    statistics = Statistics("Example")
    for _, record in read_records(path):
        statistics.add(record, path)
    return statistics.finish().records


def tfrecord_package(path: str) -> int:
    from tfrecord import tfrecord_loader

    return sum(1 for _ in tfrecord_loader(path, None))


def ways(peer: str | None) -> Iterator[tuple[str, Callable[[str], int]]]:
    yield "verify", verify
    yield "stat", stat
    if peer:
        sys.path.append(peer)
        yield "tfrecord", tfrecord_package


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", help="a folder with the package `tfrecord`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=0.1, help="times the number of rows")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    arguments = parser.parse_args()
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="sparktf-benchmark-") as folder:
        data_sets.write_files(folder, list(data_sets.ALL), arguments.scale, files=1)
        compared = dict(ways(arguments.peer))
        for name in data_sets.ALL:
            (file,) = Path(folder, name).glob("part-*")
            best = dict.fromkeys(compared, float("inf"))
            records = 0
            for _ in range(arguments.rounds):
                for way, run in compared.items():
                    start = time.perf_counter()
                    records = run(str(file))
                    best[way] = min(best[way], time.perf_counter() - start)
            for way, seconds in best.items():
                print(
                    f"{name:7} {way:9} {seconds / records * 1e6:6.2f} us a record, "
                    f"{seconds / best['stat']:.2f}x stat",
                    flush=True,
                )
                each = {"data": name, "way": way, "records": records}
                results.append(each | {"seconds": round(seconds, 4)})
    if arguments.save:
        from importlib.metadata import version

        packages = {p: version(p) for p in ("protobuf", "google-crc32c", "numpy")}
        save("command", results, **packages)


if __name__ == "__main__":
    main()

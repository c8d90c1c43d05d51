"""Times `sparktf.dataset` and `sparktf.batches` beside others over the same files, in one run.

    .venv/bin/python benchmarks/dataset.py --save --peers FOLDER

Spark writes the tables of data_sets.py as TFRecord files. Then each pipeline goes over all batches
of an epoch, in alternating rounds, and the best counts: of three in each round, where an epoch
takes less than two seconds, and of one in all, where it takes more than five. "as people write" is
the pipeline of TensorFlow's guides, which parses record by record. "by hand" is the fastest that we
know how to write for these files with tf.data alone, of several, each with what it has to be told.
Unshuffled, the fastest by hand give up a fixed order or read one file at a time.

FOLDER is where `pip install --target FOLDER --no-deps tfrecord crc32c array_record grain` puts
them: the package `tfrecord`, which reads and parses in Python, and Grain, which reads ArrayRecord
files of the same Examples, and parses nothing of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_sets
from machine import save

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if TYPE_CHECKING:
    import tensorflow as tf

FILES = 8

Make = Callable[[list[str], dict, int, int], "Iterable[dict]"]
"""A pipeline over files with features, in batches of a size, shuffled among so many records."""


def features(name: str) -> dict:
    """What a pipeline by hand has to be told."""
    import tensorflow as tf

    def of(shape: list[int], dtype: tf.DType) -> tf.io.FixedLenFeature:
        return tf.io.FixedLenFeature(shape, dtype)

    if name == "image":
        return {"label": of([], tf.int64), "image": of([], tf.string)}
    if name == "vector":
        return {"label": of([], tf.int64), "x": of([200], tf.float32)}
    if name == "wide":
        columns = data_sets.WIDE.columns
        return {c: of([], tf.int64 if c[0] == "n" else tf.float32) for c in columns}
    return (
        {c: of([], tf.int64) for c in ("id", "count", "code")}
        | {c: of([], tf.float32) for c in ("price", "weight", "score")}
        | {c: of([], tf.string) for c in ("name", "city")}
        | {"visits": of([3], tf.int64), "position": of([4], tf.float32)}
    )


def ours(
    files: list[str], spec: dict, batch: int, shuffle: int, **arguments: Any
) -> tf.data.Dataset:
    import sparktf

    folder = str(Path(files[0]).parent)
    return sparktf.dataset(folder, batch_size=batch, shuffle=shuffle, **arguments)


def numpy_batches(
    files: list[str], spec: dict, batch: int, shuffle: int, **arguments: Any
) -> Iterable[dict]:
    import sparktf

    folder = str(Path(files[0]).parent)
    return sparktf.batches(folder, batch_size=batch, shuffle=shuffle, **arguments)


def by_tfrecord(files: list[str], spec: dict, batch: int, shuffle: int) -> Iterable[dict]:
    """The PyPI package `tfrecord`, whose rows NumPy makes batches of."""
    import numpy as np
    from tfrecord.reader import tfrecord_loader

    kinds = {"int64": "int", "float32": "float", "string": "byte"}
    description = {name: kinds[dtype] for name, dtype in spec.items()}
    rows = itertools.chain.from_iterable(tfrecord_loader(file, None, description) for file in files)
    while some := list(itertools.islice(rows, batch)):
        yield {name: np.array([row[name] for row in some]) for name in some[0]}


def by_grain(files: list[str], spec: dict, batch: int, shuffle: int) -> Iterable[dict]:
    """Grain over ArrayRecord files, with records as bytes."""
    import grain
    import numpy as np

    folder = Path(files[0]).parent.with_suffix(".array_record")
    source = grain.sources.ArrayRecordDataSource(sorted(map(str, folder.iterdir())))
    records = grain.MapDataset.source(source)
    if shuffle:
        records = records.shuffle(seed=1)
    batches = records.to_iter_dataset().batch(batch, batch_fn=lambda rows: np.array(rows, object))
    return ({"record": rows} for rows in batches)


def write_array_records(files: list[str]) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    from sparktf.records.frames import read_records

    folder = Path(files[0]).parent.with_suffix(".array_record")
    folder.mkdir()
    for file in files:
        writer = ArrayRecordWriter(str(folder / Path(file).name), "group_size:1,uncompressed")
        for _, record in read_records(file):
            writer.write(record)
        writer.close()


def as_people_write(files: list[str], spec: dict, batch: int, shuffle: int) -> tf.data.Dataset:
    import tensorflow as tf

    records = tf.data.Dataset.from_tensor_slices(files).interleave(
        tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE
    )
    if shuffle:
        records = records.shuffle(shuffle)
    rows = records.map(
        lambda record: tf.io.parse_single_example(record, spec),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return rows.batch(batch).prefetch(tf.data.AUTOTUNE)


def batched_parse(reads: int) -> Make:
    def make(files: list[str], spec: dict, batch: int, shuffle: int) -> tf.data.Dataset:
        import tensorflow as tf

        records = tf.data.TFRecordDataset(files, num_parallel_reads=reads)
        if shuffle:
            records = records.shuffle(shuffle)
        return (
            records.batch(batch)
            .map(lambda r: tf.io.parse_example(r, spec), num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )

    return make


def batched_reads(parse_inside: bool) -> Make:
    """Batches made inside the interleave, as few elements as can be pass from step to step."""

    def make(files: list[str], spec: dict, batch: int, shuffle: int) -> tf.data.Dataset:
        import tensorflow as tf

        def parse(records: tf.Tensor) -> dict:
            return tf.io.parse_example(records, spec)

        def read(file: tf.Tensor) -> tf.data.Dataset:
            chunks = tf.data.TFRecordDataset(file).batch(max(batch, 1024))
            return chunks.map(parse) if parse_inside else chunks

        chunks = tf.data.Dataset.from_tensor_slices(files).interleave(
            read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
        )
        if shuffle:
            chunks = chunks.unbatch().shuffle(shuffle).batch(batch)
        elif not parse_inside:
            chunks = chunks.rebatch(batch)
        if not parse_inside:
            chunks = chunks.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        elif not shuffle:
            chunks = chunks.rebatch(batch)
        return chunks.prefetch(tf.data.AUTOTUNE)

    return make


OURS: dict[str, Make] = {
    "dataset": ours,
    "dataset, any order": partial(ours, deterministic=False),
    "batches": numpy_batches,
}
PEERS: dict[str, Make] = {"tfrecord": by_tfrecord, "Grain, bytes of ArrayRecord": by_grain}
BY_HAND: dict[str, Make] = {
    "batched parse": batched_parse(1),
    "batched parse, 4 reads": batched_parse(4),
    "batched reads": batched_reads(parse_inside=False),
    "batched reads and parse": batched_reads(parse_inside=True),
}


def epoch_seconds(
    make: Make, files: list[str], spec: dict, batch: int, shuffle: int, rows: int
) -> float:
    dataset = make(files, spec, batch, shuffle)
    start = time.perf_counter()
    seen = 0
    # TensorFlow's iterator may wait for its autotuning thread when it is deleted, now and then for
    # as long as the epoch took, whatever the pipeline. So it lives until the time is taken.
    batches = iter(dataset)
    for batch in batches:
        seen += len(next(iter(batch.values())))
    seconds = time.perf_counter() - start
    if seen != rows:
        raise AssertionError(f"{seen} rows of {rows}")
    return seconds


def in_a_process(
    pipeline: str, files: list[str], spec: dict, batch: int, shuffle: int, rows: int
) -> float:
    """The same of a peer, whose messages may not be beside TensorFlow's."""
    dtypes = {name: feature.dtype.name for name, feature in spec.items()}
    asked = json.dumps([pipeline, files, dtypes, batch, shuffle, rows])
    command = [sys.executable, __file__, "--one", asked]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def improved(best: float, run: Callable[[], float]) -> float:
    """The best of so far and of a round more: of three runs, one if it is long, none if very."""
    if 5 < best < float("inf"):
        return best
    for _ in range(3):
        best = min(best, run())
        if best > 2:
            break
    return best


def measure(
    name: str, folder: str, rows: int, rounds: int, peers: dict[str, Make]
) -> list[dict[str, object]]:
    files = sorted(str(f) for f in Path(folder, name).glob("part-*"))
    if "Grain, bytes of ArrayRecord" in peers:
        write_array_records(files)
    results = []
    few = list(data_sets.ALL[name].few)
    cases = [(1024, 0, None), (1024, 10_000, None), (128, 0, None), (128, 10_000, None)]
    if len(few) > 1:
        cases.append((1024, 0, few))
    for batch, shuffle, columns in cases:
        spec = {c: f for c, f in features(name).items() if columns is None or c in columns}
        wanted = {} if columns is None else {"columns": columns}
        makes = {pipeline: partial(make, **wanted) for pipeline, make in OURS.items()}
        makes |= {"as people write": as_people_write} | BY_HAND
        if columns is None and batch == 1024:
            makes |= peers
        seconds = dict.fromkeys(makes, float("inf"))
        for _ in range(rounds):
            for pipeline, make in makes.items():
                case = (files, spec, batch, shuffle, rows)
                run = partial(in_a_process, pipeline, *case)
                if pipeline not in PEERS:
                    run = partial(epoch_seconds, make, *case)
                seconds[pipeline] = improved(seconds[pipeline], run)
        about = {"data": name, "batch": batch, "shuffle": shuffle, "rows": rows}
        about["columns"] = "all" if columns is None else len(columns)
        results += [about | {"pipeline": p, "seconds": round(s, 4)} for p, s in seconds.items()]
        by_hand = min(seconds[p] for p in BY_HAND)
        told = ", ".join(f"{p} {s:.3f} s ({by_hand / s:.2f}x)" for p, s in seconds.items())
        print(
            f"{name:7} batch {batch:5} shuffle {shuffle:6} {columns or 'all'}: {told}", flush=True
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=list(data_sets.ALL), choices=data_sets.ALL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of rows")
    parser.add_argument("--peers", help="a folder with the packages of others, see above")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # see in_a_process
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    arguments = parser.parse_args()

    if arguments.one:
        pipeline, *case = json.loads(arguments.one)
        print(epoch_seconds(PEERS[pipeline], *case))
        return
    if arguments.peers:
        sys.path.append(arguments.peers)
    results = []
    with tempfile.TemporaryDirectory(prefix="sparktf-benchmark-") as folder:
        data_sets.write_files(folder, arguments.data, arguments.scale, FILES)
        for name in arguments.data:
            rows = int(data_sets.ALL[name].rows * arguments.scale)
            peers = PEERS if arguments.peers else {}
            results += measure(name, folder, rows, arguments.rounds, peers)
    if arguments.save:
        import tensorflow as tf

        save("dataset", results, tensorflow=tf.__version__)


if __name__ == "__main__":
    main()

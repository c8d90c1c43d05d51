"""Times images into Spark beside Pillow in as many processes, in one run: images per second.

    .venv/bin/python benchmarks/images.py --save

Two sets of files in ten class folders: *photos*, JPEG of 640 x 480 in colour, and *digits*, PNG of
28 x 28 in grey, which are hardly more than their names. All become 28 x 28 greys, on two cores:

- `read_folder`: `sparktf.images.read_folder` into the noop sink, the listing included.
- `Pillow`: a plain loop in two processes that the files were listed for: open, convert, resize,
  `tobytes`.
- `the same decoding`: the loop with read_folder's own decoding, which asks JPEG for a smaller image
  and turns and flattens where that is needed.

Every way runs once before it counts; then all in alternating rounds, the best of each.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

import machine
import numpy as np
from PIL import Image

SIZE = (28, 28)
CORES = 2
CLASSES = 10
FILES = {"photos": 4_000, "digits": 20_000}
DISTINCT = 50


def _contents(kind: str) -> list[bytes]:
    """Files that differ: of light and shade in all sizes, as photos have."""
    random = np.random.default_rng(0)
    height, width, channels = (480, 640, 3) if kind == "photos" else (28, 28, 1)
    found = []
    for _ in range(DISTINCT):
        total = np.zeros((height, width, channels))
        for level in range(1, 6):
            grain = random.normal(size=(2**level, 2**level, channels)) / level
            layers = [
                np.asarray(Image.fromarray(grain[..., c]).resize((width, height), 3))
                for c in range(channels)
            ]
            total += np.stack(layers, axis=-1)
        total += random.normal(scale=0.05, size=total.shape)
        pixels = np.uint8(np.clip(128 + 60 * total, 0, 255)).squeeze()
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "JPEG" if kind == "photos" else "PNG", quality=90)
        found.append(content.getvalue())
    return found


def write_files(folder: Path, kind: str, count: int) -> list[str]:
    contents = _contents(kind)
    suffix = "jpg" if kind == "photos" else "png"
    for label in range(CLASSES):
        (folder / kind / str(label)).mkdir(parents=True)
    paths = [folder / kind / str(i % CLASSES) / f"{i}.{suffix}" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(contents[i % DISTINCT])
    return [str(path) for path in paths]


def plain(paths: list[str]) -> int:
    total = 0
    for path in paths:
        with Image.open(path) as image:
            pixels = image.convert("L").resize((SIZE[1], SIZE[0]), Image.Resampling.BILINEAR)
            total += len(pixels.tobytes())
    return total


def same_decoding(paths: list[str]) -> int:
    from sparktf.images.decoding import decode_image

    total = 0
    for path in paths:
        total += len(decode_image(Path(path).read_bytes(), SIZE, "L", "bilinear").tobytes())
    return total


def in_processes(pool: Any, loop: Callable[[list[str]], int], paths: list[str]) -> None:
    # Pieces, as Spark's tasks are, so that no process waits long for the other.
    pieces = [paths[i : i + 500] for i in range(0, len(paths), 500)]
    assert sum(pool.imap_unordered(loop, pieces)) == len(paths) * SIZE[0] * SIZE[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of files")
    parser.add_argument("--save", action="store_true", help="replace the committed results")
    arguments = parser.parse_args()

    # Before there is a JVM: its threads do not survive a fork.
    with (
        multiprocessing.Pool(CORES) as pool,
        tempfile.TemporaryDirectory(prefix="sparktf-benchmark-") as name,
    ):
        folder = Path(name)
        from pyspark.sql import SparkSession

        import sparktf

        builder = SparkSession.builder.master(f"local[{CORES}]").config("spark.ui.enabled", "false")
        # As the documentation of read_folder advises for small files.
        builder = builder.config("spark.sql.files.openCostInBytes", "65536")
        spark = sparktf.configure(builder).getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
        results: list[dict[str, object]] = []
        for kind, count in FILES.items():
            paths = write_files(folder, kind, round(count * arguments.scale))

            def read_folder(kind: str = kind) -> None:
                images = sparktf.images.read_folder(spark, str(folder / kind), size=SIZE)
                images.write.format("noop").mode("overwrite").save()

            ways: dict[str, Callable[[], None]] = {
                "read_folder": read_folder,
                "Pillow": lambda paths=paths: in_processes(pool, plain, paths),  # type: ignore[misc]
                "the same decoding": lambda paths=paths: in_processes(  # type: ignore[misc]
                    pool, same_decoding, paths
                ),
            }
            best = dict.fromkeys(ways, float("inf"))
            for number in range(arguments.rounds + 1):
                for way, run in ways.items():
                    start = time.perf_counter()
                    run()
                    if number > 0:
                        best[way] = min(best[way], time.perf_counter() - start)
            for way, seconds in best.items():
                rate = len(paths) / seconds
                print(
                    f"{kind}: {way}: {rate:,.0f} images/s; read_folder has "
                    f"{seconds / best['read_folder']:.2f} of it",
                    flush=True,
                )
                results.append({"data": kind, "way": way, "images_per_second": round(rate)})
        spark.stop()
    if arguments.save:
        import PIL
        import pyspark

        machine.save("images", results, pyspark=pyspark.__version__, pillow=PIL.__version__)


if __name__ == "__main__":
    main()

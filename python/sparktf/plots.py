"""Pictures of data and of training, drawn by matplotlib: in a notebook, or into a file.

    sparktf.show_images(images, 12)
    sparktf.plot_history(history).savefig("history.png")

Both give a matplotlib figure, which a notebook shows where it is a cell's value. No display is
needed, and none of the state that pyplot keeps.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparktf.extras import require
from sparktf.spark.column_names import quoted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pyspark.sql import Column, DataFrame

__all__ = ["plot_history", "show_images"]

_SHAPE = ("height", "width", "channels")
_CELL_INCHES = 1.6


def show_images(
    df: DataFrame,
    n: int = 16,
    *,
    input_col: str = "image",
    title: str | Column | None = None,
) -> Figure:
    """The first images of a DataFrame, in a grid.

    Args:
        df: Has images as `sparktf.images.read_folder` makes them (pixels in a binary column, with
            the columns ``height``, ``width`` and ``channels``), or as encoded files (PNG, JPEG, …)
            in a binary column where there are no such columns, which Pillow decodes.
        n: How many, at most.
        input_col: Name of the binary column.
        title: What stands above each: a column, or the name of one. ``label_name`` by default,
            where there is one.

    Raises:
        ValueError: There is no such column, no image, or n is not positive.
        TypeError: The column is not binary.
    """
    require("sparktf.show_images", "pyspark", "matplotlib", "PIL")
    from pyspark.sql import functions as F  # noqa: N812

    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n must be an integer of at least 1, not {n!r}")
    fields = {field.name: field.dataType.simpleString() for field in df.schema.fields}
    if input_col not in fields:
        raise ValueError(f"no column {input_col!r} among {', '.join(map(repr, fields))}")
    if fields[input_col] != "binary":
        raise TypeError(
            f"column {input_col!r} is {fields[input_col]}; images are binary: pixels, as "
            "sparktf.images.read_folder makes them, or encoded files"
        )
    if title is None and "label_name" in fields:
        title = "label_name"
    above = (
        F.lit("") if title is None else F.col(quoted(title)) if isinstance(title, str) else title
    )
    has_shape = all(name in fields for name in _SHAPE)
    chosen = df.where(F.col(quoted(input_col)).isNotNull()).select(
        F.col(quoted(input_col)).alias("image"),
        above.cast("string").alias("title"),
        *([F.col(name) for name in _SHAPE] if has_shape else []),
    )
    rows = chosen.limit(n).collect()
    if not rows:
        raise ValueError("there is no image to show: the DataFrame has no rows, or only nulls")
    pixels = [
        _pixels(row.image, *(row[name] for name in _SHAPE)) if has_shape else _decoded(row.image)
        for row in rows
    ]

    across = math.ceil(math.sqrt(len(rows)))
    figure, axes = _grid(len(rows), across, _CELL_INCHES, _CELL_INCHES * 1.15)
    for place, row, image in zip(axes, rows, pixels, strict=True):
        if image.shape[-1] == 1:
            place.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=255)
        else:
            place.imshow(image)
        place.set_axis_off()
        place.set_title(_short(row.title or ""), fontsize=9)
    return figure


def plot_history(history: Any) -> Figure:
    """Metrics by epoch: a curve for training, and one for validation where there is one.

    Args:
        history: What ``model.fit`` returns, its ``history``, or `sparktf.ml.KerasModel.history`: a
            list of numbers by name, validation's under ``val_`` and the name.

    Raises:
        ValueError: It has no metrics.
    """
    require("sparktf.plot_history", "matplotlib")
    found: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    if not isinstance(found, Mapping) or not any(len(values) for values in found.values()):
        raise ValueError(
            "there is no metric to plot: history must be what model.fit returns, or a dict of lists"
        )
    names = list(dict.fromkeys(name.removeprefix("val_") for name in found))
    figure, axes = _grid(len(names), min(len(names), 3), 4.2, 3.2)
    for place, name in zip(axes, names, strict=True):
        for label, key in (("training", name), ("validation", f"val_{name}")):
            if key in found:
                values = found[key]
                mark = "o" if len(values) == 1 else None
                place.plot(range(1, len(values) + 1), values, label=label, marker=mark)
        place.set_title(name)
        place.set_xlabel("epoch")
        place.xaxis.get_major_locator().set_params(integer=True)
        place.grid(alpha=0.3)
        if f"val_{name}" in found:
            place.legend(frameon=False)
    return figure


def _grid(count: int, across: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """A figure with so many axes, row by row, each of that size in inches."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        """One that notebooks show whether or not pyplot has told them how."""

        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png", bbox_inches="tight")
            return content.getvalue()

    down = math.ceil(count / across)
    figure = Picture(figsize=(width * across, height * down), layout="constrained")
    return figure, [figure.add_subplot(down, across, i + 1) for i in range(count)]


def _pixels(content: bytes, height: int, width: int, channels: int) -> Any:
    import numpy as np

    return np.frombuffer(content, np.uint8).reshape(height, width, channels)


def _decoded(content: bytes) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def _short(text: str, longest: int = 24) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"

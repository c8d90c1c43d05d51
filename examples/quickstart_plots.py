"""The quickstart's picture: sample images, the learning curve and the confusion matrix."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK, QUIET, FAINT = "#1f2933", "#7b8794", "#e4e7eb"
RIGHT, WRONG, TRAINING = "#12836b", "#d5342e", "#9aa5b1"
LEFT_EDGE, RIGHT_EDGE = 0.045, 0.965
TILES = 12  # sample images in a row
MOST_NUMBERS = 20  # a confusion matrix of more classes shows colours alone

STYLE = {
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $5
    "axes.edgecolor": "#cbd2d9",
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


def draw(path: Path, test: dict[str, np.ndarray], history: dict, metrics: dict) -> None:
    """Writes a PNG of 1800 x 1590 pixels."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 10.6), dpi=150, facecolor="white")
        heading = f"{metrics['accuracy']:.1%} of {len(test['label']):,} held-out images recognised"
        figure.text(LEFT_EDGE, 0.948, heading, fontsize=21, fontweight="bold")
        way = "image files  →  Spark DataFrame  →  TFRecord  →  tf.data  →  Keras  →  SavedModel"
        figure.text(LEFT_EDGE, 0.920, way, fontsize=11.5, color=QUIET)

        predicted = test["probability"].argmax(axis=1)
        wrong = np.flatnonzero(predicted != test["label"])
        wrong = wrong[np.argsort(-test["probability"].max(axis=1)[wrong], kind="stable")]
        first = np.arange(min(2 * TILES, len(predicted)))
        title(figure, 0.878, "Test images as they come: true → predicted")
        draw_tiles(figure, 0.868, 2, first, test, predicted, metrics["classes"])
        shown = "All" if len(wrong) <= TILES else f"{TILES} of the"
        text = f"{shown} {len(wrong)} mistakes, the surest first" if len(wrong) else "No mistakes"
        title(figure, 0.603, text, WRONG if len(wrong) else RIGHT)
        draw_tiles(figure, 0.593, 1, wrong[:TILES], test, predicted, metrics["classes"])

        title(figure, 0.441, "Accuracy by epoch")
        draw_learning_curve(figure.add_axes((0.085, 0.07, 0.40, 0.35)), history)
        title(figure, 0.441, "Confusion matrix", left=0.575)
        draw_confusion(figure.add_axes((0.615, 0.07, 0.35, 0.35)), metrics)
        figure.savefig(path)


def title(figure: Figure, y: float, text: str, color: str = INK, left: float = LEFT_EDGE) -> None:
    figure.text(left, y, text, fontsize=12.5, fontweight="bold", color=color)


def draw_tiles(
    figure: Figure,
    top: float,
    rows: int,
    images: np.ndarray,
    test: dict[str, np.ndarray],
    predicted: np.ndarray,
    class_names: list[str],
) -> None:
    grid = GridSpec(
        rows,
        TILES,
        figure,
        left=LEFT_EDGE,
        right=RIGHT_EDGE,
        top=top,
        bottom=top - 0.118 * rows,
        wspace=0.14,
        hspace=0.10,
    )
    for place, image in enumerate(images):
        axes = figure.add_subplot(grid[place // TILES, place % TILES], anchor="N")
        axes.imshow(test["pixels"][image, :, :, 0], cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        true, taken = class_names[test["label"][image]], class_names[predicted[image]]
        right = true == taken
        axes.spines[:].set(color=FAINT if right else WRONG, linewidth=1 if right else 2.5)
        tight = len(true + taken) > 8
        axes.set_xlabel(
            f"{short(true, 14)}\n→ {short(taken, 12)}" if tight else f"{true} → {taken}",
            color=QUIET if right else WRONG,
            fontsize=7.5 if tight else 10,
            fontweight="normal" if right else "bold",
            labelpad=4,
        )


def draw_learning_curve(axes: Axes, history: dict) -> None:
    epochs = np.arange(1, len(history["accuracy"]) + 1)
    for name, label, color in (
        ("val_accuracy", "test", RIGHT),
        ("accuracy", "training, with dropout", TRAINING),
    ):
        label = f"{label}: {history[name][-1]:.1%}"
        axes.plot(epochs, history[name], "o-", label=label, color=color, linewidth=2.5)
    axes.legend(loc="lower right", frameon=False, fontsize=11)
    low = min(history["accuracy"] + history["val_accuracy"])
    axes.set_ylim(low - 0.15 * (1.01 - low), 1 + 0.05 * (1.01 - low))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=FAINT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)


def draw_confusion(axes: Axes, metrics: dict) -> None:
    """Green deepens with a class's recall, red with the share of it that is taken for another."""
    counts = np.array(metrics["confusion_matrix"])
    classes = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    hits = np.eye(classes, dtype=bool)
    depth = np.where(hits, 0.15 + 0.75 * share, np.sqrt(np.minimum(share / 0.1, 1)) * 0.75)
    depth[counts == 0] = 0
    color = np.where(hits[..., None], to_rgb(RIGHT), to_rgb(WRONG))
    axes.imshow(1 - depth[..., None] * (1 - color), interpolation="nearest")

    if classes <= MOST_NUMBERS:
        for row, column in np.argwhere(counts):
            axes.text(
                column,
                row,
                f"{counts[row, column]:,}",
                ha="center",
                va="center",
                fontsize=min(11, 110 / classes),
                color="white" if depth[row, column] > 0.5 else INK,
                fontweight="bold" if row == column else "normal",
            )
        names = [short(name, 12) for name in metrics["classes"]]
        slanted = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(classes), names, **(slanted if max(map(len, names)) > 3 else {}))
        axes.set_yticks(range(classes), names)
    lines = np.arange(classes + 1) - 0.5
    if classes <= MOST_NUMBERS:
        axes.set_xticks(lines, minor=True)
        axes.set_yticks(lines, minor=True)
        axes.grid(which="minor", color=FAINT, linewidth=1)
    axes.spines[:].set_color(FAINT)
    axes.tick_params(which="both", length=0)
    axes.set(xlabel="predicted class", ylabel="true class")


def short(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"

"""What the quickstart shows: its lines on the screen, its measures and its tables."""

import time
from pathlib import Path

import numpy as np

_step = 0
_step_started = 0.0


def step(title: str) -> None:
    """Begins a numbered step, and ends the one before with the time that it took."""
    global _step, _step_started
    end_step()
    _step += 1
    _step_started = time.monotonic()
    print(f"\n{_step}. {title}", flush=True)


def end_step() -> None:
    if _step:
        say(f"took {time.monotonic() - _step_started:.1f} s")


def say(text: str) -> None:
    print("   " + text, flush=True)


def files_and_size(folder: Path, pattern: str) -> str:
    sizes = [path.stat().st_size for path in folder.glob(pattern) if path.is_file()]
    return f"{len(sizes):,} files, {sum(sizes) / 1e6:.1f} MB,"


def print_table(head: list[str], rows: list[list]) -> None:
    """The first column to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        say("  ".join([first.ljust(widths[0]), *numbers]))


def _cell(value) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def epoch_lines(keras):
    """A Keras callback: one line per epoch."""
    began = 0.0

    def begin(epoch, logs) -> None:
        nonlocal began
        began = time.monotonic()

    def end(epoch, logs) -> None:
        say(
            f"epoch {epoch + 1:>2}   loss {logs['loss']:.4f}   accuracy {logs['accuracy']:.4f}   "
            f"test accuracy {logs['val_accuracy']:.4f}   {time.monotonic() - began:.1f} s"
        )

    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)


def measure(label: np.ndarray, predicted: np.ndarray, class_names: list[str]) -> dict:
    """Accuracy, precision and recall of every class, and the confusion matrix.

    Row i, column j of the matrix counts the images of class i that were taken for class j.
    Precision is what share of the images taken for a class belong to it (0 if none was),
    recall what share of the images of a class were taken for it.
    """
    classes = len(class_names)
    confusion = np.bincount(label * classes + predicted, minlength=classes**2)
    confusion = confusion.reshape(classes, classes)
    right = confusion.diagonal()
    return {
        "accuracy": float(right.sum() / confusion.sum()),
        "classes": class_names,
        "precision": (right / np.maximum(confusion.sum(axis=0), 1)).tolist(),
        "recall": (right / np.maximum(confusion.sum(axis=1), 1)).tolist(),
        "confusion_matrix": confusion.tolist(),
    }


def print_metrics(metrics: dict) -> None:
    confusion = metrics["confusion_matrix"]
    images = [sum(row) for row in confusion]
    right = sum(row[label] for label, row in enumerate(confusion))
    say(f"accuracy {metrics['accuracy']:.4f}: {right:,} of {sum(images):,} images are right")
    print()
    columns = [metrics[name] for name in ("classes", "precision", "recall")]
    rows = [list(row) for row in zip(*columns, images, strict=True)]
    print_table(["class", "precision", "recall", "images"], rows)
    if len(confusion) <= 20:
        print()
        say("confusion matrix: a row per true class, a column per predicted one")
        names = metrics["classes"]
        rows = [[name, *row] for name, row in zip(names, confusion, strict=True)]
        print_table(["", *(name[:8] for name in names)], rows)


def mistakes(test: dict[str, np.ndarray], class_names: list[str]) -> list[dict]:
    """The test images that were taken for another class, the surest of them first."""
    predicted = test["probability"].argmax(axis=1)
    probability = test["probability"].max(axis=1)
    wrong = np.flatnonzero(predicted != test["label"])
    return [
        {
            "path": test["path"][image].decode(),
            "true": class_names[test["label"][image]],
            "predicted": class_names[predicted[image]],
            "probability": round(float(probability[image]), 4),
        }
        for image in wrong[np.argsort(-probability[wrong], kind="stable")]
    ]

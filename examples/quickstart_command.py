"""The quickstart's command line, its output folder and what goes to the screen."""

import argparse
import os
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Images to TFRecord with Spark, and a network trained on it with TensorFlow."
    )
    add = parser.add_argument
    add("--images", type=Path, metavar="DIR", help="your images, one folder per class")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        default=Path("quickstart-output"),
        help="where everything is written (%(default)s)",
    )
    add("--epochs", type=whole_number(1), default=8, metavar="N", help="of training (%(default)s)")
    add(
        "--seed",
        type=whole_number(0),
        default=1,
        metavar="N",
        help="of the split and of training (%(default)s)",
    )
    add(
        "--size",
        type=whole_number(12),
        default=28,
        metavar="N",
        help="images are made grey and N x N pixels (%(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.images is not None and not arguments.images.is_dir():
        parser.error(f"--images: there is no folder {arguments.images}")
    return arguments


def whole_number(smallest: int):
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"a whole number from {smallest}, not {text!r}")
        return int(text)

    return parse


def claim_folder(output: Path) -> None:
    """A rerun overwrites its own folder, and never anything else."""
    mark = output / ".sparktf-quickstart"
    if output.is_dir() and any(output.iterdir()) and not mark.exists():
        sys.exit(f"{output} holds other files: give an empty or a new folder by --output")
    output.mkdir(parents=True, exist_ok=True)
    mark.touch()


def engine_messages_to(log: Path) -> None:
    """Spark's JVM and TensorFlow's C++ say a lot on standard error: keeps it in a file.

    They write to file descriptor 2. What Python itself reports, a traceback above all, still
    goes to the screen, followed by the end of the log: it may know more.
    """
    screen = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8")
    with log.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.stderr = screen

    def report_error(kind, error, traceback) -> None:
        sys.__excepthook__(kind, error, traceback)
        if issubclass(kind, KeyboardInterrupt):
            return
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        print(f"\nThe end of {log}:", *last, sep="\n", file=screen)

    sys.excepthook = report_error

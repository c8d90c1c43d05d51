"""Runs the notebooks of examples/notebooks as Jupyter does, each in a kernel of its own.

    make notebooks       runs them and saves what they print and show

What is saved is clean: no time, no path, nothing of the machine that has run it. The tests compare
what a cell prints and shows, but for pictures and for cells with the tag `varies`, whose numbers
come out of training. Standard error, where Spark and TensorFlow tell of their start, is not kept.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import example_programs
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

# Of a kernel and an editor, which differ with whoever runs it.
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def run(path: Path, folder: Path) -> NotebookNode:
    """The notebook after all of its cells have run, in a kernel that begins in `folder`.

    Raises:
        CellExecutionError: A cell raises.
    """
    notebook = read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return cleaned(client.execute(env=example_programs.environment()))


def cleaned(notebook: NotebookNode) -> NotebookNode:
    notebook.metadata = nbformat.from_dict({"kernelspec": _KERNEL})
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            kept = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.outputs = list(_joined(kept))
    return notebook


def _joined(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """With what one cell prints in one piece: where it is cut depends on the time."""
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    if text:
        yield nbformat.v4.new_output("stream", name="stdout", text=text)
    for output in outputs:
        if output.output_type != "stream":
            output.metadata = {}
            yield output


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: NotebookNode) -> dict[str, list[str]]:
    """What a cell prints and shows, by MIME type; `text` is what it prints."""
    found: dict[str, list[str]] = {}
    for output in cell.outputs:
        if output.output_type == "stream":
            found.setdefault("text", []).append(output.text)
        else:
            for kind, content in output.data.items():
                found.setdefault(kind, []).append(content)
    return found


def compared(cell: NotebookNode) -> dict[str, list[str]]:
    """Of what it shows, what is the same in each run."""
    if "varies" in cell.metadata.get("tags", ()):
        return {}
    found = shown(cell)
    if "image/png" in found:
        return {}
    # Numbers of Python's objects in their names.
    return {k: [re.sub(r"0x[0-9a-f]+", "0x…", v) for v in values] for k, values in found.items()}


def main() -> None:
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(path, Path(folder))
        nbformat.write(notebook, path)
        print(path.relative_to(ROOT), f"{path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()

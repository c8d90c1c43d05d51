"""examples/notebooks: each runs from top to bottom, and shows what is committed."""

import re

import notebooks
import pytest

pytestmark = pytest.mark.one_spark

LARGEST_PICTURE = 100 * 1024  # in base64


def name_of(path):
    return path.name


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A notebook after it has run, by its path; each runs once."""
    done = {}

    def run(path):
        if path not in done:
            done[path] = notebooks.run(path, tmp_path_factory.mktemp(path.stem))
        return done[path]

    return run


def test_there_is_one_for_reading_and_writing_one_for_training_and_one_for_scoring():
    names = [path.stem for path in notebooks.NOTEBOOKS]
    assert names == ["1-read-and-write", "2-train", "3-score"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.long] if number else [])
        for number, path in enumerate(notebooks.NOTEBOOKS)
    ],
    ids=name_of,
)
def test_a_notebook_runs_and_shows_what_is_committed(path, ran):
    for kept, cell in zip(
        notebooks.code_cells(notebooks.read(path)), notebooks.code_cells(ran(path)), strict=True
    ):
        assert notebooks.shown(cell).keys() == notebooks.shown(kept).keys(), cell.source
        assert notebooks.compared(cell) == notebooks.compared(kept), cell.source


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=name_of)
def test_a_notebook_has_tables_and_pictures(path):
    found = [notebooks.shown(cell) for cell in notebooks.code_cells(notebooks.read(path))]
    tables = [table for shown in found for table in shown.get("text/html", ())]
    pictures = [picture for shown in found for picture in shown.get("image/png", ())]
    assert any("<table" in table for table in tables)
    assert pictures
    assert max(map(len, pictures)) < LARGEST_PICTURE


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=name_of)
def test_a_notebook_is_committed_whole_and_says_nothing_of_the_machine_that_ran_it(path):
    notebook = notebooks.read(path)
    cells = notebooks.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert notebook.metadata.keys() == {"kernelspec"}
    assert all(cell.metadata.keys() <= {"tags"} for cell in notebook.cells)
    assert notebook == notebooks.cleaned(notebooks.read(path))
    for cell in cells:
        assert all(output.output_type != "error" for output in cell.outputs)
        for kind, contents in notebooks.shown(cell).items():
            if not kind.startswith("image/"):
                told = re.findall(r"(?:/tmp|/home|/root|/Users|/var)/\S*|\d+ms/step", str(contents))
                assert not told, cell.source

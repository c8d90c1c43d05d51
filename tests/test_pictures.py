"""Pictures of images and histories: what is drawn, read back from the figure and from its PNG."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import functions as F  # noqa: N812

import sparktf

pytestmark = pytest.mark.one_spark

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


@pytest.fixture
def folder(tmp_path):
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        Image.new("RGB", (12, 8), colour).save(tmp_path / name / "1.png")
    return str(tmp_path)


def drawn(figure):
    """Title and pixels of each image."""
    return {
        place.get_title(): np.asarray(place.get_images()[0].get_array()) for place in figure.axes
    }


def test_images_of_a_folder(spark, folder):
    images = sparktf.images.read_folder(spark, folder, size=(8, 12), mode="RGB")
    found = drawn(sparktf.show_images(images))
    assert found.keys() == COLOURS.keys()
    for name, colour in COLOURS.items():
        assert found[name].shape == (8, 12, 3)
        assert (found[name] == colour).all()


def test_as_many_as_are_asked_for_in_grey_with_any_title(spark, folder):
    images = sparktf.images.read_folder(spark, folder, size=(8, 12), mode="L").orderBy("label")
    title = F.concat(F.lit("class "), F.col("label"))
    found = drawn(sparktf.show_images(images, 2, title=title))
    assert list(found) == ["class 0", "class 1"]
    assert (found["class 0"] == 29).all()  # ITU-R 601-2 luma of blue
    assert found["class 0"].shape == (8, 12)


def test_encoded_files(spark, folder):
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)
    named = files.withColumn("name", F.element_at(F.split("path", "/"), -2))
    found = drawn(sparktf.show_images(named, input_col="content", title="name"))
    assert (found["red"] == (255, 0, 0)).all()


def test_a_notebook_gets_a_png_that_shows_the_images(spark, folder):
    images = sparktf.images.read_folder(spark, folder, size=(8, 12), mode="RGB")
    with Image.open(io.BytesIO(sparktf.show_images(images)._repr_png_())) as png:
        colours = {colour for _, colour in png.convert("RGB").getcolors(1 << 24)}
    assert set(COLOURS.values()) <= colours


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        (lambda df: df, {"input_col": "x"}, ValueError, "no column 'x' among 'path', 'label'"),
        (lambda df: df, {"input_col": "path"}, TypeError, "column 'path' is string; images are"),
        (lambda df: df, {"n": 0}, ValueError, "n must be an integer of at least 1, not 0"),
        (lambda df: df.where("label > 5"), {}, ValueError, "there is no image to show"),
    ],
)
def test_what_cannot_be_shown(spark, folder, change, settings, error, message):
    images = sparktf.images.read_folder(spark, folder, size=(8, 12), mode="RGB")
    with pytest.raises(error, match=message):
        sparktf.show_images(change(images), **settings)


def test_a_history_has_a_plot_for_each_metric():
    history = {"loss": [3.0, 2.0, 1.5], "accuracy": [0.5, 0.6, 0.7], "val_loss": [3.5, 2.5, 2.0]}
    figure = sparktf.plot_history(history)
    curves = {
        place.get_title(): {line.get_label(): line.get_ydata().tolist() for line in place.lines}
        for place in figure.axes
    }
    assert curves["loss"] == {"training": history["loss"], "validation": history["val_loss"]}
    assert list(curves["accuracy"].values()) == [history["accuracy"]]
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1, 2, 3]
    assert len(figure._repr_png_()) > 1000

    class History:  # as model.fit returns it
        def __init__(self):
            self.history = history

    assert len(sparktf.plot_history(History()).axes) == 2
    for nothing in ({}, {"loss": []}, None):
        with pytest.raises(ValueError, match="there is no metric to plot"):
            sparktf.plot_history(nothing)


def test_without_matplotlib_it_says_what_to_install():
    program = (
        "import sys; sys.modules['matplotlib'] = None; import sparktf\n"
        "sparktf.plot_history({'loss': [1.0]})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "sparktf.plot_history needs matplotlib, which" in done.stderr
    assert 'pip install "sparktf[pictures]"' in done.stderr

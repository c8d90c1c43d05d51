"""examples/binary_classification.py: the whole program, and its measures against ones by hand."""

import importlib.util
import json

import example_programs
import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.one_spark, pytest.mark.long]

PROGRAM = "binary_classification.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location(
        "binary_classification", example_programs.EXAMPLES / PROGRAM
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def judged(spark):
    """3 of 4 positives and 4 of 6 negatives are told right; two of different classes tie."""
    ones, zeros = [0.9, 0.8, 0.7, 0.4], [0.7, 0.6, 0.3, 0.2, 0.1, 0.05]
    rows = [(1.0, score) for score in ones] + [(0.0, score) for score in zeros]
    return spark.createDataFrame(
        [(label, score, float(score > 0.5)) for label, score in rows],
        "label double, score double, prediction double",
    )


def test_measures(example, judged):
    found = example.measure(judged)
    # The part of the pairs whose scores are in order, a tie for a half.
    ones = [row.score for row in judged.where("label = 1").collect()]
    zeros = [row.score for row in judged.where("label = 0").collect()]
    pairs = [(one > zero) + 0.5 * (one == zero) for one in ones for zero in zeros]
    assert found == {
        "accuracy": pytest.approx(7 / 10),
        "precision": pytest.approx(3 / 5),
        "recall": pytest.approx(3 / 4),
        "F1": pytest.approx(2 * 3 / (5 + 4)),
        "AUC": pytest.approx(np.mean(pairs)),
    }


def test_the_curve_has_the_area_that_spark_measures(example, judged):
    curve = example.roc_curve(judged)
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    assert (np.diff(curve, axis=0) >= 0).all()
    assert [1 / 6, 3 / 4] in curve.tolist()  # both of the tie at once
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(example.measure(judged)["AUC"])


def test_the_program(tmp_path):
    printed = example_programs.run(PROGRAM, ["--output", tmp_path / "out"], tmp_path)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics.keys() == {"accuracy", "precision", "recall", "F1", "AUC"}
    assert min(metrics.values()) >= 0.95
    for name, value in metrics.items():
        assert f"{name:9} {value:.4f}\n" in printed
    with Image.open(tmp_path / "out" / "roc.png") as picture:
        assert picture.size == (600, 600)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 10

"""examples/mnist as a user runs it, on a cluster that it starts itself; and what it leaves."""

import re
import sys

import example_programs
import hadoop_servers
import numpy as np
import pytest
import tensorflow as tf

pytestmark = [pytest.mark.one_spark, pytest.mark.long]


def run_mnist(*arguments, **variables):
    """What it prints."""
    folder = arguments[0].parent
    return example_programs.run(
        "mnist/run.sh", arguments, folder, PYTHON=sys.executable, **variables
    )


def accuracies(printed):
    return [float(x) for x in re.findall(r"held-out accuracy: (\S+) of 1,000 digits", printed)]


def epochs(printed):
    return re.findall(r"^epoch (\d+/\d+): accuracy \S+, loss \S+ \(\S+ s\)$", printed, re.M)


@pytest.mark.timeout(700)
def test_both_modes_reach_the_accuracy_promised(tmp_path):
    folder = tmp_path / "out"
    printed = run_mnist(folder)
    told = accuracies(printed)
    assert len(told) == 2
    for kind, accuracy in zip(("csv", "tfrecord"), told, strict=True):
        parts = (folder / f"predictions-{kind}").glob("part-*")
        lines = "".join(part.read_text() for part in parts).splitlines()
        found = [re.fullmatch(r"Label: (\d), Prediction: (\d)", line) for line in lines]
        assert all(found)
        assert len(found) == 1000
        assert accuracy == pytest.approx(np.mean([match[1] == match[2] for match in found]))
        assert accuracy >= 0.95
    assert epochs(printed) == [f"{number}/10" for number in range(1, 11)] * 2
    checkpoints = sorted(path.name for path in (folder / "checkpoints-spark").iterdir())
    assert checkpoints == ["epoch-000009.npz", "epoch-000010.npz"]
    (events,) = (folder / "tensorboard-spark").glob("train/events.*")
    told = {
        (value.tag, event.step)
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert {("epoch_accuracy", 9), ("epoch_loss", 0)} <= told


@pytest.mark.timeout(700)
def test_data_model_and_predictions_on_hdfs(tmp_path):
    with hadoop_servers.hdfs(tmp_path / "hdfs") as hdfs:
        printed = run_mnist(tmp_path / "out", f"{hdfs}/user/someone", TRAIN="--epochs 2")
    assert epochs(printed) == ["1/2", "2/2"]
    (accuracy,) = accuracies(printed)
    assert accuracy >= 0.85
    # Beside the logs only checkpoints, which the workers write.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "checkpoints-spark",
        "logs",
        "tensorboard-spark",
    ]

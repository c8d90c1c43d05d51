"""examples/mnist as a user runs it, on a cluster that it starts itself; and what it leaves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import left_behind
import numpy as np
from test_training import on_one_spark

RUN = Path(__file__).parents[1] / "examples" / "mnist" / "run.sh"


@on_one_spark
def test_both_modes_reach_the_accuracy_promised(tmp_path):
    folder = tmp_path / "out"
    left_out = ("PYSPARK_SUBMIT_ARGS", "SPARK_TESTING", "SPARK_HOME")
    env = {name: text for name, text in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [str(RUN), str(folder)],
        cwd=tmp_path,
        env=env | {"PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    accuracies = re.findall(r"held-out accuracy: (\S+) of 1,000 digits", done.stdout)
    assert len(accuracies) == 2
    for kind, told in zip(("csv", "tfrecord"), accuracies, strict=True):
        parts = (folder / f"predictions-{kind}").glob("part-*")
        lines = "".join(part.read_text() for part in parts).splitlines()
        found = [re.fullmatch(r"Label: (\d), Prediction: (\d)", line) for line in lines]
        assert all(found)
        assert len(found) == 1000
        accuracy = np.mean([match[1] == match[2] for match in found])
        assert f"{accuracy:.4f}" == told
        assert accuracy >= 0.95
    # Each epoch of both trainings has shown.
    assert (
        len(re.findall(r"^epoch \d+/10: accuracy \S+, loss \S+ \(\S+ s\)$", done.stdout, re.M))
        == 20
    )
    assert sorted(p.name for p in (folder / "checkpoints-spark").iterdir()) == [
        "epoch-000009.npz",
        "epoch-000010.npz",
    ]
    assert not left_behind.processes()

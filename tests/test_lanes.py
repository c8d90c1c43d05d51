"""The tests' lanes and the Sparks that they run on, wherever they are named."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml
from published import ROOT

pytestmark = pytest.mark.one_spark

SPARKS = [
    line for line in (ROOT / "project" / "sparks").read_text().split("\n") if line[:1].isdigit()
]


def lanes():
    command = ["make", "--no-print-directory", "lanes"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_newest_spark_is_that_of_the_environment():
    pinned = re.findall(r"^pyspark==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.M)
    assert pinned == SPARKS[-1:]


def test_each_spark_has_lanes_of_scala_and_python():
    lines = {re.sub(r"\D", "", spark.rpartition(".")[0]) for spark in SPARKS}
    names = lanes().split()
    assert {
        re.match(r"spark(\d\d)", name)[1] for name in names if name.startswith("spark")
    } == lines
    assert {re.match(r"scoring(\d\d)", n)[1] for n in names if n.startswith("scoring")} == lines
    python = {f"python-spark-{spark}" for spark in SPARKS[:-1]}
    assert {name for name in names if name.startswith("python-spark-")} == python


@pytest.mark.long
def test_the_lanes_of_the_newest_spark_have_each_test_once():
    def collected(*arguments):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return re.findall(r"^tests/\S+::.+$", done.stdout, re.M)

    parts = ["python", "python-training", "python-long"]
    assert set(parts) < set(lanes().split())
    command = ["make", "--dry-run", "--no-print-directory", *(f"run-{name}" for name in parts)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    chosen = re.findall(r"-m pytest --durations=20 (.*?) *\) >", made)
    assert len(chosen) == len(parts) == 3
    found = [test for arguments in chosen for test in collected(*shlex.split(arguments))]
    assert sorted(found) == sorted(collected())


def test_the_workflow_runs_every_lane_on_its_own():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    job = workflow["jobs"]["tests"]
    targets = job["strategy"]["matrix"]["target"]
    # Those of core are parts of others.
    wanted = [f"lane-{name}" for name in lanes().split() if not name.endswith("-core")]
    assert sorted(targets) == sorted(["checks", *wanted])
    command = ["make", "--dry-run", "--no-print-directory", *targets]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    assert any("make ${{ matrix.target }}" in step.get("run", "") for step in job["steps"])


def test_the_oldest_tensorflow_and_keras_are_those_of_the_extra():
    text = (ROOT / "tests" / "requirements-oldest-tensorflow.txt").read_text()
    pinned = dict(re.findall(r"^([\w-]+)==(\d+\.\d+)", text, re.M))
    project = (ROOT / "pyproject.toml").read_text()
    extra = re.search(r"^tensorflow = \[(.*)\]$", project, re.M)[1]
    floors = dict(re.findall(r'"([\w-]+)>=([\d.]+),', extra))
    assert floors == {name: pinned[name] for name in ("tensorflow", "keras")}
    assert pinned["tensorflow-cpu"] == pinned["tensorflow"]

"""The tests' lanes and the Sparks that they run on, wherever they are named."""

import re
import subprocess

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
    python = {"python", *(f"python-spark-{spark}" for spark in SPARKS[:-1])}
    assert {name for name in names if name.startswith("python")} >= python


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

"""The linear example: what it learns, and that all its ways to score agree."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.one_spark, pytest.mark.long]

EXAMPLE = Path(__file__).parents[1] / "examples" / "linear.py"


def test_keras_rdd_and_sql_agree(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--model", str(tmp_path / "model")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.split()[:1] == ["row"]) + 1 :]
    numbers = np.array([line.partition("]")[2].split() for line in table], float)
    assert numbers.shape == (5, 4)
    true, keras, rdd, sql = numbers.T
    np.testing.assert_allclose(keras, true, atol=0.05)
    np.testing.assert_allclose(rdd, keras, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sql, keras, rtol=1e-5, atol=1e-5)
    assert "|[1.0, 2.0]|" in done.stdout  # the table of SQL
    assert (tmp_path / "model" / "saved_model.pb").is_file()

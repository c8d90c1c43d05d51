"""Some of the cases of `make fuzz-scoring-python`."""

import pytest
import scoring_fuzzer

pytestmark = pytest.mark.one_spark

# The last three: decimals and doubles that rounding twice changes, and a ragged row.
SEEDS = (*range(8), 404, 658, 169)


def test_random_columns_are_scored_as_numpy_has_it(spark, tmp_path):
    cases = map(scoring_fuzzer.case, SEEDS)
    path = scoring_fuzzer.model(tmp_path / "model", {(case.dtype, case.shape) for case in cases})
    assert scoring_fuzzer.run(spark, path, SEEDS) == len(SEEDS)

"""Random tables by every reader, a fixed number: see reader_fuzzer.py."""

import pytest
import reader_fuzzer


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3))])
def test_all_readers_find_what_spark_wrote(spark, seed):
    reader_fuzzer.run(seed, spark)

"""Random rows through the feed of a training run, a fixed number: see feed_fuzzer.py."""

import feed_fuzzer
import pytest


@pytest.mark.parametrize("seed", range(4))
def test_each_row_is_fed_once_an_epoch_and_at_the_same_place_again(spark, seed):
    feed_fuzzer.check(seed, spark)

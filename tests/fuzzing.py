"""What the fuzzers in Python have in common: which cases they run, and for how long."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator


def seeds(description: str) -> Iterator[int]:
    """The seeds that the command line asks for, one for each case; at the end it says how many.

    The time begins with the first of them, when all is set up.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--count", type=int, help="of cases, instead of minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first case")
    options = parser.parse_args()

    def chosen() -> Iterator[int]:
        end = time.monotonic() + 60 * options.minutes
        for number in itertools.count():
            if number == options.count or (options.count is None and time.monotonic() >= end):
                print(f"{number:,} cases from seed {options.seed} on, and nothing found")
                return
            yield options.seed + number

    return chosen()

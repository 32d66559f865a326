"""Several runs of one drill as one result."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kunren.drills.checkers.judge import Result


def worst(runs: Sequence[Result]) -> Result:
    """The run that stands for all: a false one before an unknown one before a true one, then the longest RTO."""

    def badness(result: Result) -> tuple[int, float]:
        rank = 2 if result.verdict is False else 0 if result.verdict is True else 1
        return rank, math.inf if result.rto_s is None else result.rto_s

    return max(runs, key=badness)

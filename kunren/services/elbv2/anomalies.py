"""Targets that err more than their neighbours, though their health checks pass: pure decisions over observed counts.

A target is anomalous while its share of errors (5XX answers, failed connections) stands out of the other targets' of
its group; at least three healthy targets are needed for a comparison. Mitigation takes weight from it step by step,
down to a hundredth, and gives it back step by step once it errs no more than the others.

"Automatic Target Weights" in the Application Load Balancer guide; AWS keeps its thresholds to itself, these are ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from kunren.services.elbv2.dataplane.weights import FULL

K = TypeVar("K", bound=Hashable)
TARGETS_MIN = 3
REQUESTS_MIN = 5
STANDS_OUT_BY = 0.1
STANDS_OUT_TIMES = 3.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What one target did in some span of time."""

    requests: int = 0
    errors: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.requests + other.requests, self.errors + other.errors)

    def since(self, before: Counts) -> Counts:
        """The difference of two totals; a total that shrank began anew."""
        if self.requests < before.requests or self.errors < before.errors:
            return self
        return Counts(self.requests - before.requests, self.errors - before.errors)

    @property
    def ratio(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


def anomalous(counts: Mapping[K, Counts]) -> frozenset[K]:
    """Which of a group's healthy targets stand out by their errors. (When most of them err, none does.)"""
    if len(counts) < TARGETS_MIN:
        return frozenset()
    ratios = sorted(each.ratio for each in counts.values())
    usual = ratios[(len(ratios) - 1) // 2]
    limit = max(usual + STANDS_OUT_BY, usual * STANDS_OUT_TIMES)
    return frozenset(
        key for key, each in counts.items() if each.requests >= REQUESTS_MIN and each.ratio >= min(limit, 1.0) > usual
    )


def next_weight(weight: int, is_anomalous: bool) -> int:
    """A target's weight after one more look."""
    return max(1, weight // 2) if is_anomalous else min(FULL, weight * 3 // 2 + 1)

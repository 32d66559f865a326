"""Figures from measurements: medians, percentiles, ratios, tables. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from math import ceil


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least that many percent of the values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return float(ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)])


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and range: 12 [10..15]."""
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:,.{digits}f} [{low:,.{digits}f}..{high:,.{digits}f}]"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: what was measured side by side is compared side by side."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=True) if other])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    head = f"| {' | '.join(columns)} |"
    rule = f"| {' | '.join(['---', *['---:'] * (len(columns) - 1)])} |"
    return "\n".join([head, rule, *(f"| {' | '.join(row)} |" for row in rows)])


def verdict(reached: bool) -> str:
    return "met" if reached else "**missed**"

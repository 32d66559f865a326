"""What a metric alarm's datapoints say. Pure.

"Configuring how CloudWatch alarms treat missing data" and "Alarm evaluation" in the user guide; the tables there are
this module's tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kunren.services.cloudwatch.model import ALARM, INSUFFICIENT_DATA, OK

MORE_RETRIEVED = 2
"""Datapoints beyond the evaluation periods that are looked at, in case some are missing (5 for 3, as in the tables)."""
BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


class Datapoint(NamedTuple):
    """One period from `at` on; `value` None where there is none; `samples` those behind it, where that is known."""

    at: float
    value: float | None
    samples: float | None = None


class Verdict(NamedTuple):
    """`state` None keeps the one there is. `evaluated` are the datapoints that decided, the newest first, `crossing`
    those that the reason names, `filled` how many missing ones were filled in."""

    state: str | None
    evaluated: tuple[Datapoint, ...]
    crossing: tuple[Datapoint, ...] = ()
    filled: int = 0


def needed(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Datapoints to alarm, and evaluation periods: M out of N."""
    periods = int(settings["EvaluationPeriods"])
    return int(settings.get("DatapointsToAlarm") or periods), periods


def times(period: int, evaluation_periods: int, now: float) -> list[float]:
    """When the periods began that are looked at, the newest first: complete ones, ending with a minute, those of high
    resolution with ten seconds."""
    grain = 10 if period < 60 else 60
    end = math.floor(now / grain) * grain
    return [float(end - number * period) for number in range(1, evaluation_periods + MORE_RETRIEVED + 1)]


def judged(settings: Mapping[str, Any], datapoints: Sequence[Datapoint]) -> Verdict:
    """`datapoints` are the retrieved ones, the newest first, missing ones among them."""
    breaching, periods = needed(settings)
    breaches, threshold = BREACHES[settings["ComparisonOperator"]], settings["Threshold"]
    real = tuple(each for each in datapoints if each.value is not None)[:periods]

    def is_breaching(each: Datapoint) -> bool:
        return each.value is not None and breaches(each.value, threshold)

    bad = tuple(filter(is_breaching, real))
    good = tuple(each for each in real if not is_breaching(each))
    if too_few_samples(settings, real):
        return Verdict(None, real)
    if len(real) == periods:
        return Verdict(ALARM, real, bad) if len(bad) >= breaching else Verdict(OK, real, good)
    filled = periods - len(real)
    treatment = settings.get("TreatMissingData") or "missing"
    evaluated = real or tuple(datapoints[:periods])
    if treatment == "breaching":
        alarming = len(bad) + filled >= breaching
        return Verdict(ALARM if alarming else OK, evaluated, bad if alarming else good, filled)
    if treatment == "notBreaching":
        alarming = len(bad) >= breaching
        return Verdict(ALARM if alarming else OK, evaluated, bad if alarming else good, filled)
    if not real:
        return Verdict(INSUFFICIENT_DATA if treatment == "missing" else None, evaluated, (), filled)
    if len(bad) >= breaching:
        return Verdict(ALARM, real, bad)
    if not good:
        age = next(number for number, each in enumerate(datapoints, 1) if each is real[-1])
        if treatment == "ignore":
            return Verdict(None, real)
        if age >= breaching:
            return Verdict(ALARM, real, bad)
    return Verdict(OK, real, good)


def too_few_samples(settings: Mapping[str, Any], real: Sequence[Datapoint]) -> bool:
    """Whether a percentile says too little ("Percentile-based alarms and low data samples"): below 10/(1-percentile)
    samples, of the lower half 10/percentile. Then the state stays."""
    statistic = settings.get("ExtendedStatistic") or ""
    if settings.get("EvaluateLowSampleCountPercentile") != "ignore" or not statistic.startswith("p"):
        return False
    share = float(statistic[1:]) / 100
    rarer = min(share, 1 - share)
    if rarer <= 0:
        return False
    return any(each.samples is not None and each.samples < 10 / rarer for each in real)

"""What metric math computes with: numbers, time series and arrays of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, Union

from kunren.services.cloudwatch.math.parse import BadExpression


@dataclass(frozen=True, slots=True)
class Series:
    """`points` is time (seconds) → value, in order."""

    id: str
    label: str
    period: int
    points: Mapping[float, float]


Value: TypeAlias = Union[float, Series, "tuple[Series, ...]"]


def mapped(value: Value, change: Callable[[float], float | None]) -> Value:
    """Every value changed; those that become None are gone."""
    if isinstance(value, float):
        changed = change(value)
        if changed is None:
            raise BadExpression("a number has no result here")
        return changed
    if isinstance(value, Series):
        found = {at: new for at, old in value.points.items() if (new := change(old)) is not None}
        return replace(value, points=found)
    return tuple(one for one in (mapped(item, change) for item in value) if isinstance(one, Series))


def both(left: Value, right: Value, join: Callable[[float, float], float | None]) -> Value:
    """Joined point by point: where one of two time series has none, there is none."""
    if isinstance(left, float) and isinstance(right, float):
        joined = join(left, right)
        if joined is None:
            raise BadExpression("division by zero")
        return joined
    if isinstance(left, float):
        return mapped(right, lambda value: join(left, value))
    if isinstance(right, float):
        return mapped(left, lambda value: join(value, right))
    if isinstance(left, Series) and isinstance(right, Series):
        points = {
            at: joined
            for at, value in left.points.items()
            if at in right.points and (joined := join(value, right.points[at])) is not None
        }
        return replace(left, points=points, period=max(left.period, right.period))
    if isinstance(left, Series) and isinstance(right, tuple):
        return tuple(one for item in right if isinstance(one := both(left, item, join), Series))
    if isinstance(right, Series) and isinstance(left, tuple):
        return tuple(one for item in left if isinstance(one := both(item, right, join), Series))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    if len(left) != len(right):
        raise BadExpression("the arrays are of different lengths")
    pairs = (both(one, other, join) for one, other in zip(left, right, strict=True))
    return tuple(one for one in pairs if isinstance(one, Series))


def all_series(value: Value) -> tuple[Series, ...]:
    """An array, or a time series as an array of one. Raises BadExpression for a number."""
    if isinstance(value, Series):
        return (value,)
    if isinstance(value, tuple):
        return value
    raise BadExpression("a number stands where a time series is expected")


def one_series(value: Value) -> Series:
    """Raises BadExpression."""
    if isinstance(value, Series):
        return value
    raise BadExpression("a time series is expected")


def number(value: Value) -> float:
    """Raises BadExpression."""
    if isinstance(value, float):
        return value
    raise BadExpression("a number is expected")

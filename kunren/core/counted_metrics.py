"""Metrics of a service for CloudWatch, counted by minute until somebody reads metrics or an alarm is evaluated.

As `held_metrics`, for what happens often: values of one minute are counted together, so that a request costs one
addition. What waits is bounded: when it becomes too much it is delivered unasked. It is lost when the daemon ends.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.core.held_metrics import OWN_CALLS

log = logging.getLogger(__name__)
_WAITING_MAX = 4000
_VALUES_MAX = 140  # below PutMetricData's limit of 150
_DATA_PER_CALL = 500
Dimensions = tuple[tuple[str, str], ...]


class _Key(NamedTuple):
    account: str
    region: str
    dimensions: Dimensions
    name: str
    unit: str
    minute: int


class CountedMetrics:
    """Values of one namespace."""

    def __init__(self, namespace: str, call: CallService) -> None:
        self._namespace = namespace
        self._call = call
        self._waiting: dict[_Key, dict[float, float]] = {}
        self._delivering = asyncio.Lock()
        self._unasked: asyncio.Task[None] | None = None

    def add(
        self, account: str, region: str, dimensions: Dimensions, name: str, unit: str, value: float, at: float,
        count: float = 1.0,
    ) -> None:  # fmt: skip
        """A value was seen `count` times at `at` (AWS time)."""
        key = _Key(account, region, dimensions, name, unit, int(at // 60))
        values = self._waiting.get(key)
        if values is None:
            values = self._waiting[key] = {}
            if len(self._waiting) > _WAITING_MAX and self._unasked is None:
                self._unasked = asyncio.get_running_loop().create_task(self._make_room(), name="metrics-room")
        if len(values) >= _VALUES_MAX and value not in values:
            value = min(values, key=lambda each: abs(each - value))
        values[value] = values.get(value, 0.0) + count

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch: return when every value is there."""
        if operation in OWN_CALLS:
            return
        async with self._delivering:
            waiting, self._waiting = self._waiting, {}
            together: dict[tuple[str, str], list[dict[str, Any]]] = {}
            for key, values in waiting.items():
                together.setdefault((key.account, key.region), []).append(_datum(key, values))
            for (account, region), data in together.items():
                for start in range(0, len(data), _DATA_PER_CALL):
                    told = {"Namespace": self._namespace, "MetricData": data[start : start + _DATA_PER_CALL]}
                    try:
                        await self._call(account, region, "cloudwatch", "PutMetricData", told)
                    except AwsError as error:
                        log.warning("metrics of %s were lost: %s", self._namespace, error)

    async def _make_room(self) -> None:
        try:
            await self.before("")
        finally:
            self._unasked = None


def _datum(key: _Key, values: dict[float, float]) -> dict[str, Any]:
    return {
        "MetricName": key.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in key.dimensions],
        "Timestamp": datetime.fromtimestamp(key.minute * 60, UTC),
        "Values": list(values),
        "Counts": list(values.values()),
        "Unit": key.unit,
    }

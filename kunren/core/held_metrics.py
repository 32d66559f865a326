"""Metrics of a service for CloudWatch, kept back until somebody asks that service anything.

So they cost nothing where nobody looks. What waits is bounded, the oldest make room; it is lost when the daemon ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kunren.core.calling import CallService
from kunren.core.errors import AwsError

log = logging.getLogger(__name__)
OWN_CALLS = frozenset({"PutMetricData"})
_WAITING_MAX = 20_000
_DATA_PER_CALL_MAX = 1000  # PutMetricData's limit


class Sample(NamedTuple):
    """A value at a time (AWS time), in an account, with its dimensions."""

    account: str
    dimensions: Mapping[str, str]
    name: str
    value: float
    unit: str
    at: float


class HeldMetrics:
    """Samples of one namespace, in one region."""

    def __init__(self, namespace: str, region: str, call: CallService) -> None:
        self._namespace = namespace
        self._region = region
        self._call = call
        self._waiting: deque[Sample] = deque(maxlen=_WAITING_MAX)
        self._delivering = asyncio.Lock()

    def extend(self, samples: Iterable[Sample]) -> None:
        self._waiting.extend(samples)

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch: return when every sample is there."""
        if operation in OWN_CALLS:
            return
        async with self._delivering:
            waiting: dict[str, list[dict[str, Any]]] = {}
            while self._waiting:
                sample = self._waiting.popleft()
                waiting.setdefault(sample.account, []).append(datum(sample))
            for account, data in waiting.items():
                for start in range(0, len(data), _DATA_PER_CALL_MAX):
                    told = {"Namespace": self._namespace, "MetricData": data[start : start + _DATA_PER_CALL_MAX]}
                    try:
                        await self._call(account, self._region, "cloudwatch", "PutMetricData", told)
                    except AwsError as error:
                        log.warning("metrics of %s were lost: %s", self._namespace, error)


def datum(sample: Sample) -> dict[str, Any]:
    """One of PutMetricData's MetricData."""
    return {
        "MetricName": sample.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in sample.dimensions.items()],
        "Timestamp": datetime.fromtimestamp(sample.at, UTC),
        "Value": sample.value,
        "Unit": sample.unit,
    }

"""Metrics of distributions, for CloudWatch: taken every minute, kept back until somebody asks that service anything.

Developer Guide, "Types of metrics for CloudFront": namespace AWS/CloudFront, in us-east-1, dimensions DistributionId
and Region (Global). A monitoring subscription adds some. What waits is bounded, the oldest make room, and it is lost
when the daemon ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.dataplane.edge.counts import Counts
from kunren.services.cloudfront.model import MonitoringSubscription

log = logging.getLogger(__name__)
NAMESPACE, REGION = "AWS/CloudFront", "us-east-1"
OWN_CALLS = frozenset({"PutMetricData"})
_EVERY_S = 60.0
_WAITING_MAX = 20_000
_DATA_PER_CALL_MAX = 1000  # PutMetricData's limit
_ERROR_RATES = (401, 403, 404, 502, 503, 504)


class Sample(NamedTuple):
    account: str
    distribution_id: str
    name: str
    value: float
    unit: str
    at: float


class DistributionMetrics:
    """`take` gives what was counted since it was last called, by account and distribution; `run` lives until it is
    cancelled."""

    def __init__(
        self, store: Store, clock: Clock, call: CallService, take: Callable[[], Mapping[tuple[str, str], Counts]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._call = call
        self._take = take
        self._waiting: deque[Sample] = deque(maxlen=_WAITING_MAX)
        self._delivering = asyncio.Lock()

    async def run(self) -> None:
        while True:
            await self._clock.sleep(_EVERY_S)
            snapshot, now = self._store.snapshot(), self._clock.now()
            for (account, identity), counts in self._take().items():
                subscribed = snapshot.get(MonitoringSubscription, account, "", identity)
                more = subscribed is not None and subscribed.enabled
                named = [*always(counts), *(on_request(counts) if more else ())]
                self._waiting.extend(Sample(account, identity, name, value, unit, now) for name, value, unit in named)

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch: return when every sample is there."""
        if operation in OWN_CALLS:
            return
        async with self._delivering:
            waiting: dict[str, list[dict[str, Any]]] = {}
            while self._waiting:
                sample = self._waiting.popleft()
                waiting.setdefault(sample.account, []).append(_datum(sample))
            for account, data in waiting.items():
                for start in range(0, len(data), _DATA_PER_CALL_MAX):
                    told = {"Namespace": NAMESPACE, "MetricData": data[start : start + _DATA_PER_CALL_MAX]}
                    try:
                        await self._call(account, REGION, "cloudwatch", "PutMetricData", told)
                    except AwsError as error:
                        log.warning("metrics of distributions were lost: %s", error)


def always(counts: Counts) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of the metrics that every distribution has."""
    client = sum(count for status, count in counts.errors.items() if status < 500)
    server = counts.errors.total() - client
    yield "Requests", float(counts.requests), "None"
    yield "BytesDownloaded", float(counts.downloaded), "None"
    yield "BytesUploaded", float(counts.uploaded), "None"
    for name, errors in (("TotalErrorRate", client + server), ("4xxErrorRate", client), ("5xxErrorRate", server)):
        yield name, 100 * errors / counts.requests, "Percent"


def on_request(counts: Counts) -> Iterator[tuple[str, float, str]]:
    """Those of a monitoring subscription."""
    if counts.cacheable:
        yield "CacheHitRate", 100 * counts.hits / counts.cacheable, "Percent"
    if counts.from_origin:
        yield "OriginLatency", 1000 * counts.origin_s / counts.from_origin, "Milliseconds"
    for status in _ERROR_RATES:
        yield f"{status}ErrorRate", 100 * counts.errors[status] / counts.requests, "Percent"


def _datum(sample: Sample) -> dict[str, Any]:
    return {
        "MetricName": sample.name,
        "Dimensions": [
            {"Name": "DistributionId", "Value": sample.distribution_id}, {"Name": "Region", "Value": "Global"}
        ],
        "Timestamp": datetime.fromtimestamp(sample.at, UTC),
        "Value": sample.value,
        "Unit": sample.unit,
    }  # fmt: skip

"""Metrics of distributions, for CloudWatch: taken every minute (`kunren.core.held_metrics`).

Developer Guide, "Types of metrics for CloudFront": namespace AWS/CloudFront, in us-east-1, dimensions DistributionId
and Region (Global). A monitoring subscription adds some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.held_metrics import HeldMetrics, Sample
from kunren.dataplane.edge.counts import Counts
from kunren.services.cloudfront.model import MonitoringSubscription

NAMESPACE, REGION = "AWS/CloudFront", "us-east-1"
_EVERY_S = 60.0
_ERROR_RATES = (401, 403, 404, 502, 503, 504)


class DistributionMetrics:
    """`take` gives what was counted since it was last called, by account and distribution; `run` lives until it is
    cancelled."""

    def __init__(
        self, store: Store, clock: Clock, call: CallService, take: Callable[[], Mapping[tuple[str, str], Counts]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._take = take
        self._held = HeldMetrics(NAMESPACE, REGION, call)
        self.before = self._held.before

    async def run(self) -> None:
        while True:
            await self._clock.sleep(_EVERY_S)
            snapshot, now = self._store.snapshot(), self._clock.now()
            for (account, identity), counts in self._take().items():
                subscribed = snapshot.get(MonitoringSubscription, account, "", identity)
                more = subscribed is not None and subscribed.enabled
                named = [*always(counts), *(on_request(counts) if more else ())]
                told = {"DistributionId": identity, "Region": "Global"}
                self._held.extend(Sample(account, told, name, value, unit, now) for name, value, unit in named)


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

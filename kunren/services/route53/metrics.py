"""Metrics of health checks and of DNSSEC, for CloudWatch: sampled, and kept back until somebody asks that service
anything.

"Monitoring health checks using CloudWatch" (every minute) and "Monitoring hosted zones using Amazon CloudWatch" (DNSSEC
every four hours) in the developer guide: namespace AWS/Route53, in us-east-1. What waits is bounded, the oldest make
room, and it is lost when the daemon ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.route53 import health
from kunren.services.route53.dnssec import ACTION_NEEDED
from kunren.services.route53.model import HealthCheck, HealthCheckStatus, KeySigningKey
from kunren.services.route53.store import GLOBAL

log = logging.getLogger(__name__)
NAMESPACE, REGION = "AWS/Route53", "us-east-1"
OWN_CALLS = frozenset({"PutMetricData"})
_EVERY_S, _ZONES_EVERY_S = 60.0, 14_400.0
_CHECK, _ZONE = "HealthCheckId", "HostedZoneId"
_WAITING_MAX = 20_000
_DATA_PER_CALL_MAX = 1000  # PutMetricData's limit


class Sample(NamedTuple):
    account: str
    dimension: str
    id: str
    name: str
    value: float
    unit: str
    at: float


class Metrics:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._call = call
        self._waiting: deque[Sample] = deque(maxlen=_WAITING_MAX)
        self._delivering = asyncio.Lock()

    async def run(self) -> None:
        last = 0.0
        while True:
            await self._clock.sleep(_EVERY_S)
            now = self._clock.now()
            self._waiting.extend(samples(self._store.snapshot(), now))
            if now >= last + _ZONES_EVERY_S:
                self._waiting.extend(zone_samples(self._store.snapshot(), now))
                last = now

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
                        log.warning("metrics were lost: %s", error)


def samples(snapshot: Snapshot, now: float) -> Iterator[Sample]:
    """What every health check's metrics are at this moment."""
    for check in snapshot.every(HealthCheck):
        status = snapshot.get(HealthCheckStatus, check.account, GLOBAL, check.id)
        if status is None:
            continue
        yield Sample(check.account, _CHECK, check.id, "HealthCheckStatus", float(status.healthy), "None", now)
        if status.checkers:
            share = sum(each.healthy for each in status.checkers) / len(status.checkers)
            yield Sample(check.account, _CHECK, check.id, "HealthCheckPercentageHealthy", 100 * share, "Percent", now)
        if check.config.type == "CALCULATED" and not check.config.disabled:
            healthy = sum(health.is_healthy(snapshot, check.account, each) for each in check.config.children or ())
            yield Sample(check.account, _CHECK, check.id, "ChildHealthCheckHealthyCount", float(healthy), "None", now)


def zone_samples(snapshot: Snapshot, now: float) -> Iterator[Sample]:
    """What DNSSEC's metrics are at this moment, of every zone that has key-signing keys."""
    zones: dict[tuple[str, str], list[KeySigningKey]] = {}
    for key in snapshot.every(KeySigningKey):
        zones.setdefault((key.account, key.region), []).append(key)
    for (account, zone_id), keys in zones.items():
        needing = [now - each.modified for each in keys if each.status == ACTION_NEEDED]
        for name, value, unit in (
            ("DNSSECInternalFailure", 0.0, "Count"),
            ("DNSSECKeySigningKeysNeedingAction", float(len(needing)), "Count"),
            ("DNSSECKeySigningKeyMaxNeedingActionAge", max(needing, default=0.0), "Seconds"),
            ("DNSSECKeySigningKeyAge", max(now - each.created for each in keys), "Seconds"),
        ):
            yield Sample(account, _ZONE, zone_id, name, value, unit, now)


def _datum(sample: Sample) -> dict[str, Any]:
    return {
        "MetricName": sample.name,
        "Dimensions": [{"Name": sample.dimension, "Value": sample.id}],
        "Timestamp": datetime.fromtimestamp(sample.at, UTC),
        "Value": sample.value,
        "Unit": sample.unit,
    }

"""Metrics of health checks and of DNSSEC, for CloudWatch: sampled (`kunren.core.held_metrics`).

"Monitoring health checks using CloudWatch" (every minute) and "Monitoring hosted zones using Amazon CloudWatch" (DNSSEC
every four hours) in the developer guide: namespace AWS/Route53, in us-east-1.
"""

from __future__ import annotations

from collections.abc import Iterator

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.held_metrics import HeldMetrics, Sample
from kunren.services.route53 import health
from kunren.services.route53.dnssec import ACTION_NEEDED
from kunren.services.route53.model import HealthCheck, HealthCheckStatus, KeySigningKey
from kunren.services.route53.store import GLOBAL

NAMESPACE, REGION = "AWS/Route53", "us-east-1"
_EVERY_S, _ZONES_EVERY_S = 60.0, 14_400.0


class Metrics:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._held = HeldMetrics(NAMESPACE, REGION, call)
        self.before = self._held.before

    async def run(self) -> None:
        last = 0.0
        while True:
            await self._clock.sleep(_EVERY_S)
            now = self._clock.now()
            self._held.extend(samples(self._store.snapshot(), now))
            if now >= last + _ZONES_EVERY_S:
                self._held.extend(zone_samples(self._store.snapshot(), now))
                last = now


def samples(snapshot: Snapshot, now: float) -> Iterator[Sample]:
    """What every health check's metrics are at this moment."""
    for check in snapshot.every(HealthCheck):
        status = snapshot.get(HealthCheckStatus, check.account, GLOBAL, check.id)
        if status is None:
            continue
        told = {"HealthCheckId": check.id}
        yield Sample(check.account, told, "HealthCheckStatus", float(status.healthy), "None", now)
        if status.checkers:
            share = sum(each.healthy for each in status.checkers) / len(status.checkers)
            yield Sample(check.account, told, "HealthCheckPercentageHealthy", 100 * share, "Percent", now)
        if check.config.type == "CALCULATED" and not check.config.disabled:
            healthy = sum(health.is_healthy(snapshot, check.account, each) for each in check.config.children or ())
            yield Sample(check.account, told, "ChildHealthCheckHealthyCount", float(healthy), "None", now)


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
            yield Sample(account, {"HostedZoneId": zone_id}, name, value, unit, now)

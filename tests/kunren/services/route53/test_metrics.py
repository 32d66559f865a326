from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.route53.metrics import Metrics, samples, zone_samples
from kunren.services.route53.model import CheckerView, HealthCheck, HealthCheckConfig, HealthCheckStatus, KeySigningKey
from kunren.services.route53.store import GLOBAL, Route53Store

ACCOUNT = "000000000000"


def stored() -> Store:
    """Two checks on endpoints, one of them ill to one of its checkers, one calculated check, one not looked at."""
    store = Store(None)
    Route53Store(store, SimClock(), Entropy(1))
    views = [
        CheckerView(region="us-east-1", address=str(each), healthy=each > 0, status="x", checked_at=0.0)
        for each in range(4)
    ]
    endpoint = HealthCheckConfig(type="TCP", ip_address="198.19.0.16", port=80)
    calculated = HealthCheckConfig(type="CALCULATED", children=("a", "b"), health_threshold=1)
    with store.write() as tx:
        for id, config in (("a", endpoint), ("b", endpoint), ("c", calculated), ("new", endpoint)):
            tx.put(HealthCheck(account=ACCOUNT, region=GLOBAL, id=id, caller_reference=id, config=config))
        for id, healthy, checkers in (("a", True, tuple(views)), ("b", False, ()), ("c", True, ())):
            tx.put(HealthCheckStatus(account=ACCOUNT, region=GLOBAL, id=id, healthy=healthy, checkers=checkers))
    return store


def test_each_check_has_its_status_and_what_belongs_to_its_kind() -> None:
    found = {(each.dimensions["HealthCheckId"], each.name): each.value for each in samples(stored().snapshot(), 7.0)}
    assert found == {
        ("a", "HealthCheckStatus"): 1.0,
        ("a", "HealthCheckPercentageHealthy"): 75.0,
        ("b", "HealthCheckStatus"): 0.0,
        ("c", "HealthCheckStatus"): 1.0,
        ("c", "ChildHealthCheckHealthyCount"): 1.0,
    }


def test_zones_with_keys_say_how_old_they_are_and_which_need_action() -> None:
    store = stored()
    key = KeySigningKey(
        account=ACCOUNT, region="Z1", id="one", caller_reference="1", kms_arn="arn", public_key=b"", status="ACTIVE",
        created=100.0, modified=100.0,
    )  # fmt: skip
    with store.write() as tx:
        tx.put(key)
        tx.put(msgspec.structs.replace(key, id="two", status="ACTION_NEEDED", created=300.0, modified=400.0))
    found = list(zone_samples(store.snapshot(), 1000.0))
    assert all((each.account, each.dimensions) == (ACCOUNT, {"HostedZoneId": "Z1"}) for each in found) and found
    assert {each.name: (each.value, each.unit) for each in found} == {
        "DNSSECInternalFailure": (0.0, "Count"),
        "DNSSECKeySigningKeysNeedingAction": (1.0, "Count"),
        "DNSSECKeySigningKeyMaxNeedingActionAge": (600.0, "Seconds"),
        "DNSSECKeySigningKeyAge": (900.0, "Seconds"),
    }


def test_samples_of_every_minute_are_delivered_before_somebody_asks() -> None:
    put: list[Mapping[str, Any]] = []

    async def call(account: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        assert (account, region, service, operation) == (ACCOUNT, "us-east-1", "cloudwatch", "PutMetricData")
        put.append(params)
        return {}

    async def story() -> None:
        clock = SimClock()
        metrics = Metrics(stored(), clock, call)
        running = asyncio.ensure_future(metrics.run())
        for _ in range(2):
            await asyncio.sleep(0)
            clock.advance(60)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await metrics.before("PutMetricData")
        assert not put
        await metrics.before("GetMetricData")
        running.cancel()
        await metrics.before("GetMetricData")

    asyncio.run(story())
    (told,) = put
    assert told["Namespace"] == "AWS/Route53" and len(told["MetricData"]) == 10
    first = told["MetricData"][0]
    assert (first["MetricName"], first["Dimensions"]) == (
        "HealthCheckStatus",
        [{"Name": "HealthCheckId", "Value": first["Dimensions"][0]["Value"]}],
    )

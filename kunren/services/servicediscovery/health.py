"""What is known of the health of instances: told by somebody, or observed by Route 53's checkers."""

from __future__ import annotations

from collections.abc import Iterable

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.servicediscovery.model import HEALTHY, UNHEALTHY, UNKNOWN, Instance, Service


async def health_of(call: CallService, service: Service, instances: Iterable[Instance]) -> dict[str, str]:
    """By the instances' ids. Without any check an instance counts as healthy."""
    return {each.id: await _one(call, service, each) for each in instances}


async def _one(call: CallService, service: Service, instance: Instance) -> str:
    if service.custom_health:
        return instance.custom_health
    if service.health_check is None:
        return HEALTHY
    if not instance.health_check:
        return UNKNOWN
    try:
        told = await call(
            instance.account, instance.region, "route53", "GetHealthCheckStatus",
            {"HealthCheckId": instance.health_check},
        )  # fmt: skip
    except AwsError:
        return UNKNOWN
    seen = [each["StatusReport"]["Status"] for each in told["HealthCheckObservations"] if each.get("StatusReport")]
    if not seen:
        return UNKNOWN
    # Route 53 considers an endpoint healthy while more than 18 % of its checkers do
    good = sum(each.startswith("Success") for each in seen)
    return HEALTHY if good > 0.18 * len(seen) else UNHEALTHY

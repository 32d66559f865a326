"""A container's health by its check, as Docker counts it. Source: "HealthCheck" in the ECS API reference."""

from __future__ import annotations

from collections.abc import Callable

from kunren.core.clock import Clock
from kunren.dataplane.containers.interface import RunningContainer
from kunren.services.ecs.tasks.plan import HealthCheck


def judged(before: str, failures: int, passed: bool, check: HealthCheck, ran_s: float) -> tuple[str, int]:
    """Health and the number of failures in a row after one more check. Within the start period failures don't count,
    until one check has passed. Pure."""
    if passed:
        return "HEALTHY", 0
    if before == "UNKNOWN" and ran_s < check.start_period_s:
        return before, 0
    failures += 1
    return ("UNHEALTHY" if failures >= check.retries else before), failures


async def watch_health(
    check: HealthCheck, container: RunningContainer, clock: Clock, told: Callable[[str], None]
) -> None:
    """Check until cancelled; `told` hears each change."""
    began, health, failures = clock.now(), "UNKNOWN", 0
    while True:
        await clock.sleep(check.interval_s)
        code = await container.execute(check.argv, clock.wall_seconds(check.timeout_s))
        found, failures = judged(health, failures, code == 0, check, clock.now() - began)
        if found != health:
            health = found
            told(found)

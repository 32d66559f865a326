"""What probes make of a target, by AWS's rules: a pure state machine per node, and one state out of all nodes'.

A new target is healthy after one success; a healthy one becomes unhealthy after `UnhealthyThresholdCount` failures in a
row, an unhealthy one healthy again after `HealthyThresholdCount` successes in a row. Each node of the load balancer
judges by its own probes. A target is shown, and treated, as healthy when at least one node sees it healthy (so that a
node that is cut off does not take the targets of all others away), as unhealthy when every node that probes it has
found it so, and as initial before that.

"Health checks for Application Load Balancer target groups"; reason codes: TargetHealth in the API reference.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from kunren.dataplane.health.prober import Outcome
from kunren.services.elbv2.health_checks import codes
from kunren.services.elbv2.model import HealthCheck, TargetHealth

_HTTP_CODES, _GRPC_CODES = (200, 599), (0, 99)
INITIAL_REASON = ("Elb.InitialHealthChecking", "Initial health checks in progress")


@dataclass(frozen=True, slots=True)
class Seen:
    """One node's view of one target: its state, and how many probes in a row succeeded or failed."""

    state: str = "initial"  # initial | healthy | unhealthy
    successes: int = 0
    failures: int = 0
    reason: str | None = INITIAL_REASON[0]
    description: str | None = INITIAL_REASON[1]


def judged(seen: Seen, outcome: Outcome, check: HealthCheck) -> Seen:
    """The view after one more probe."""
    failure = failure_of(outcome, check)
    if failure is None:
        successes = seen.successes + 1
        if seen.state != "unhealthy" or successes >= check.healthy_threshold:
            return Seen("healthy", successes, 0, None, None)
        return replace(seen, successes=successes, failures=0)
    failures = seen.failures + 1
    if seen.state == "unhealthy" or failures >= check.unhealthy_threshold:
        return Seen("unhealthy", 0, failures, *failure)
    return replace(seen, successes=0, failures=failures)


def failure_of(outcome: Outcome, check: HealthCheck) -> tuple[str, str] | None:
    """Reason code and description of a probe that failed; None for one that succeeded."""
    if outcome.kind == "timeout":
        return "Target.Timeout", "Request timed out"
    if outcome.kind in ("failed", "grpc-empty"):
        return "Target.FailedHealthChecks", "Health checks failed"
    if outcome.kind == "connected":
        return None
    if outcome.kind == "grpc":
        wanted = codes(check.matcher.grpc_code or "12", _GRPC_CODES, "gRPC")
    else:
        wanted = codes(check.matcher.http_code or "200", _HTTP_CODES, "HTTP")
    if any(low <= outcome.code <= high for low, high in wanted):
        return None
    return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{outcome.code}]"


def slow_since(before: TargetHealth | None, state: str, now: float, warm: bool) -> float | None:
    """When a target's slow start began: as it turns healthy, provided that the group is warm (some other target is
    healthy and not itself in slow start), and anew after it was unhealthy."""
    if state != "healthy":
        return None
    if before is not None and before.state == "healthy":
        return before.slow_since
    return now if warm else None


def combined(views: Collection[Seen]) -> Seen:
    """One state out of the nodes' views; initial while nobody has looked."""
    for state in ("healthy", "initial", "unhealthy"):
        for seen in views:
            if seen.state == state:
                return seen
    return Seen()

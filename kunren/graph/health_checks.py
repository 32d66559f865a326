"""Route 53's health checks: what each asks, what it has come to, and which others it counts."""

from __future__ import annotations

from kunren.graph.draft import Draft
from kunren.graph.model import Node
from kunren.services.route53 import health
from kunren.services.route53.model import HealthCheck, HealthCheckConfig, HealthCheckStatus
from kunren.services.route53.store import GLOBAL


def node_id(check_id: str) -> str:
    return f"health-check/{check_id}"


def state(draft: Draft, account: str, check_id: str) -> str:
    return "healthy" if health.is_healthy(draft.snapshot, account, check_id) else "unhealthy"


def add(draft: Draft) -> None:
    """Health checks are global, so only the account is looked at."""
    account = draft.scope.account
    checks = [each for each in draft.snapshot.every(HealthCheck) if account in (None, each.account)]
    for check in sorted(checks, key=lambda each: (each.account, _name(each), each.id)):
        draft.add(
            Node(
                id=node_id(check.id), kind="health-check", name=_name(check),
                arn=f"arn:aws:route53:::healthcheck/{check.id}", account=check.account,
                state=state(draft, check.account, check.id), details=_details(draft, check),
            )
        )  # fmt: skip
        for child in check.config.children or ():
            draft.join(node_id(check.id), node_id(child), "counts")


def _name(check: HealthCheck) -> str:
    return check.tags.get("Name") or asked(check.config)


def asked(config: HealthCheckConfig) -> str:
    """What a check looks at, in a few words."""
    if config.type == "CALCULATED":
        return f"{config.health_threshold} of {len(config.children or ())} health checks"
    if config.alarm is not None:
        return f"alarm {config.alarm.name} in {config.alarm.region}"
    path = "" if config.type == "TCP" else "/" + (config.resource_path or "/").lstrip("/")
    return f"{config.type.partition('_')[0]} {config.ip_address or config.domain_name}:{config.port}{path}"


def _details(draft: Draft, check: HealthCheck) -> dict[str, str]:
    config = check.config
    status = draft.snapshot.get(HealthCheckStatus, check.account, GLOBAL, check.id)
    details = {"id": check.id, "type": config.type, "asks": asked(config)}
    if status is not None and status.checkers:
        details["checkers"] = f"{sum(each.healthy for each in status.checkers)} of {len(status.checkers)} healthy"
        failing = next((each.status for each in status.checkers if each.status.startswith("Failure")), "")
        if failing:
            details["failing"] = failing
    for switch, on in (("inverted", config.inverted), ("disabled", config.disabled)):
        if on:
            details[switch] = "yes"
    return details

"""What to change so that recovery fits the policy: each recommendation names the part that is missing. Pure."""

from __future__ import annotations

from typing import Any

from kunren.services.resiliencehub.model import DISRUPTIONS, ComponentFound, Policy
from kunren.services.resiliencehub.verdict import BREACHED, NO_POLICY, compliance, overall, status_of

_CHANGES = {
    "single-az": ("Spread over Availability Zones", "Have the load balancer and healthy targets in two or more zones."),
    "single-target": ("Add a target", "Register a second target, in another Availability Zone."),
    "no-health-check": ("Check health", "Turn on health checks for the target group."),
    "no-version": ("Publish versions", "Publish versions of the function and call it by an alias."),
    "no-backup": ("Keep a copy", "Turn on point-in-time recovery or versioning."),
    "no-replica": ("Add a Region", "Deploy a copy of the component to another Region."),
    "no-way": ("Route to the other Region", "Add failover or latency records, or an accelerator over both Regions."),
    "no-failover-check": ("Check the record", "Give the record a health check, or evaluate its target's health."),
    "ttl": ("Shorten the TTL", "The time to live of the DNS record alone is longer than the RTO."),
}


def recommendation(component: ComponentFound, policy: Policy | None) -> dict[str, Any]:
    """ComponentRecommendation."""
    current = compliance(component.recoveries, policy)
    changes = [each for code in missing_parts(component, policy) for each in [_config(component, code, current)]]
    status = overall(each["complianceStatus"] for each in current.values())
    if status == NO_POLICY:
        shown = "MissingPolicy"
    elif status == BREACHED:
        shown = "BreachedCanMeet" if changes else "BreachedUnattainable"
    else:
        shown = "MetCanImprove"
    return {"appComponentName": component.name, "recommendationStatus": shown, "configRecommendations": changes}


def missing_parts(component: ComponentFound, policy: Policy | None) -> list[str]:
    """Codes of what is missing for disruptions whose policy is breached (of all, where there is no policy)."""
    found: dict[str, None] = {}
    for disruption in DISRUPTIONS:
        recovery = component.recoveries.get(disruption)
        if recovery is None or status_of(recovery, policy, disruption) not in (BREACHED, NO_POLICY):
            continue
        for code in recovery.missing:
            if code != "ttl" or policy is None or recovery.rto_s > policy.targets[disruption][0]:
                found[code] = None
    return list(found)


def _config(component: ComponentFound, code: str, current: dict[str, Any]) -> dict[str, Any]:
    name, change = _CHANGES[code]
    across = code in ("no-replica", "no-way", "no-failover-check")
    kind = "BestRegionRecovery" if across else "BestAZRecovery" if code == "single-az" else "LeastChange"
    return {
        "name": name.replace(" ", "-"),
        "appComponentName": component.name,
        "description": change,
        "suggestedChanges": [change],
        "optimizationType": kind,
        "referenceId": f"{component.name}:{code}",
        "compliance": current,
        **({"haArchitecture": "WarmStandby"} if across else {}),
    }

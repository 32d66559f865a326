"""What a drill measured, for Resilience Hub's assessments: which kind of disruption it was, and of what. Pure.

The daemon keeps it (`POST /drill-results`); an app that has any of the drill's resources then shows what was measured
instead of an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.drills.checkers.judge import Result

_OF_ACTIONS = {
    "aws:ec2:reboot-instances": "Hardware", "aws:ec2:send-spot-instance-interruptions": "Hardware",
    "aws:ec2:stop-instances": "Hardware", "aws:ec2:terminate-instances": "Hardware",
    "aws:fis:inject-api-internal-error": "Software", "aws:fis:inject-api-throttle-error": "Software",
    "aws:fis:inject-api-unavailable-error": "Software", "aws:lambda:invocation-add-delay": "Software",
    "aws:lambda:invocation-error": "Software", "aws:lambda:invocation-http-integration-response": "Software",
    "aws:network:route-table-disrupt-cross-region-connectivity": "Region",
}  # fmt: skip
"""FIS's actions that say by themselves which disruption they are."""
_OF_SCOPES = {"all": "AZ", "availability-zone": "AZ", "vpc": "AZ"}
"""The same of `disrupt-connectivity`: subnets are cut off, which are parts of zones; other scopes cut off a service."""
_OF_BREAKS = {"zone": "AZ", "subnet": "AZ", "region": "Region", "link": "Region", "vpc": "Region"}


def resources_in(values: Mapping[str, Any]) -> list[str]:
    """What a deployment told that names resources: ARNs, and names that AWS gives."""
    found = {each for each in values.values() if isinstance(each, str)}
    return sorted(each for each in found if each.startswith("arn:") or each.endswith(".amazonaws.com"))


def measurement(result: Result, header: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of `POST /drill-results`; None where the drill measured nothing that a policy knows."""
    kind = disruption((header.get("document") or {}).get("faults") or ())
    resources = header.get("resources") or []
    if kind is None or not resources or result.verdict not in (True, False):
        return None
    return {
        "drill": result.drill,
        "disruption": kind,
        "resources": resources,
        "verdict": result.verdict,
        "rto_s": result.rto_s,
        "rpo_s": result.rpo_s,
    }


def disruption(faults: Iterable[Mapping[str, Any]]) -> str | None:
    """Software, Hardware, AZ or Region: the largest of what was broken, remedies aside."""
    found = {kind for each in faults if not each.get("remedy") for kind in _kinds(each)}
    return next((each for each in ("Region", "AZ", "Hardware", "Software") if each in found), None)


def _kinds(fault: Mapping[str, Any]) -> set[str | None]:
    if "break" in fault:
        return {_OF_BREAKS.get(fault["break"].get("what", ""))}
    if "experiment" in fault:
        return {_of_action(each) for each in fault["experiment"]["actions"].values()}
    return {"Hardware" if "kill" in fault else "Software" if "call" in fault else None}


def _of_action(action: Mapping[str, Any]) -> str | None:
    if action["actionId"] == "aws:network:disrupt-connectivity":
        return _OF_SCOPES.get((action.get("parameters") or {}).get("scope", ""))
    return _OF_ACTIONS.get(action["actionId"])

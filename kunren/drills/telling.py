"""What a drill measured, for Resilience Hub's assessments: which kind of disruption it was, and of what. Pure.

The daemon keeps it (`POST /drill-results`); an app that has any of the drill's resources then shows what was measured
instead of an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.drills.checkers.judge import Result

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
    found = {_kind(each) for each in faults if not each.get("remedy")}
    return next((each for each in ("Region", "AZ", "Hardware", "Software") if each in found), None)


def _kind(fault: Mapping[str, Any]) -> str | None:
    if "break" in fault:
        return _OF_BREAKS.get(fault["break"].get("what", ""))
    if "kill" in fault:
        return "Hardware"
    return "Software" if "call" in fault else None

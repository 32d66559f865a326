"""From recoveries to compliance: against the policy, over all components, against what was before. Pure.

"The worst component decides." A policy without a target for a Region says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kunren.services.resiliencehub.model import (
    DISRUPTIONS,
    NEVER_S,
    Assessment,
    ComponentFound,
    DrillResult,
    Policy,
    Recovery,
)

MET, BREACHED, NO_POLICY, NOT_APPLICABLE = "PolicyMet", "PolicyBreached", "MissingPolicy", "NotApplicable"


def measured(component: ComponentFound, results: Iterable[DrillResult]) -> ComponentFound:
    """The component with what drills measured of it in the place of estimates: the last about each disruption."""
    found = dict(component.recoveries)
    for each in sorted(results, key=lambda one: (one.at, one.id)):
        if each.disruption not in found or not set(each.resources) & set(component.resources):
            continue
        before = found[each.disruption]
        if each.rto_s is None:  # it did not recover while the drill watched
            rto_s, words = before.rto_s, f"The drill {each.drill} saw no recovery."
            rto_s = max(rto_s, NEVER_S)
        else:
            rto_s, words = round(each.rto_s), f"Measured by the drill {each.drill}."
        found[each.disruption] = replace(before, rto_s=rto_s, rto_words=words, drill=each.drill)
        if each.rpo_s is not None:
            lost = {"rpo_s": round(each.rpo_s), "rpo_words": f"Measured by the drill {each.drill}."}
            found[each.disruption] = replace(found[each.disruption], **lost, rpo_drill=each.drill)
    return replace(component, recoveries=found)


def compliance(recoveries: Mapping[str, Recovery], policy: Policy | None) -> dict[str, dict[str, Any]]:
    """AssessmentCompliance: a DisruptionCompliance for each disruption."""
    return {each: _disruption(recoveries[each], policy, each) for each in DISRUPTIONS if each in recoveries}


def _disruption(recovery: Recovery, policy: Policy | None, disruption: str) -> dict[str, Any]:
    return {
        "currentRtoInSecs": recovery.rto_s,
        "currentRpoInSecs": recovery.rpo_s,
        "achievableRtoInSecs": recovery.rto_s,
        "achievableRpoInSecs": recovery.rpo_s,
        "rtoDescription": recovery.rto_words,
        "rpoDescription": recovery.rpo_words,
        "rtoReferenceId": f"rto:{recovery.drill or 'estimate'}",
        "rpoReferenceId": f"rpo:{recovery.rpo_drill or 'estimate'}",
        "complianceStatus": status_of(recovery, policy, disruption),
    }


def status_of(recovery: Recovery, policy: Policy | None, disruption: str) -> str:
    if policy is None:
        return NO_POLICY
    if disruption not in policy.targets:
        return NOT_APPLICABLE
    rto_s, rpo_s = policy.targets[disruption]
    return MET if recovery.rto_s <= rto_s and recovery.rpo_s <= rpo_s else BREACHED


def overall(statuses: Iterable[str]) -> str:
    found = set(statuses)
    return next((each for each in (BREACHED, NO_POLICY, MET) if each in found), NOT_APPLICABLE)


def worst(components: Sequence[ComponentFound]) -> dict[str, Recovery]:
    """What the whole app's recovery takes."""
    found: dict[str, Recovery] = {}
    for disruption in DISRUPTIONS:
        held = [each.recoveries[disruption] for each in components if disruption in each.recoveries]
        if held:
            found[disruption] = replace(max(held, key=lambda each: each.rto_s), rpo_s=max(each.rpo_s for each in held))
    return found


def score(components: Sequence[ComponentFound], policy: Policy | None) -> dict[str, Any]:
    """ResiliencyScore: the share of disruptions whose policy is met, and by how many of them a drill has shown it."""
    recoveries = worst(components)
    asked = [each for each in DISRUPTIONS if policy is not None and each in policy.targets and each in recoveries]
    met = {each: float(status_of(recoveries[each], policy, each) == MET) for each in asked}
    drilled = sum(bool(recoveries[each].drill) for each in asked)
    count = len(asked) or 1
    counted = (("Compliance", 80.0, int(sum(met.values()))), ("Test", 20.0, drilled))
    parts = {
        name: {"score": most * n / count, "possibleScore": most, "outstandingCount": count - n, "excludedCount": 0}
        for name, most, n in counted
    }
    return {
        "score": round(sum(each["score"] for each in parts.values()), 2),
        "disruptionScore": {each: 100.0 * value for each, value in met.items()},
        "componentScore": parts,
    }


def drifts(now: Assessment, before: Assessment | None, policy: Policy | None) -> list[dict[str, Any]]:
    """ComplianceDrifts: components that met the policy in the assessment before, and no longer do."""
    if before is None:
        return []
    earlier = {each.name: each for each in before.components}
    found = []
    for component in now.components:
        was = earlier.get(component.name)
        if was is None:
            continue
        old, new = compliance(was.recoveries, before.policy), compliance(component.recoveries, policy)
        if overall(_statuses(old)) == MET and overall(_statuses(new)) == BREACHED:
            drift = {
                "entityId": component.name, "entityType": "AWS::ResilienceHub::AppComponent",
                "driftType": "ApplicationCompliance", "diffType": "NotEqual", "appId": now.app.rpartition("/")[2],
                "appVersion": now.version, "expectedReferenceId": before.id, "expectedValue": old,
                "actualReferenceId": now.id, "actualValue": new,
            }  # fmt: skip
            found.append(drift)
    return found


def _statuses(compliances: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [each["complianceStatus"] for each in compliances.values()]

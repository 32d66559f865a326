"""Where a listener sends the traffic that is for one of two target groups: all to one of them, or by weights.

The default action and every rule that forwards to one of the two are changed by the load balancer's own operations.
Listeners of Network Load Balancers have weights, too, but no rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core.calling import CallService
from kunren.services.codedeploy.model import Deployment

_WITH_RULES = ("HTTP", "HTTPS")


def forwarding(weights: Mapping[str, int]) -> dict[str, Any]:
    """A forward action to target groups (ARN → per cent). Pure."""
    if len(weights) == 1:
        return {"Type": "forward", "TargetGroupArn": next(iter(weights))}
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def concerned(actions: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> bool:
    """Whether one of the actions forwards to one of the groups. Pure."""
    return any(arn in groups for action in actions for arn in _groups(action))


def _groups(action: Mapping[str, Any]) -> list[str]:
    if action["Type"] != "forward":
        return []
    config = action.get("ForwardConfig") or {}
    found = [each["TargetGroupArn"] for each in config.get("TargetGroups") or ()]
    return [*found, *([action["TargetGroupArn"]] if action.get("TargetGroupArn") else [])]


def changed(actions: Sequence[Mapping[str, Any]], groups: Sequence[str], new: Mapping[str, Any]) -> list[Any]:
    """The actions with those that forward to one of the groups replaced. Pure."""
    out: list[Any] = []
    for each in actions:
        if not concerned([each], groups):
            out.append(each)
            continue
        order = {"Order": each["Order"]} if "Order" in each else {}
        kept = (each.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig")
        made = {**new, **order}
        if kept and "ForwardConfig" in made:
            made["ForwardConfig"] = {**made["ForwardConfig"], "TargetGroupStickinessConfig": kept}
        out.append(made)
    return out


async def has_rules(call: CallService, of: Deployment, listener: str) -> bool:
    """Whether the listener is an Application Load Balancer's."""
    asked = {"ListenerArns": [listener]}
    (shown,) = (await call(of.account, of.region, "elbv2", "DescribeListeners", asked))["Listeners"]
    return shown["Protocol"] in _WITH_RULES


async def route(
    call: CallService, of: Deployment, listener: str, groups: Sequence[str], weights: Mapping[str, int]
) -> bool:
    """Whether the listener, or one of its rules, forwards to one of the groups, and so was changed."""
    where = of.account, of.region, "elbv2"
    (shown,) = (await call(*where, "DescribeListeners", {"ListenerArns": [listener]}))["Listeners"]
    new = forwarding(weights)
    found = False
    if concerned(shown["DefaultActions"], groups):
        found = True
        actions = changed(shown["DefaultActions"], groups, new)
        await call(*where, "ModifyListener", {"ListenerArn": listener, "DefaultActions": actions})
    if shown["Protocol"] not in _WITH_RULES:
        return found
    for rule in (await call(*where, "DescribeRules", {"ListenerArn": listener}))["Rules"]:
        if not rule["IsDefault"] and concerned(rule["Actions"], groups):
            found = True
            actions = changed(rule["Actions"], groups, new)
            await call(*where, "ModifyRule", {"RuleArn": rule["RuleArn"], "Actions": actions})
    return found

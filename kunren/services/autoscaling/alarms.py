"""The alarms of target tracking policies, and what alarms do to a group.

"Target tracking scaling policies" in the Auto Scaling user guide: two alarms, named TargetTracking-GROUP-AlarmHigh-UUID
and -AlarmLow-; the high one acts after three minutes, the low one after fifteen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.control.store import Resource, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import errors, execution, scaling, views
from kunren.services.autoscaling.model import Group, Policy

log = logging.getLogger(__name__)
HIGH, LOW = "AlarmHigh", "AlarmLow"
_OF_EC2 = {
    "ASGAverageCPUUtilization": "CPUUtilization",
    "ASGAverageNetworkIn": "NetworkIn",
    "ASGAverageNetworkOut": "NetworkOut",
}
_REQUESTS = "ALBRequestCountPerTarget"


def check(tracking: Mapping[str, Any]) -> None:
    """Raises ValidationError where it is no TargetTrackingConfiguration."""
    predefined = tracking.get("PredefinedMetricSpecification")
    custom = tracking.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(custom):
        raise errors.ValidationError(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified"
        )
    if predefined:
        type = predefined["PredefinedMetricType"]
        if type == "ASGAverageCPUUtilizationHighResolution":
            raise errors.NotYet(f"target tracking of {type}")
        if type not in _OF_EC2 and type != _REQUESTS:
            raise errors.ValidationError(f"{type} is not a valid predefined metric type")
        if type == _REQUESTS and _label(predefined.get("ResourceLabel") or "") is None:
            raise errors.ValidationError(
                "ResourceLabel must be app/LOAD-BALANCER/ID/targetgroup/TARGET-GROUP/ID for ALBRequestCountPerTarget"
            )
    elif custom and not custom.get("Metrics") and not (custom.get("MetricName") and custom.get("Statistic")):
        raise errors.ValidationError("MetricName, Namespace and Statistic, or Metrics, must be specified")


def names(group: Group, policy: Policy, before: Iterable[str], entropy: Entropy) -> tuple[str, ...]:
    """The names of the policy's alarms; those that there are already stay."""
    held = {kind: name for name in before for kind in (HIGH, LOW) if f"-{kind}-" in name}
    wanted = (HIGH,) if (policy.tracking or {}).get("DisableScaleIn") else (HIGH, LOW)
    return tuple(held.get(kind) or f"TargetTracking-{group.id}-{kind}-{entropy.uuid()}" for kind in wanted)


def parameters(group: Group, name: str, policy: Policy, alarm: str) -> dict[str, Any]:
    """PutMetricAlarm's, for one of the policy's alarms. Pure."""
    tracking, arn = policy.tracking or {}, views.policy_arn(group, name)
    high = f"-{HIGH}-" in alarm
    target, managed = float(tracking["TargetValue"]), _is_managed(tracking)
    return {
        "AlarmName": alarm,
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
        "ActionsEnabled": True,
        "AlarmActions": [arn],
        **_metric(group, tracking),
        "EvaluationPeriods": (1 if managed else 3) if high else 15,
        "Threshold": target if high or managed else target * scaling.SCALE_IN_SHARE,
        "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
    }


def _is_managed(tracking: Mapping[str, Any]) -> bool:
    """Whether it is the policy of a capacity provider of ECS, whose alarms are closer."""
    custom = tracking.get("CustomizedMetricSpecification") or {}
    return bool(custom.get("Namespace") == "AWS/ECS/ManagedScaling")


def _metric(group: Group, tracking: Mapping[str, Any]) -> dict[str, Any]:
    if predefined := tracking.get("PredefinedMetricSpecification"):
        type = predefined["PredefinedMetricType"]
        if type != _REQUESTS:
            named = [{"Name": "AutoScalingGroupName", "Value": group.id}]
            return {"Namespace": "AWS/EC2", "MetricName": _OF_EC2[type], "Dimensions": named, "Statistic": "Average",
                    "Period": 60}  # fmt: skip
        balancer, targets = _label(predefined["ResourceLabel"]) or ("", "")
        named = [{"Name": "TargetGroup", "Value": targets}, {"Name": "LoadBalancer", "Value": balancer}]
        return {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCountPerTarget", "Dimensions": named,
                "Statistic": "Sum", "Period": 60}  # fmt: skip
    custom = tracking["CustomizedMetricSpecification"]
    if custom.get("Metrics"):
        return {"Metrics": [_query(each) for each in custom["Metrics"]]}
    kept = {key: custom[key] for key in ("Namespace", "MetricName", "Statistic", "Unit") if custom.get(key)}
    return {**kept, "Dimensions": custom.get("Dimensions") or [], "Period": custom.get("Period") or 60}


def _query(given: Mapping[str, Any]) -> dict[str, Any]:
    """One of PutMetricAlarm's Metrics from a TargetTrackingMetricDataQuery."""
    found = {key: value for key, value in given.items() if key in ("Id", "Expression", "Label", "ReturnData")}
    if stat := given.get("MetricStat"):
        found["MetricStat"] = {**stat, "Period": stat.get("Period") or 60}
    elif given.get("Period"):
        found["Period"] = given["Period"]
    return found


def _label(text: str) -> tuple[str, str] | None:
    """The load balancer and the target group of a resource label."""
    parts = text.split("/")
    if len(parts) != 6 or parts[0] != "app" or parts[3] != "targetgroup" or not all(parts):
        return None
    return "/".join(parts[:3]), "/".join(parts[3:])


async def put(call: CallService, group: Group, name: str, policy: Policy) -> None:
    for alarm in policy.alarms:
        params = parameters(group, name, policy, alarm)
        await call(group.account, group.region, "cloudwatch", "PutMetricAlarm", params)


async def delete(call: CallService, owner: Resource, alarms: Iterable[str]) -> None:
    """One by one: what somebody has deleted himself is none to delete."""
    for name in alarms:
        try:
            await call(owner.account, owner.region, "cloudwatch", "DeleteAlarms", {"AlarmNames": [name]})
        except AwsError as error:
            if error.code != "ResourceNotFound":
                raise


def described(group: Group, alarms: Iterable[str]) -> list[dict[str, str]]:
    return [{"AlarmName": each, "AlarmARN": views.alarm_arn(group, each)} for each in sorted(alarms)]


async def calling(call: CallService, group: Group, name: str) -> list[dict[str, str]]:
    """The alarms that call the policy."""
    policy = group.scaling[name]
    if policy.tracking is not None:
        return described(group, policy.alarms)
    params = {"ActionPrefix": views.policy_arn(group, name)}
    try:
        found = await call(group.account, group.region, "cloudwatch", "DescribeAlarms", params)
    except AwsError as error:
        log.warning("the alarms of %s could not be looked up: %s", name, error)
        return []
    return [{"AlarmName": each["AlarmName"], "AlarmARN": each["AlarmArn"]} for each in found.get("MetricAlarms") or ()]


class AlarmActions:
    """What CloudWatch calls when an alarm has a scaling policy as an action of its state."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._clock, self._call = store, clock, call

    async def act(self, policy_arn: str, alarm: str, state: str, value: float | None, threshold: float | None) -> None:
        """An alarm is in `state`, with its metric at `value`. Raises ValidationError where the policy is gone."""
        account, region = policy_arn.split(":")[4], policy_arn.split(":")[3]
        for group in self._store.snapshot().list(Group, account, region):
            for name, policy in group.scaling.items():
                if views.policy_arn(group, name) == policy_arn:
                    await self._act(group, name, policy, alarm, state, value, threshold)
                    return
        raise errors.ValidationError(f"Scaling policy not found: {policy_arn}")

    async def _act(
        self, group: Group, name: str, policy: Policy, alarm: str, state: str, value: float | None,
        threshold: float | None,
    ) -> None:  # fmt: skip
        if not policy.enabled or "AlarmNotification" in group.suspended or group.deleting:
            return
        low = f"-{LOW}-" in alarm
        shrinks = low and await self._all_low(group, policy)
        if policy.tracking is not None:
            threshold = float(policy.tracking["TargetValue"])
        now = self._clock.now()
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is None or (policy.type == scaling.SIMPLE and execution.is_cooling(found, now)):
                return
            why = f"a monitor alarm {alarm} in state {state} triggered policy {name}"
            try:
                execution.execute(tx, found, policy, why, now, value=value, threshold=threshold, shrinks=shrinks)
            except errors.ValidationError as error:  # no step for so small a breach
                log.warning("policy %s of %s: %s", name, group.id, error)

    async def _all_low(self, group: Group, policy: Policy) -> bool:
        """Whether every other target tracking policy that shrinks the group would do so too."""
        others = [name for each in group.scaling.values() if each.id != policy.id and each.enabled
                  for name in each.alarms if f"-{LOW}-" in name]  # fmt: skip
        if not others:
            return True
        params = {"AlarmNames": others}
        shown = await self._call(group.account, group.region, "cloudwatch", "DescribeAlarms", params)
        return all(each["StateValue"] == "ALARM" for each in shown["MetricAlarms"])

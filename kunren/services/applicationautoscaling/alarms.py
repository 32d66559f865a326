"""The alarms of target tracking policies. Pure.

"Target tracking scaling policies for Application Auto Scaling" in the user guide: they are named
TargetTracking-RESOURCE-AlarmHigh-UUID and -AlarmLow-.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.core.entropy import Entropy
from kunren.services.applicationautoscaling import errors
from kunren.services.applicationautoscaling.model import Policy, Target

HIGH, LOW, SCALE_IN_SHARE = "AlarmHigh", "AlarmLow", 0.9
_ECS = {"ECSServiceAverageCPUUtilization": "CPUUtilization", "ECSServiceAverageMemoryUtilization": "MemoryUtilization"}
_FLEETS = {f"EC2SpotFleetRequestAverage{each}": each for each in ("CPUUtilization", "NetworkIn", "NetworkOut")}
_REQUESTS = "ALBRequestCountPerTarget"
_TRACKED_OF = {**dict.fromkeys(_ECS, ("ecs",)), **dict.fromkeys(_FLEETS, ("ec2",))}
"""The services whose targets have a metric; both have that of requests."""


def check(tracking: Mapping[str, Any], namespace: str) -> None:
    """Raises ValidationException where it is no TargetTrackingScalingPolicyConfiguration of that service's targets."""
    predefined, custom = (tracking.get(f"{each}MetricSpecification") for each in ("Predefined", "Customized"))
    if bool(predefined) == bool(custom):
        raise errors.ValidationException(
            "You must specify either a PredefinedMetricSpecification or a CustomizedMetricSpecification"
        )
    if predefined:
        type = predefined["PredefinedMetricType"]
        if type not in (*_ECS, *_FLEETS, _REQUESTS):
            raise errors.NotYet(f"target tracking of {type}")
        if namespace not in _TRACKED_OF.get(type, ("ecs", "ec2")):
            raise errors.ValidationException(f"Predefined metric type {type} is not valid for service {namespace}")
        if type == _REQUESTS and _label(predefined.get("ResourceLabel") or "") is None:
            raise errors.ValidationException(
                "ResourceLabel must be app/LOAD-BALANCER/ID/targetgroup/TARGET-GROUP/ID for ALBRequestCountPerTarget"
            )
    elif custom and not custom.get("Metrics") and not (custom.get("MetricName") and custom.get("Statistic")):
        raise errors.ValidationException("MetricName, Namespace and Statistic, or Metrics, must be specified")


def names(target: Target, tracking: Mapping[str, Any], before: Iterable[str], entropy: Entropy) -> tuple[str, ...]:
    """The names of the policy's alarms; those that there are already stay."""
    held = {kind: name for name in before for kind in (HIGH, LOW) if f"-{kind}-" in name}
    wanted = (HIGH,) if tracking.get("DisableScaleIn") else (HIGH, LOW)
    return tuple(held.get(kind) or f"TargetTracking-{target.resource}-{kind}-{entropy.uuid()}" for kind in wanted)


def parameters(target: Target, policy: Policy, arn: str, alarm: str) -> dict[str, Any]:
    """PutMetricAlarm's, for one of the policy's alarms."""
    tracking = policy.tracking or {}
    high, value = f"-{HIGH}-" in alarm, float(tracking["TargetValue"])
    return {
        "AlarmName": alarm,
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
        "ActionsEnabled": True,
        "AlarmActions": [arn],
        **_metric(target, tracking),
        "EvaluationPeriods": 3 if high else 15,
        "Threshold": value if high else value * SCALE_IN_SHARE,
        "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
    }


def _metric(target: Target, tracking: Mapping[str, Any]) -> dict[str, Any]:
    if predefined := tracking.get("PredefinedMetricSpecification"):
        if predefined["PredefinedMetricType"] == _REQUESTS:
            balancer, targets = _label(predefined["ResourceLabel"]) or ("", "")
            named = [{"Name": "TargetGroup", "Value": targets}, {"Name": "LoadBalancer", "Value": balancer}]
            return {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCountPerTarget", "Dimensions": named,
                    "Statistic": "Sum", "Period": 60}  # fmt: skip
        if metric := _FLEETS.get(predefined["PredefinedMetricType"]):
            named = [{"Name": "FleetRequestId", "Value": target.resource.partition("/")[2]}]
            return {"Namespace": "AWS/EC2Spot", "MetricName": metric, "Dimensions": named, "Statistic": "Average",
                    "Period": 60}  # fmt: skip
        _, cluster, service = target.resource.split("/")
        named = [{"Name": "ClusterName", "Value": cluster}, {"Name": "ServiceName", "Value": service}]
        return {"Namespace": "AWS/ECS", "MetricName": _ECS[predefined["PredefinedMetricType"]], "Dimensions": named,
                "Statistic": "Average", "Period": 60}  # fmt: skip
    custom = tracking["CustomizedMetricSpecification"]
    if custom.get("Metrics"):
        return {"Metrics": [_query(each) for each in custom["Metrics"]]}
    kept = {key: custom[key] for key in ("Namespace", "MetricName", "Statistic", "Unit") if custom.get(key)}
    return {**kept, "Dimensions": custom.get("Dimensions") or [], "Period": 60}


def _query(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in given.items() if key in ("Id", "Expression", "Label", "ReturnData")}
    return {**found, "MetricStat": {**given["MetricStat"], "Period": 60}} if given.get("MetricStat") else found


def _label(text: str) -> tuple[str, str] | None:
    """The load balancer and the target group of a resource label."""
    parts = text.split("/")
    if len(parts) != 6 or parts[0] != "app" or parts[3] != "targetgroup" or not all(parts):
        return None
    return "/".join(parts[:3]), "/".join(parts[3:])

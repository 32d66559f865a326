"""AutoScalingRollingUpdate: a group's instances make room for new ones, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jmespath

from kunren.services.cloudformation.signals import enough, seconds
from kunren.services.cloudformation.work import Failed, Work

ROLLED = ("LaunchConfigurationName", "LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier")
"""Properties whose change makes instances obsolete."""


def batches(obsolete: list[str], desired: int, largest: int, most: int, in_service: int) -> tuple[int, list[list[str]]]:
    """By how many the group grows meanwhile, and who goes together: never so many that fewer than `in_service` of
    `desired` stay, nor more than `most`; `largest` is the group's MaxSize. Pure. Raises ValueError."""
    if in_service >= largest:
        raise ValueError("MinInstancesInService must be less than the autoscaling group's MaxSize")
    size = max(1, min(most, len(obsolete)))
    grows = max(0, min(in_service + size - desired, largest - desired))
    size = max(1, min(size, desired + grows - in_service))
    return grows, [obsolete[at : at + size] for at in range(0, len(obsolete), size)]


async def _group(work: Work) -> Mapping[str, Any]:
    shown = await work.read("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroupNames": [work.physical]})
    found: Mapping[str, Any] = shown["AutoScalingGroups"][0]
    return found


def obsolete(group: Mapping[str, Any], subnets_changed: bool) -> list[str]:
    """Instances that are not of the group's template by now (those of $Latest and $Default: all). Pure."""
    template = group.get("LaunchTemplate") or {}
    version = str(template.get("Version", ""))

    def fits(each: Mapping[str, Any]) -> bool:
        own = each.get("LaunchTemplate") or {}
        same = own.get("LaunchTemplateId") == template.get("LaunchTemplateId")
        return bool(template) and same and version.isdigit() and str(own.get("Version")) == version

    return [each["InstanceId"] for each in group["Instances"] if subnets_changed or not fits(each)]


async def rolled(work: Work, policy: Mapping[str, Any]) -> None:
    """Behind the group's update. Raises Failed, Cancelled."""
    at = {"AutoScalingGroupName": work.physical}
    subnets = work.changed("VPCZoneIdentifier")
    names = {"AutoScalingGroupNames": [work.physical]}
    first = await work.write("autoscaling", "DescribeAutoScalingGroups", names, lambda shown: _plan(shown, subnets))
    if not first["obsolete"]:
        return
    try:
        grows, groups = batches(
            first["obsolete"],
            first["desired"],
            first["largest"],
            int(policy.get("MaxBatchSize", 1)),
            int(policy.get("MinInstancesInService", 0)),
        )
    except ValueError as error:
        raise Failed(str(error)) from None
    signals = bool(policy.get("WaitOnResourceSignals"))
    pause = seconds(policy.get("PauseTime", "PT5M" if signals else "PT0S"))
    percent = int(policy.get("MinSuccessfulInstancesPercent", 100))
    suspended = list(policy.get("SuspendProcesses") or ())
    if suspended:
        await work.write("autoscaling", "SuspendProcesses", {**at, "ScalingProcesses": suspended})
    made = grows
    if grows:
        await work.write("autoscaling", "SetDesiredCapacity", {**at, "DesiredCapacity": first["desired"] + grows})
        await _ready(work, first["desired"] + grows, [])
    left = len(first["obsolete"])
    for batch in groups:
        for id in batch:
            fewer = left <= grows
            params = {"InstanceId": id, "ShouldDecrementDesiredCapacity": fewer}
            await work.write("autoscaling", "TerminateInstanceInAutoScalingGroup", params, missing_ok=True)
            left, made = left - 1, made + (0 if fewer else 1)
        await _ready(work, first["desired"] + min(left, grows), batch)
        until = work.clock.now() + pause
        if signals:
            await enough(work, made, percent, until)
        elif pause:
            await work.until(lambda until=until: _passed(work, until))  # type: ignore[misc]
    if suspended:
        await work.write("autoscaling", "ResumeProcesses", {**at, "ScalingProcesses": suspended})


def _plan(shown: Mapping[str, Any], subnets: bool) -> dict[str, Any]:
    group = shown["AutoScalingGroups"][0]
    return {"obsolete": obsolete(group, subnets), "desired": group["DesiredCapacity"], "largest": group["MaxSize"]}


async def _passed(work: Work, until: float) -> bool | None:
    return True if work.clock.now() >= until else None


async def _ready(work: Work, wanted: int, gone: list[str]) -> None:
    """So many are in service, and none of those that are to go."""

    async def there() -> bool | None:
        group = await _group(work)
        serving = jmespath.search("Instances[?LifecycleState=='InService'].InstanceId", group)
        return True if len(serving) >= wanted and not set(gone) & set(serving) else None

    await work.until(there)

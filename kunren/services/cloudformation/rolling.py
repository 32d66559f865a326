"""AutoScalingRollingUpdate: a group's instances make room for new ones, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jmespath

from kunren.core.errors import AwsError
from kunren.services.cloudformation.signals import received, seconds, spoken, whole
from kunren.services.cloudformation.work import Cancelled, Failed, Work

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
            whole(policy, "MaxBatchSize", 1),
            whole(policy, "MinInstancesInService", 0),
        )
    except ValueError as error:
        raise Failed(str(error)) from None
    suspended = {**at, "ScalingProcesses": list(policy.get("SuspendProcesses") or ())}
    try:
        if suspended["ScalingProcesses"]:
            await work.write("autoscaling", "SuspendProcesses", suspended)
        if grows:
            await work.write("autoscaling", "SetDesiredCapacity", {**at, "DesiredCapacity": first["desired"] + grows})
            await _ready(work, first["desired"] + grows, [])
        await _one_after_the_other(work, policy, first["desired"], grows, groups)
    except (Failed, Cancelled, AwsError):
        if suspended["ScalingProcesses"]:
            await work.undo("autoscaling", "ResumeProcesses", suspended)
        if grows:
            await work.undo("autoscaling", "SetDesiredCapacity", {**at, "DesiredCapacity": first["desired"]})
        raise
    if suspended["ScalingProcesses"]:
        await work.write("autoscaling", "ResumeProcesses", suspended)


async def _one_after_the_other(
    work: Work, policy: Mapping[str, Any], desired: int, grows: int, groups: list[list[str]]
) -> None:
    """Batches, each behind the one before: the last ones leave no room, as the group is to be as large as it was."""
    signals = policy.get("WaitOnResourceSignals") in (True, "true")
    pause = seconds(policy.get("PauseTime", "PT5M" if signals else "PT0S"))
    percent = whole(policy, "MinSuccessfulInstancesPercent", 100)
    total = left = sum(map(len, groups))
    made = grows
    for batch in groups:
        for id in batch:
            fewer = left <= grows
            params = {"InstanceId": id, "ShouldDecrementDesiredCapacity": fewer}
            await work.write("autoscaling", "TerminateInstanceInAutoScalingGroup", params, missing_ok=True)
            left, made = left - 1, made + (0 if fewer else 1)
        await _ready(work, desired + min(left, grows), batch)
        until = work.clock.now() + pause

        async def heard(made: int = made, until: float = until) -> bool | None:
            late = work.clock.now() >= until
            return (spoken(received(work), made, total, percent, late) if signals else late) or None

        if not work.passed:
            await work.until(heard)


def _plan(shown: Mapping[str, Any], subnets: bool) -> dict[str, Any]:
    group = shown["AutoScalingGroups"][0]
    return {"obsolete": obsolete(group, subnets), "desired": group["DesiredCapacity"], "largest": group["MaxSize"]}


async def _ready(work: Work, wanted: int, gone: list[str]) -> None:
    """So many are in service, and none of those that are to go. What a restart repeats was so before."""
    if work.passed:
        return

    async def there() -> bool | None:
        group = await _group(work)
        serving = jmespath.search("Instances[?LifecycleState=='InService'].InstanceId", group)
        return True if len(serving) >= wanted and not set(gone) & set(serving) else None

    await work.until(there)

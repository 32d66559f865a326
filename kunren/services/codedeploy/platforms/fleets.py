"""Blue/green deployments of instances: a replacement fleet is found or copied, gets the revision, then the traffic.

The copy of an Auto Scaling group has no target groups until the end, so nobody serves before the revision is there.
Replacement instances are Ready when it is; then all of them go into the target groups, the original ones out of them,
and behind the wait that is asked for these are ended. ("Deployments on an EC2/On-Premises compute platform".)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kunren.core.errors import AwsError
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.managed_hooks import scaling_groups
from kunren.services.codedeploy.model import Deployment, Group, Target
from kunren.services.codedeploy.platforms import instances, scheduling
from kunren.services.codedeploy.platforms.servers import BACK, INSTALLING, NO_INSTANCES, OUT, UNHEALTHY, Servers
from kunren.services.codedeploy.platforms.waits import Waits
from kunren.services.codedeploy.starting import note
from kunren.services.ec2.instances.model import Instance

_COPY = "COPY_AUTO_SCALING_GROUP"
_LOOK_S, _LEAST_S, _LIMIT_S = 2.0, 0.25, 3600.0
_COPIED = (
    "LaunchTemplate", "MixedInstancesPolicy", "MinSize", "MaxSize", "DesiredCapacity", "VPCZoneIdentifier",
    "HealthCheckType", "HealthCheckGracePeriod", "DefaultCooldown", "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
)  # fmt: skip


def copy_name(deployment: Deployment) -> str:
    """Of the Auto Scaling group that a deployment makes."""
    return f"CodeDeploy_{deployment.group}_{deployment.undoes or deployment.id}"


class Fleets(Servers):
    async def begin(self, deployment: Deployment) -> list[Target]:
        if deployment.undoes:
            return self._way_back(deployment)
        group = self._group(deployment)
        blue = instances.of_group(self._store.snapshot(), group) if group is not None else []
        if group is None or not blue:
            raise DeploymentFails("NO_INSTANCES", NO_INSTANCES)
        original = scaling_groups(group)
        if _copies(deployment) and len(original) != 1:
            raise DeploymentFails(
                "AUTO_SCALING_CONFIGURATION", "The deployment group must have one Auto Scaling group to be copied."
            )
        if deployment.zonal:
            raise DeploymentFails(
                "HEALTH_CONSTRAINTS_INVALID", "A zonal configuration is for in-place deployments alone."
            )
        info = {"scaling": original[0]} if _copies(deployment) else {}
        return [replace(self._target(deployment, each, OUT), label="Blue", info=info) for each in blue]

    def _way_back(self, deployment: Deployment) -> list[Target]:
        """Original instances that were taken out come back, replacement ones that serve go out."""
        before = self._store.snapshot().get(Deployment, deployment.account, deployment.region, deployment.undoes)
        found = []
        for each in self.targets(before) if before is not None else ():
            moved = each.event("BlockTraffic" if each.label == "Blue" else "AllowTraffic")
            if moved is None or moved.started_at is None:
                continue
            names = BACK if each.label == "Blue" else OUT
            made = self._named(deployment, each.target, each.arn, names)
            found.append(replace(made, label=each.label, info={"places": each.info.get("places")}))
        return found

    # -- going on ----------------------------------------------------------------------------------------------------

    async def step(self, deployment: Deployment) -> float | None:
        left = math.inf
        for target in self.targets(deployment):
            if target.status == "InProgress":
                left = min(left, await self._advance(deployment, target))
        blue, green = (
            [each for each in self.targets(deployment) if each.label == label] for label in ("Blue", "Green")
        )
        if deployment.undoes:
            return await self._back(deployment, [*blue, *green], left)
        if not green:
            return await self._provide(deployment, blue)
        if any(each.status in ("Pending", "InProgress") and not each.info.get("allowed") for each in green):
            return self._install(deployment, green, left)
        ready = [each for each in green if each.status == "Ready"]
        if ready:
            waits = Waits(self._store, self._clock, self._entropy)
            if (wait := waits.ready(deployment)) is not None:
                return wait
            return self._go(deployment, ready, allowed=True)
        if any(each.status == "InProgress" for each in green):
            return left
        if not any(each.status == "Succeeded" for each in green):
            raise DeploymentFails("HEALTH_CONSTRAINTS", UNHEALTHY)
        if waiting := [each for each in blue if each.status == "Pending"]:
            return self._go(deployment, waiting)
        if any(each.status == "InProgress" for each in blue):
            return left
        if any(each.status == "Failed" for each in blue):
            raise DeploymentFails("HEALTH_CONSTRAINTS", UNHEALTHY)
        return await self._end_blue(deployment, blue)

    def _install(self, deployment: Deployment, green: Sequence[Target], left: float) -> float:
        states = {each.target: "Succeeded" if each.status == "Ready" else each.status for each in green}
        allowed = scheduling.limits(deployment.config, deployment.minimum, len(states))
        begin, verdict = scheduling.plan(states, sorted(states), allowed)
        if verdict is False:
            raise DeploymentFails("HEALTH_CONSTRAINTS", UNHEALTHY)
        self._go(deployment, [each for each in green if each.target in begin])
        return 0.0 if begin else left

    def _go(self, deployment: Deployment, targets: Sequence[Target], **info: Any) -> float:
        now = self._clock.now()
        with self._store.write() as tx:
            for each in targets:
                tx.put(replace(each, status="InProgress", updated_at=now, info={**each.info, **info}))
                note(tx, self._entropy, deployment, "START", now, each.target)
        return 0.0

    # -- the replacement fleet ---------------------------------------------------------------------------------------

    async def _provide(self, deployment: Deployment, blue: Sequence[Target]) -> float:
        """Find the replacement instances, or have them launched; in how many seconds to look again."""
        snapshot = self._store.snapshot()
        named = deployment.settings.get("targetInstances") or {}
        if _copies(deployment):
            wanted = await self._copied(deployment, blue[0].info["scaling"])
            named = {"autoScalingGroups": [copy_name(deployment)]}
        settings = {
            "ec2TagFilters": named.get("tagFilters"), "ec2TagSet": named.get("ec2TagSet"),
            "autoScalingGroups": [{"name": each} for each in named.get("autoScalingGroups") or ()],
        }  # fmt: skip
        group = self._group(deployment)
        found = instances.of_group(snapshot, replace(group, settings=settings)) if group is not None else []
        original = {each.target for each in blue}
        found = [each for each in found if each.id not in original]
        if not _copies(deployment):
            wanted = 1
        if len(found) < wanted or not found:
            if not _copies(deployment):
                raise DeploymentFails("NO_INSTANCES", NO_INSTANCES)
            if self._clock.now() - (deployment.started_at or 0.0) > _LIMIT_S:
                raise DeploymentFails("TIMEOUT", "The replacement instances were not in service within one hour.")
            return max(_LOOK_S, _LEAST_S * self._clock.speed)
        with self._store.write() as tx:
            for each in found:
                tx.put(replace(self._target(deployment, each, (*INSTALLING, *BACK)), label="Green"))
        return 0.0

    async def _copied(self, deployment: Deployment, original: str) -> int:
        """Have the copy of the Auto Scaling group; how many instances it is to have. Raises DeploymentFails."""
        for name in (copy_name(deployment), original):
            answer = await self._scaling(deployment, "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
            if not answer["AutoScalingGroups"]:
                continue
            shown = answer["AutoScalingGroups"][0]
            if name == original:
                made = {key: shown[key] for key in _COPIED if shown.get(key) is not None}
                tags = [
                    {key: tag[key] for key in ("Key", "Value", "PropagateAtLaunch")}
                    for tag in shown.get("Tags") or ()
                    if not tag["Key"].startswith("aws:")
                ]
                asked = {**made, "AutoScalingGroupName": copy_name(deployment), "Tags": tags}
                if "LaunchTemplate" in asked:
                    kept = ("LaunchTemplateId", "Version")
                    asked["LaunchTemplate"] = {key: asked["LaunchTemplate"][key] for key in kept}
                await self._scaling(deployment, "CreateAutoScalingGroup", **asked)
            return max(int(shown["DesiredCapacity"]), 1)
        raise DeploymentFails("AUTO_SCALING_CONFIGURATION", f"There is no Auto Scaling group {original}.")

    async def _scaling(self, deployment: Deployment, operation: str, **params: Any) -> Mapping[str, Any]:
        try:
            return await self._call(deployment.account, deployment.region, "autoscaling", operation, params)
        except AwsError as error:
            if error.status >= 500 and error.code != "NotImplemented":
                raise
            raise DeploymentFails("AUTO_SCALING_CONFIGURATION", error.message) from error

    # -- ends --------------------------------------------------------------------------------------------------------

    async def _end_blue(self, deployment: Deployment, blue: Sequence[Target]) -> float | None:
        """The original instances end, behind their wait; the deployment group is the replacement fleet from now on."""
        config = deployment.settings.get("blueGreenDeploymentConfiguration") or {}
        ending = config.get("terminateBlueInstancesOnDeploymentSuccess") or {}
        if (ending.get("action") or "TERMINATE") == "TERMINATE":
            left = Waits(self._store, self._clock, self._entropy).termination(deployment)
            if left is not None:
                return left
        original = blue[0].info.get("scaling")
        await self._take_over(deployment, original)
        if (ending.get("action") or "TERMINATE") != "TERMINATE":
            return None
        if original is not None:
            await self._gone(deployment, original)
        else:
            await self._terminate(deployment, [each.target for each in blue])
        return None

    async def _terminate(self, deployment: Deployment, ids: Sequence[str]) -> None:
        """End what is still there of them. The traffic is elsewhere, so one that can't be ended is told of only."""
        there = self._store.snapshot().by_id(Instance, deployment.account, deployment.region)
        left = [each for each in ids if each in there and there[each].wanted != "terminated"]
        if not left:
            return
        try:
            await self._call(deployment.account, deployment.region, "ec2", "TerminateInstances", {"InstanceIds": left})
        except AwsError as error:
            if error.status >= 500:
                raise
            with self._store.write() as tx:
                found = tx.get(Deployment, deployment.account, deployment.region, deployment.id)
                if found is not None:
                    tx.put(replace(found, messages=(*found.messages, error.message)))

    async def _take_over(self, deployment: Deployment, original: str | None) -> None:
        if original is not None:
            shown = await self._scaling(deployment, "DescribeAutoScalingGroups", AutoScalingGroupNames=[original])
            groups = shown["AutoScalingGroups"][0].get("TargetGroupARNs") if shown["AutoScalingGroups"] else []
            if groups:
                await self._scaling(
                    deployment, "AttachLoadBalancerTargetGroups", AutoScalingGroupName=copy_name(deployment),
                    TargetGroupARNs=groups,
                )  # fmt: skip
        named = deployment.settings.get("targetInstances") or {}
        with self._store.write() as tx:
            key = f"{deployment.application}/{deployment.group}"
            group = tx.get(Group, deployment.account, deployment.region, key)
            if group is None:
                return
            settings = dict(group.settings)
            if original is not None:
                settings["autoScalingGroups"] = [{"name": copy_name(deployment)}]
            else:
                settings |= {
                    "ec2TagFilters": named.get("tagFilters") or [],
                    "autoScalingGroups": [{"name": each} for each in named.get("autoScalingGroups") or ()],
                }
                settings.pop("ec2TagSet", None)
                if named.get("ec2TagSet"):
                    settings["ec2TagSet"] = named["ec2TagSet"]
            tx.put(replace(group, settings=settings))

    async def _gone(self, deployment: Deployment, name: str) -> None:
        answer = await self._scaling(deployment, "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
        if answer["AutoScalingGroups"]:
            await self._scaling(deployment, "DeleteAutoScalingGroup", AutoScalingGroupName=name, ForceDelete=True)

    async def _back(self, deployment: Deployment, targets: Sequence[Target], left: float) -> float | None:
        """First who served before, then out with who was to replace them; the copied group ends with its instances."""
        for label in ("Blue", "Green"):
            mine = [each for each in targets if each.label == label and not each.ended]
            if waiting := [each for each in mine if each.status == "Pending"]:
                return self._go(deployment, waiting)
            if mine:
                return left
        if _copies(deployment):
            await self._gone(deployment, copy_name(deployment))
        return None


def _copies(deployment: Deployment) -> bool:
    config = deployment.settings.get("blueGreenDeploymentConfiguration") or {}
    return bool((config.get("greenFleetProvisioningOption") or {}).get("action") == _COPY)

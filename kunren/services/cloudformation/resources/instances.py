"""Instances: AWS::EC2::Instance, AWS::EC2::LaunchTemplate, AWS::AutoScaling::AutoScalingGroup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.ec2_parts import tags
from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Tagging, change
from kunren.services.cloudformation.rolling import ROLLED, rolled
from kunren.services.cloudformation.work import Work


def _run(work: Work) -> Mapping[str, Any]:
    found: dict[str, Any] = {"MinCount": 1, "MaxCount": 1, "ClientToken": work.token}
    if "IamInstanceProfile" in work.properties:
        found["IamInstanceProfile"] = {"Name": work.properties["IamInstanceProfile"]}
    if "AvailabilityZone" in work.properties:
        found["Placement"] = {"AvailabilityZone": work.properties["AvailabilityZone"]}
    if "Monitoring" in work.properties:
        found["Monitoring"] = {"Enabled": work.properties["Monitoring"]}
    if "NetworkInterfaces" in work.properties:
        found["NetworkInterfaces"] = [_interface(each) for each in work.properties["NetworkInterfaces"]]
    return found


def _interface(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {("Groups" if key == "GroupSet" else key): value for key, value in given.items()}
    return {**found, "DeviceIndex": int(found.get("DeviceIndex", 0))}


class Instance(Declared):
    """Another type or other user data need it to stop for a while."""

    async def update(self, work: Work) -> None:
        changes = [("InstanceType", work.get("InstanceType")), ("UserData", work.get("UserData"))]
        wanted = [(name, value) for name, value in changes if work.changed(name) and value is not None]
        if wanted:
            await work.write("ec2", "StopInstances", {"InstanceIds": [work.physical]})
            await self._state(work, "stopped")
            for name, value in wanted:
                await work.write(
                    "ec2", "ModifyInstanceAttribute", {"InstanceId": work.physical, name: {"Value": value}}
                )
            await work.write("ec2", "StartInstances", {"InstanceIds": [work.physical]})
        await super().update(work)

    async def _state(self, work: Work, wanted: str) -> None:
        async def there() -> bool | None:
            return True if (await self.item_of(work) or {}).get("State", {}).get("Name") == wanted else None

        await work.until(there)


class LaunchTemplate(Declared):
    async def update(self, work: Work) -> None:
        if work.changed("LaunchTemplateData", "VersionDescription"):
            params = {"LaunchTemplateId": work.physical, **work.pick("LaunchTemplateData", "VersionDescription")}
            await work.write("ec2", "CreateLaunchTemplateVersion", params)
        await super().update(work)


_SIZES = ("DesiredCapacity", "MaxSize", "MinSize")
_NUMBERS = ("Cooldown=DefaultCooldown", "DesiredCapacity", "MaxSize", "MinSize")
_GROUP = (
    "AvailabilityZoneDistribution AvailabilityZones CapacityRebalance Cooldown DefaultInstanceWarmup "
    "DesiredCapacity HealthCheckGracePeriod HealthCheckType LaunchTemplate MaxInstanceLifetime MaxSize MinSize "
    "MixedInstancesPolicy NewInstancesProtectedFromScaleIn PlacementGroup TerminationPolicies "
    "VPCZoneIdentifier"
)


def _group(work: Work) -> dict[str, Any]:
    """Numbers are texts in templates, and subnets a list."""
    plain = [name for name in _GROUP.split() if name not in ("Cooldown", "DesiredCapacity", "MaxSize", "MinSize")]
    found = {**work.pick(*plain), **{key: int(value) for key, value in work.pick(*_NUMBERS).items()}}
    if "VPCZoneIdentifier" in found:
        found["VPCZoneIdentifier"] = ",".join(found["VPCZoneIdentifier"])
    return found


class AutoScalingGroup(Declared):
    """Its instances go with it."""

    async def create(self, work: Work) -> None:
        stated = {each["Key"]: bool(each.get("PropagateAtLaunch", True)) for each in work.get("Tags") or []}
        self_tags = [
            {"Key": key, "Value": value, "PropagateAtLaunch": stated.get(key, True)} for key, value in work.tags.items()
        ]
        name = self.chosen_name(work)
        work.known(name)
        params = {"AutoScalingGroupName": name, **_group(work), **work.pick("TargetGroupARNs")}
        await work.write(
            "autoscaling", "CreateAutoScalingGroup", {**params, **({"Tags": self_tags} if self_tags else {})}
        )
        await self.settle(work)

    async def update(self, work: Work) -> None:
        await super().update(work)
        rolling = work.update_policy.get("AutoScalingRollingUpdate")
        if rolling is not None and work.changed(*ROLLED):
            await rolled(work, rolling)


def _changed_group(work: Work) -> dict[str, Any]:
    """What an update sets: with IgnoreUnmodifiedGroupSizeProperties sizes only where the template changes them."""
    found = _group(work)
    scheduled = work.update_policy.get("AutoScalingScheduledAction") or {}
    if scheduled.get("IgnoreUnmodifiedGroupSizeProperties") in (True, "true"):
        found = {key: each for key, each in found.items() if key not in _SIZES or work.changed(key)}
    return found


def _group_tags(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    at = {"ResourceId": work.physical, "ResourceType": "auto-scaling-group"}
    stated = {each["Key"]: bool(each.get("PropagateAtLaunch", True)) for each in work.get("Tags") or []}
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if removed:
        calls.append(("DeleteTags", {"Tags": [{**at, "Key": key} for key in removed]}))
    if added:
        put = [
            {**at, "Key": key, "Value": value, "PropagateAtLaunch": stated.get(key, True)}
            for key, value in added.items()
        ]
        calls.append(("CreateOrUpdateTags", {"Tags": put}))
    return calls


KINDS: tuple[Kind, ...] = (
    Instance(
        "AWS::EC2::Instance",
        "ec2",
        create="RunInstances",
        takes="BlockDeviceMappings DisableApiTermination EbsOptimized HibernationOptions ImageId "
        "InstanceInitiatedShutdownBehavior InstanceType KeyName LaunchTemplate PrivateIpAddress SecurityGroupIds "
        "SubnetId UserData",
        extra=_run,
        also="AvailabilityZone IamInstanceProfile Monitoring NetworkInterfaces",
        updates="InstanceType UserData",
        made="Instances[0].InstanceId",
        key="InstanceId",
        describe="DescribeInstances",
        by="InstanceIds[]",
        item="Reservations[0].Instances[0]",
        ready="State.Name == 'running'",
        broken="(State.Name == 'terminated' || State.Name == 'shutting-down') && (StateReason.Message || State.Name)",
        settings=[
            Setting(
                "ModifyInstanceAttribute",
                "SecurityGroupIds",
                lambda work: {"InstanceId": work.physical, "Groups": work.get("SecurityGroupIds") or []},
                on_create=False,
            ),
            Setting(
                "ModifyInstanceAttribute",
                "DisableApiTermination",
                lambda work: {
                    "InstanceId": work.physical,
                    "DisableApiTermination": {"Value": bool(work.get("DisableApiTermination"))},
                },
                on_create=False,
            ),
        ],
        gives={
            "InstanceId": "InstanceId",
            "AvailabilityZone": "Placement.AvailabilityZone",
            "PrivateIp": "PrivateIpAddress",
            "PrivateDnsName": "PrivateDnsName",
            "PublicIp": "PublicIpAddress",
            "PublicDnsName": "PublicDnsName",
            "VpcId": "VpcId",
        },
        tags=tags("instance"),
        delete="TerminateInstances",
        delete_by="InstanceIds[]",
        await_end=True,
        ended="State.Name == 'terminated'",
    ),
    LaunchTemplate(
        "AWS::EC2::LaunchTemplate",
        "ec2",
        create="CreateLaunchTemplate",
        takes="LaunchTemplateData VersionDescription",
        name="LaunchTemplateName",
        longest=128,
        updates="LaunchTemplateData VersionDescription",
        made="LaunchTemplate.LaunchTemplateId",
        key="LaunchTemplateId",
        describe="DescribeLaunchTemplates",
        by="LaunchTemplateIds[]",
        item="LaunchTemplates[0]",
        gives={
            "LaunchTemplateId": "LaunchTemplateId",
            "LatestVersionNumber": "to_string(LatestVersionNumber)",
            "DefaultVersionNumber": "to_string(DefaultVersionNumber)",
        },
        delete="DeleteLaunchTemplate",
    ),
    AutoScalingGroup(
        "AWS::AutoScaling::AutoScalingGroup",
        "autoscaling",
        create="CreateAutoScalingGroup",
        also=f"TargetGroupARNs {_GROUP}",
        name="AutoScalingGroupName",
        longest=255,
        key="AutoScalingGroupName",
        describe="DescribeAutoScalingGroups",
        by="AutoScalingGroupNames[]",
        item="AutoScalingGroups[0]",
        settings=[change("UpdateAutoScalingGroup", "AutoScalingGroupName", _GROUP, _changed_group)],
        gives={"AutoScalingGroupARN": "AutoScalingGroupARN"},
        tags=Tagging(None, _group_tags),
        delete="DeleteAutoScalingGroup",
        delete_extra=lambda work: {"ForceDelete": True},
        await_end=True,
    ),
)

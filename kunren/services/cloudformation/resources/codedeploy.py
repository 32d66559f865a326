"""Deployments: AWS::CodeDeploy::Application, DeploymentConfig, DeploymentGroup, and aliases that CodeDeploy shifts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, pairs, small, tagging
from kunren.services.cloudformation.work import Failed, Work

_GROUP = (
    "AlarmConfiguration", "AutoRollbackConfiguration", "AutoScalingGroups", "BlueGreenDeploymentConfiguration",
    "DeploymentConfigName", "DeploymentStyle", "ECSServices", "Ec2TagFilters", "Ec2TagSet", "LoadBalancerInfo",
    "OnPremisesInstanceTagFilters", "OnPremisesTagSet", "OutdatedInstancesStrategy", "ServiceRoleArn",
    "TerminationHookEnabled", "TriggerConfigurations",
)  # fmt: skip
_EMPTY: dict[str, Any] = {
    "AlarmConfiguration": {"enabled": False, "alarms": []},
    "AutoRollbackConfiguration": {"enabled": False, "events": []},
    "AutoScalingGroups": [],
    "Ec2TagFilters": [],
    "TriggerConfigurations": [],
}
"""What a property that is no longer stated becomes."""


def wire(value: Any) -> Any:
    """Properties as CodeDeploy's API has them: names begin small, but those of tag filters."""
    if isinstance(value, list):
        return [wire(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) <= {"Key", "Value", "Type"} and "Type" in value:
        return dict(value)
    if set(value) == {"Ec2TagSetList"}:
        return {"ec2TagSetList": [wire(each.get("Ec2TagGroup") or []) for each in value["Ec2TagSetList"]]}
    return {_small(name): wire(each) for name, each in value.items()}


def _small(name: str) -> str:
    return f"ecs{name[3:]}" if name.startswith("ECS") else small(name)


def _config(work: Work) -> Mapping[str, Any]:
    names = ("ComputePlatform", "MinimumHealthyHosts", "TrafficRoutingConfig", "ZonalConfig")
    return {_small(name): wire(each) for name, each in work.pick(*names).items()}


def _application_arn(work: Work) -> str:
    return f"arn:aws:codedeploy:{work.region}:{work.account}:application:{work.physical}"


def _group_arn(work: Work) -> str:
    application = work.properties["ApplicationName"]
    return f"arn:aws:codedeploy:{work.region}:{work.account}:deploymentgroup:{application}/{work.physical}"


_GROUP_TAGS = tagging("ResourceArn", by=_group_arn)


class DeploymentGroup(Kind):
    """Its `Deployment` is carried out behind its creation, and when it changes."""

    type = "AWS::CodeDeploy::DeploymentGroup"
    properties = frozenset({*_GROUP, "ApplicationName", "Deployment", "DeploymentGroupName", "Tags"})

    async def create(self, work: Work) -> None:
        name = work.get("DeploymentGroupName") or work.name(100)
        params = {
            "applicationName": work.properties["ApplicationName"],
            "deploymentGroupName": name,
            **self._stated(work),
        }
        if work.tags:
            params["tags"] = pairs(work.tags)
        work.known(name)
        await work.write("codedeploy", "CreateDeploymentGroup", params)
        await self._deploy(work)

    async def update(self, work: Work) -> None:
        params = {
            "applicationName": work.properties["ApplicationName"],
            "currentDeploymentGroupName": work.physical,
            **{_small(name): empty for name, empty in _EMPTY.items() if name in work.before},
            **self._stated(work),
        }
        await work.write("codedeploy", "UpdateDeploymentGroup", params)
        await _GROUP_TAGS.apply("codedeploy", work)
        if work.changed("Deployment"):
            await self._deploy(work)

    def _stated(self, work: Work) -> dict[str, Any]:
        return {_small(name): wire(each) for name, each in work.pick(*_GROUP).items()}

    async def _deploy(self, work: Work) -> None:
        if (stated := work.get("Deployment")) is not None:
            await deployed(work, work.properties["ApplicationName"], work.physical, wire(stated))

    async def delete(self, work: Work) -> None:
        params = {"applicationName": work.properties["ApplicationName"], "deploymentGroupName": work.physical}
        await work.write("codedeploy", "DeleteDeploymentGroup", params, missing_ok=True)

    async def read(self, work: Work) -> Mapping[str, Any] | None:
        params = {"applicationName": work.properties["ApplicationName"], "deploymentGroupName": work.physical}
        shown = (await work.read("codedeploy", "GetDeploymentGroup", params))["deploymentGroupInfo"]
        found = {"ApplicationName": shown["applicationName"], "DeploymentGroupName": shown["deploymentGroupName"]}
        return {**found, "DeploymentConfigName": shown["deploymentConfigName"]}


async def deployed(work: Work, application: str, group: str, given: Mapping[str, Any]) -> None:
    """A deployment, and wait for its end. Raises Failed where it did not succeed."""
    params = {"applicationName": application, "deploymentGroupName": group, **given}
    id = await work.write("codedeploy", "CreateDeployment", params, "deploymentId")

    async def ended() -> Mapping[str, Any] | None:
        info = (await work.read("codedeploy", "GetDeployment", {"deploymentId": id}))["deploymentInfo"]
        return info if info["status"] in ("Succeeded", "Failed", "Stopped") else None

    info = await work.until(ended)
    if info["status"] != "Succeeded":
        why = (info.get("errorInformation") or {}).get("message", "")
        raise Failed(f"CodeDeploy deployment {id} {info['status'].lower()}: {why}")


def appspec(function: str, alias: str, before: str, after: str, hooks: Mapping[str, str]) -> dict[str, Any]:
    """The revision that takes an alias from one version to another. Pure."""
    properties = {"Name": function, "Alias": alias, "CurrentVersion": before, "TargetVersion": after}
    content = {
        "version": 0.0,
        "Resources": [{alias: {"Type": "AWS::Lambda::Function", "Properties": properties}}],
        "Hooks": [{name: hook} for name, hook in hooks.items()],
    }
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(content)}}


KINDS: tuple[Kind, ...] = (
    Declared(
        "AWS::CodeDeploy::Application",
        "codedeploy",
        create="CreateApplication",
        takes="ComputePlatform=computePlatform",
        name="ApplicationName",
        longest=100,
        key="applicationName",
        describe="GetApplication",
        item="application",
        tags=tagging("ResourceArn", by=_application_arn, created="tags"),
        delete="DeleteApplication",
    ),
    Declared(
        "AWS::CodeDeploy::DeploymentConfig",
        "codedeploy",
        create="CreateDeploymentConfig",
        extra=_config,
        also="ComputePlatform MinimumHealthyHosts TrafficRoutingConfig ZonalConfig",
        name="DeploymentConfigName",
        longest=100,
        key="deploymentConfigName",
        describe="GetDeploymentConfig",
        item="deploymentConfigInfo",
        delete="DeleteDeploymentConfig",
    ),
    DeploymentGroup(),
)

"""AWS::ECS::Service: made, changed and deleted by ECS's operations, and complete when its deployment is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.ecs import TAGS, in_api_words, pairs
from kunren.services.cloudformation.resources.kind import Kind, small
from kunren.services.cloudformation.work import Failed, Work, is_missing

_CHANGED = (
    "AvailabilityZoneRebalancing", "CapacityProviderStrategy", "DeploymentConfiguration", "DesiredCount",
    "EnableECSManagedTags", "EnableExecuteCommand", "HealthCheckGracePeriodSeconds", "LoadBalancers",
    "NetworkConfiguration", "PlacementConstraints", "PlatformVersion", "PropagateTags", "ServiceConnectConfiguration",
    "ServiceRegistries", "TaskDefinition", "VolumeConfigurations", "VpcLatticeConfigurations",
)  # fmt: skip
_MADE = ("DeploymentController", "LaunchType", "Role", "SchedulingStrategy")
_ODD = {"PlacementStrategies": "placementStrategy"}


class EcsService(Kind):
    """Ref is its ARN. A change of its name, cluster, controller or launch type makes another."""

    type = "AWS::ECS::Service"
    properties = frozenset({*_CHANGED, *_MADE, *_ODD, "Cluster", "ForceNewDeployment", "ServiceName", "Tags"})
    attributes = frozenset({"Name", "ServiceArn"})

    async def create(self, work: Work) -> None:
        params = {"serviceName": work.get("ServiceName") or work.name(255), **_stated(work, (*_CHANGED, *_MADE))}
        params |= _cluster(work)
        if work.tags:
            params["tags"] = pairs(work.tags)
        await work.write("ecs", "CreateService", params, "service.serviceArn", physical=True)
        await self._settle(work)

    async def update(self, work: Work) -> None:
        params = {"service": work.physical, **_cluster(work), **_stated(work, _CHANGED)}
        for name in _CHANGED:
            if name in work.before and name not in work.properties and name in _EMPTY:
                params[small(name)] = _EMPTY[name]
        if work.changed("ForceNewDeployment") and (work.get("ForceNewDeployment") or {}).get(
            "EnableForceNewDeployment"
        ):
            params["forceNewDeployment"] = True
        controller = (work.get("DeploymentController") or {}).get("Type")
        if controller in ("CODE_DEPLOY", "EXTERNAL"):
            for name in ("taskDefinition", "networkConfiguration", "loadBalancers", "platformVersion"):
                params.pop(name, None)
        await work.write("ecs", "UpdateService", params)
        work.attributes = {**work.attributes, "Arn": work.physical}
        await TAGS.apply("ecs", work)
        await self._settle(work)

    async def delete(self, work: Work) -> None:
        params = {"service": work.physical, "force": True, **_cluster(work)}
        try:
            await work.write("ecs", "DeleteService", params, missing_ok=True)
        except AwsError as error:
            if error.code != "ServiceNotActiveException":
                raise

        async def gone() -> bool | None:
            shown = await _shown(work)
            return True if shown is None or shown["status"] == "INACTIVE" else None

        await work.until(gone)

    async def read(self, work: Work) -> Mapping[str, Any] | None:
        shown = await _shown(work)
        if shown is None or shown["status"] == "INACTIVE":
            return None
        work.attributes = {"Name": shown["serviceName"], "ServiceArn": shown["serviceArn"]}
        found = {"ServiceName": shown["serviceName"], "TaskDefinition": shown.get("taskDefinition")}
        if shown["schedulingStrategy"] == "REPLICA":
            found["DesiredCount"] = shown["desiredCount"]
        return {name: value for name, value in found.items() if value is not None}

    async def _settle(self, work: Work) -> None:
        """Wait until what runs is what was asked for."""

        async def stable() -> Mapping[str, Any] | None:
            shown = await _shown(work)
            if shown is None:
                return None
            if (current := shown.get("currentServiceDeployment")) is None:  # others deploy it
                return shown
            named = {"serviceDeploymentArns": [current]}
            course = (await work.read("ecs", "DescribeServiceDeployments", named))["serviceDeployments"][0]
            if course["status"].startswith(("ROLLBACK", "STOP")):
                if shown.get("taskDefinition") == work.get("TaskDefinition"):  # ECS has gone back to it by itself
                    return shown if shown["deployments"][0]["rolloutState"] == "COMPLETED" else None
                why = course.get("statusReason") or "the service deployment was stopped"
                raise Failed(
                    f"Resource handler returned message: \"Error occurred during operation '{why}'.\" (RequestToken: "
                    f"{work.token}, HandlerErrorCode: GeneralServiceException)"
                )
            return shown if course["status"] == "SUCCESSFUL" else None

        shown = await work.until(stable)
        work.attributes = {"Name": shown["serviceName"], "ServiceArn": shown["serviceArn"]}


_EMPTY: dict[str, Any] = {
    "CapacityProviderStrategy": [], "LoadBalancers": [], "PlacementConstraints": [], "ServiceRegistries": [],
    "ServiceConnectConfiguration": {"enabled": False},
}  # fmt: skip
"""What a property that is no longer stated becomes."""


def _stated(work: Work, names: tuple[str, ...]) -> dict[str, Any]:
    found = dict(in_api_words(work.pick(*names)))
    for name, told in _ODD.items():
        if name in work.properties:
            found[told] = in_api_words(work.properties[name])
    return found


def _cluster(work: Work) -> dict[str, str]:
    named = work.get("Cluster")
    return {"cluster": named} if named else {}


async def _shown(work: Work) -> Mapping[str, Any] | None:
    try:
        answer = await work.read("ecs", "DescribeServices", {"services": [work.physical], **_cluster(work)})
    except AwsError as error:
        if is_missing(error):
            return None
        raise
    return next(iter(answer.get("services") or ()), None)


KINDS: tuple[Kind, ...] = (EcsService(),)

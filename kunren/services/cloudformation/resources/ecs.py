"""AWS::ECS::Cluster and AWS::ECS::TaskDefinition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Tagging, Taken, change, small
from kunren.services.cloudformation.work import Work

_MAPS = ("DockerLabels", "Options", "DriverOpts", "Labels")
"""Members whose own members are the user's words."""
_NAMES = {
    "EFSVolumeConfiguration": "efsVolumeConfiguration",
    "FSxWindowsFileServerVolumeConfiguration": "fsxWindowsFileServerVolumeConfiguration",
    "S3FilesVolumeConfiguration": "s3filesVolumeConfiguration",
}
_DEFINITION = (
    "ContainerDefinitions Cpu EnableFaultInjection EphemeralStorage ExecutionRoleArn InferenceAccelerators IpcMode "
    "Memory NetworkMode PidMode PlacementConstraints ProxyConfiguration RequiresCompatibilities RuntimePlatform "
    "TaskRoleArn Volumes"
)


def in_api_words(value: Any) -> Any:
    """A template's value as ECS's operations have it: their members begin with a small letter. Pure."""
    if isinstance(value, Mapping):
        return {
            _NAMES.get(name, small(name)): each if name in _MAPS else in_api_words(each) for name, each in value.items()
        }
    return [in_api_words(each) for each in value] if isinstance(value, list) else value


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _retagged(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    named = {"resourceArn": work.attributes.get("Arn") or work.physical}
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if removed:
        calls.append(("UntagResource", {**named, "tagKeys": removed}))
    if added:
        calls.append(("TagResource", {**named, "tags": pairs(added)}))
    return calls


TAGS = Tagging(lambda work: {"tags": pairs(work.tags)} if work.tags else {}, _retagged)


def _cluster(work: Work) -> dict[str, Any]:
    found = in_api_words(work.pick("Configuration", "ServiceConnectDefaults"))
    if "ClusterSettings" in work.properties:
        found["settings"] = in_api_words(work.properties["ClusterSettings"])
    return dict(found)


def _providers(work: Work) -> dict[str, Any]:
    return dict(in_api_words(work.pick("CapacityProviders", "DefaultCapacityProviderStrategy")))


class TaskDefinition(Declared):
    """Every change but of its tags is another revision."""

    async def create(self, work: Work) -> None:
        params = {"family": self.chosen_name(work), **in_api_words(work.pick(*_DEFINITION.split()))}
        if work.tags:
            params["tags"] = pairs(work.tags)
        await work.write(
            self.service, "RegisterTaskDefinition", params, "taskDefinition.taskDefinitionArn", physical=True
        )
        await self.settle(work)


KINDS: tuple[Kind, ...] = (
    Declared(
        "AWS::ECS::Cluster",
        "ecs",
        create="CreateCluster",
        taken=Taken(
            "DescribeClusters", lambda work, name: {"clusters": [name]}, "clusters[?status!='INACTIVE'] | [0]"
        ),
        extra=lambda work: {**_cluster(work), **_providers(work)},
        name="ClusterName",
        longest=255,
        key="clusterName",
        describe="DescribeClusters",
        by="clusters[]",
        item="clusters[?status!='INACTIVE'] | [0]",
        settings=[
            change("UpdateCluster", "cluster", "ClusterSettings Configuration ServiceConnectDefaults", _cluster),
            Setting(
                "PutClusterCapacityProviders",
                "CapacityProviders DefaultCapacityProviderStrategy",
                lambda work: {
                    "cluster": work.physical, "capacityProviders": [], "defaultCapacityProviderStrategy": [],
                    **_providers(work),
                },
                on_create=False,
            ),
        ],
        gives={"Arn": "clusterArn"},
        tags=TAGS,
        delete="DeleteCluster",
        delete_by="cluster",
    ),
    TaskDefinition(
        "AWS::ECS::TaskDefinition",
        "ecs",
        create="RegisterTaskDefinition",
        name="Family",
        also=_DEFINITION,
        longest=255,
        key="taskDefinition",
        describe="DescribeTaskDefinition",
        by="taskDefinition",
        item="taskDefinition.status=='ACTIVE' && taskDefinition || `null`",
        gives={"TaskDefinitionArn": "taskDefinitionArn"},
        tags=TAGS,
        delete="DeregisterTaskDefinition",
    ),
)  # fmt: skip

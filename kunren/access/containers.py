"""Which resources an operation of ECS concerns ("Actions, resources, and condition keys for Amazon Elastic Container
Service"). Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kunren.core.condition_keys import Facts
from kunren.core.conditions import many
from kunren.core.policies import UNKNOWN

if TYPE_CHECKING:
    from kunren.access.actions import Target

ALL = "*"
_OF_SERVICE = ("service", "serviceName")
_LISTED = (
    ("tasks", "task"), ("services", "service"), ("clusters", "cluster"), ("taskDefinitions", "task-definition"),
    ("containerInstances", "container-instance"), ("capacityProviders", "capacity-provider"),
    ("serviceDeploymentArns", "service-deployment"), ("serviceRevisionArns", "service-revision"),
)  # fmt: skip
_ONE = (
    ("task", "task"), ("serviceDeploymentArn", "service-deployment"), ("capacityProvider", "capacity-provider"),
)  # fmt: skip
_IN_CLUSTERS = ("task", "service", "container-instance")
_ABOUT_CLUSTERS = ("PutClusterCapacityProviders", "ListContainerInstances", "DeregisterContainerInstance")
_IN_CLUSTER = re.compile(
    r"(Run|Start|Stop|List|Describe)Tasks?|\w+TaskProtection|\w+Service|DescribeServices|ExecuteCommand"
)
"""Operations that are about the cluster `default` where they name none."""


def ecs(target: Target) -> list[str]:
    """ARNs; what is in a cluster has the cluster's name in its ARN."""
    operation, params = target.operation, target.params
    if isinstance(params.get("resourceArn"), str):
        return [params["resourceArn"]]
    if operation == "ExecuteCommand":
        cluster = _named(target, "cluster", params.get("cluster") or "default")
        return [cluster, _named(target, "task", params.get("task"))]
    if operation.startswith(("RunTask", "StartTask", "DescribeTaskDefinition", "DeregisterTaskDefinition")):
        return [_named(target, "task-definition", params.get("taskDefinition"))]
    if operation == "RegisterTaskDefinition":
        return [target.arn("ecs", f"task-definition/{params.get('family')}:*")]
    if operation == "CreateCluster":
        return [_named(target, "cluster", params.get("clusterName") or "default")]
    if operation in _ABOUT_CLUSTERS:
        return [_named(target, "cluster", params.get("cluster") or "default")]
    if operation == "CreateCapacityProvider":
        return [_named(target, "capacity-provider", params.get("name"))]
    for member, kind in _LISTED:
        if found := [_named(target, kind, each) for each in many(params.get(member))]:
            return found
    for member, kind in _ONE:
        if params.get(member):
            return [_named(target, kind, params[member])]
    for member in _OF_SERVICE:
        if params.get(member) and (not operation.startswith("List") or operation == "ListServiceDeployments"):
            return [_named(target, "service", params[member])]
    if operation.startswith(("List", "Describe")):
        return [ALL]
    return [_named(target, "cluster", params["cluster"])] if params.get("cluster") else [UNKNOWN]


def ecs_facts(target: Target) -> Facts:
    """The condition keys of operations that are about what is in a cluster."""
    cluster, container = target.params.get("cluster"), target.params.get("container")
    if not cluster and not _IN_CLUSTER.fullmatch(target.operation):
        return {}
    named = {"ecs:container-name": container} if isinstance(container, str) else {}
    return {"ecs:cluster": _named(target, "cluster", cluster or "default"), **named}


def _named(target: Target, kind: str, name: Any) -> str:
    if not isinstance(name, str):
        return UNKNOWN
    if name.startswith("arn:"):
        return name
    if kind in _IN_CLUSTERS:
        cluster = target.params.get("cluster") or "default"
        name = f"{str(cluster).rpartition('/')[2]}/{name}"
    if kind == "task-definition" and ":" not in name:
        name = f"{name}:*"
    return target.arn("ecs", f"{kind}/{name}")

"""Which resources an operation of ECS concerns ("Actions, resources, and condition keys for Amazon Elastic Container
Service"). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kunren.core.conditions import many
from kunren.core.policies import UNKNOWN

if TYPE_CHECKING:
    from kunren.access.actions import Target

ALL = "*"
_OF_SERVICE = ("service", "serviceName")
_LISTED = (("tasks", "task"), ("services", "service"), ("clusters", "cluster"), ("taskDefinitions", "task-definition"))


def ecs(target: Target) -> list[str]:
    """ARNs; what is in a cluster has the cluster's name in its ARN."""
    operation, params = target.operation, target.params
    if isinstance(params.get("resourceArn"), str):
        return [params["resourceArn"]]
    if operation.startswith(("RunTask", "StartTask", "DescribeTaskDefinition", "DeregisterTaskDefinition")):
        return [_named(target, "task-definition", params.get("taskDefinition"))]
    if operation == "RegisterTaskDefinition":
        return [target.arn("ecs", f"task-definition/{params.get('family')}:*")]
    if operation == "CreateCluster":
        return [_named(target, "cluster", params.get("clusterName") or "default")]
    for member, kind in _LISTED:
        if found := [_named(target, kind, each) for each in many(params.get(member))]:
            return found
    if params.get("task"):
        return [_named(target, "task", params["task"])]
    for member in _OF_SERVICE:
        if params.get(member) and not operation.startswith("List"):
            return [_named(target, "service", params[member])]
    if operation.startswith(("List", "Describe")):
        return [ALL]
    return [_named(target, "cluster", params["cluster"])] if params.get("cluster") else [UNKNOWN]


def _named(target: Target, kind: str, name: Any) -> str:
    if not isinstance(name, str):
        return UNKNOWN
    if name.startswith("arn:"):
        return name
    if kind in ("task", "service"):
        cluster = target.params.get("cluster") or "default"
        name = f"{str(cluster).rpartition('/')[2]}/{name}"
    if kind == "task-definition" and ":" not in name:
        name = f"{name}:*"
    return target.arn("ecs", f"{kind}/{name}")

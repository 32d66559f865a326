"""Which resources an operation of CodeDeploy concerns ("Actions, resources, and condition keys for AWS CodeDeploy").
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kunren.core.conditions import many

if TYPE_CHECKING:
    from kunren.access.actions import Target

ALL = "*"
BY_DEPLOYMENT = frozenset({
    "GetDeployment", "BatchGetDeploymentInstances", "GetDeploymentInstance", "ListDeploymentInstances",
})  # fmt: skip
"""Operations about a deployment whose permission is that of its group; the others can't be limited."""
_OF_GROUPS = frozenset({
    "BatchGetDeploymentGroups", "CreateDeployment", "CreateDeploymentGroup", "DeleteDeploymentGroup",
    "GetDeploymentGroup", "ListDeployments", "UpdateDeploymentGroup", *BY_DEPLOYMENT,
})  # fmt: skip


def codedeploy(target: Target) -> list[str]:
    """ARNs. Of operations in BY_DEPLOYMENT the parameters have the deployment's application and group, too."""
    operation, params = target.operation, target.params

    def named(kind: str, name: Any) -> str:
        return target.arn("codedeploy", f"{kind}:{name}")

    if isinstance(arn := params.get("ResourceArn"), str):
        return [arn]
    application = params.get("applicationName")
    if operation in _OF_GROUPS and application:
        group = params.get("deploymentGroupName") or params.get("currentDeploymentGroupName")
        groups = many(params.get("deploymentGroupNames")) or [group or ALL]
        return [named("deploymentgroup", f"{application}/{each}") for each in groups]
    if names := many(params.get("applicationNames")) or many(application):
        return [named("application", each) for each in names]
    if name := params.get("deploymentConfigName"):
        return [named("deploymentconfig", name)]
    return [ALL]

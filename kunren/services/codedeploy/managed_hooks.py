"""The lifecycle hooks that CodeDeploy puts into the Auto Scaling groups of deployment groups. Pure."""

from __future__ import annotations

from kunren.services.codedeploy.model import Group

PREFIX = "CodeDeploy-managed-automatic-launch-deployment-hook-"


def hook_name(group: Group) -> str:
    return f"{PREFIX}{group.name}-{group.group_id}"


def scaling_groups(group: Group) -> list[str]:
    """The names of a deployment group's Auto Scaling groups."""
    return [str(each["name"]) for each in group.settings.get("autoScalingGroups") or ()]

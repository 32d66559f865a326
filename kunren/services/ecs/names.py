"""ARNs of ECS, and what a caller may name a thing by: its name, or its whole ARN."""

from __future__ import annotations

from kunren.control.store import Resource
from kunren.core.arn import build_arn


def arn(resource: Resource, *path: str) -> str:
    """The ARN of something beside that resource: `arn(task, "cluster", name)`."""
    return build_arn("ecs", resource.region, resource.account, "/".join(path))


def last_part(named: str) -> str:
    """A name, given as itself or as an ARN."""
    return named.rpartition("/")[2]

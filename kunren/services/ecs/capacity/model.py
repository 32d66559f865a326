"""Capacity providers: Auto Scaling groups whose instances a cluster's tasks use."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource

FARGATE = ("FARGATE", "FARGATE_SPOT")
DRAINING_HOOK = "ecs-managed-draining-termination-hook"
METRICS, METRIC = "AWS/ECS/ManagedScaling", "CapacityProviderReservation"


class CapacityProvider(Resource, frozen=True, kw_only=True):
    """Its id is its name, `group` the Auto Scaling group's. `scaling` is managedScaling with its defaults; `policy` the
    name of the scaling policy that the group has for `policy_cluster`."""

    kind: ClassVar[str] = "ecs.capacity-provider"

    group: str
    group_arn: str
    scaling: dict[str, Any]
    protects: bool = False
    drains: bool = True
    status: str = "ACTIVE"
    update_status: str | None = None
    policy: str | None = None
    policy_cluster: str | None = None
    tags: dict[str, str] = {}

    @property
    def scales(self) -> bool:
        return self.status == "ACTIVE" and self.scaling["status"] == "ENABLED"


KINDS: tuple[type[Resource], ...] = (CapacityProvider,)

"""The operations of ECS: one file per kind of resource, joined here."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ecs.agents.model import KINDS as INSTANCE_KINDS
from kunren.services.ecs.api.capacity_providers import CapacityProviderOperations
from kunren.services.ecs.api.clusters import ClusterOperations
from kunren.services.ecs.api.container_instances import ContainerInstanceOperations
from kunren.services.ecs.api.execute_command import ExecuteCommandOperations
from kunren.services.ecs.api.service_deployments import ServiceDeploymentOperations
from kunren.services.ecs.api.services import ServiceOperations
from kunren.services.ecs.api.tags import TagOperations
from kunren.services.ecs.api.task_definitions import TaskDefinitionOperations
from kunren.services.ecs.api.task_protection import TaskProtectionOperations
from kunren.services.ecs.api.task_sets import TaskSetOperations
from kunren.services.ecs.api.tasks import TaskOperations
from kunren.services.ecs.capacity.model import KINDS as CAPACITY_KINDS
from kunren.services.ecs.model import KINDS
from kunren.services.ecs.services import model as services
from kunren.world.spec import WorldSpec


class EcsApi(
    ClusterOperations, TaskDefinitionOperations, TaskOperations, TaskProtectionOperations, ServiceOperations,
    ServiceDeploymentOperations, TaskSetOperations, ContainerInstanceOperations, CapacityProviderOperations,
    TagOperations, ExecuteCommandOperations,
):  # fmt: skip
    """Registers its kinds with the store; the ec2 kinds are registered before."""

    service: ClassVar[str] = "ecs"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec) -> None:
        store.register(*KINDS, *services.KINDS, *INSTANCE_KINDS, *CAPACITY_KINDS)
        super().__init__(store, clock, entropy, spec)

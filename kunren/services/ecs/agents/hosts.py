"""The instance whose metadata a task sees that has an interface of its own: the container instance that it runs on,
unless the agent there keeps them from tasks (ECS_AWSVPC_BLOCK_IMDS).

"Amazon ECS container agent configuration".
"""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.model import NetworkInterface
from kunren.services.ecs.model import ContainerInstance, Task

BLOCKS = "ecs.capability.task-eni-block-instance-metadata"


def host_of(snapshot: Snapshot, interface: NetworkInterface) -> Instance | None:
    for task in snapshot.list(Task, interface.account, interface.region):
        if task.interface_id == interface.id and task.instance is not None:
            host = snapshot.get(ContainerInstance, task.account, task.region, task.instance)
            if host is None or BLOCKS in host.attributes:
                return None
            return snapshot.get(Instance, task.account, task.region, host.instance_id)
    return None

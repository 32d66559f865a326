"""Whose metadata tasks with an interface of their own see."""

import pytest

from kunren.control.store import Store
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.model import NetworkInterface
from kunren.services.ecs.agents.hosts import host_of
from kunren.services.ecs.model import ContainerInstance, Task

OF = {"account": "123456789012", "region": "us-east-1"}
BLOCKED = {"ecs.capability.task-eni-block-instance-metadata": None}
INTERFACE = NetworkInterface(
    **OF, id="eni-1", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="us-east-1a", private_ip="10.0.0.4", mac=""
)  # fmt: skip


def task(instance):
    return Task(
        **OF, id="one", cluster="fleet", definition="web:1", launch_type="EC2", cpu="256", memory="128", containers=(),
        created_at=0.0, group="family:web", interface_id="eni-1", instance=instance,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("instance", "attributes", "seen"), [("a", {}, "i-1"), ("a", BLOCKED, None), (None, {}, None), ("gone", {}, None)]
)
def test_a_task_on_a_container_instance_sees_its_metadata_unless_its_agent_says_no(instance, attributes, seen):
    store = Store(None)
    store.register(Task, ContainerInstance, Instance, NetworkInterface)
    machine = Instance(
        **OF, id="i-1", reservation_id="r-1", launch_index=0, image_id="ami-1", instance_type="t3.micro",
        architecture="x86_64", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="us-east-1a",
        interface_id="eni-2", volume_id="vol-1", root_device="/dev/sda1", launched_at=0.0,
    )  # fmt: skip
    host = ContainerInstance(
        **OF, id="a", cluster="fleet", instance_id="i-1", attributes=attributes, registered_at=0.0
    )  # fmt: skip
    with store.write() as tx:
        for each in (task(instance), host, machine):
            tx.put(each)
    found = host_of(store.snapshot(), INTERFACE)
    assert (found.id if found is not None else None) == seen

"""Who is a target and who leaves, whatever order tasks end and begin in."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.ecs.model import KINDS, Deployment, Load, Service, Task
from kunren.services.ecs.services import model
from kunren.services.ecs.services.balancing import Balancing, due
from kunren.services.ecs.services.model import Member, Registered
from kunren.services.elbv2 import model as elbv2

KEY = {"account": "123456789012", "region": "us-east-1"}
GROUP = "arn:group"


def target(address):
    return Registered(group=GROUP, id=address, port=80)


class Scene:
    def __init__(self):
        self.store, self.calls = Store(None), []
        self.store.register(*KINDS, *model.KINDS, *elbv2.KINDS)
        deployment = Deployment(
            id="ecs-svc/1", status="PRIMARY", revision="1", definition="web:1", desired_count=2, created_at=0,
            updated_at=0, loads=(Load(group=GROUP, container="web", port=80),),
        )  # fmt: skip
        self.service = Service(
            **KEY, id="shop/web", cluster="shop", name="web", desired_count=2, created_at=0, deployments=(deployment,)
        )
        self.put(self.service)
        self.balancing = Balancing(self.store, SimClock(), Entropy(seed=1), self.call)

    def put(self, *rows):
        with self.store.write() as tx:
            for each in rows:
                tx.put(each)

    def task(self, id, address, desired="RUNNING", last="RUNNING", registered=False):
        self.put(
            Task(
                **KEY, id=id, cluster="shop", definition="web:1", launch_type="FARGATE", group="service:web", cpu="1",
                memory="1", containers=(), private_ip=address, desired_status=desired, last_status=last, created_at=0,
            ),
            Member(**KEY, id=id, service="shop/web", deployment="ecs-svc/1", targets=(target(address),) * registered),
        )  # fmt: skip

    def group(self, *addresses, draining=()):
        check = elbv2.HealthCheck(
            enabled=True, protocol="HTTP", port="80", path="/", interval=5, timeout=2, healthy_threshold=2,
            unhealthy_threshold=2, matcher=elbv2.Matcher(),
        )  # fmt: skip
        targets = [elbv2.Target(id=each, port=80) for each in addresses]
        targets += [elbv2.Target(id=each, port=80, draining_since=1.0) for each in draining]
        self.put(
            elbv2.TargetGroup(**KEY, id=GROUP, name="g", target_type="ip", health_check=check, targets=tuple(targets))
        )

    async def call(self, account, region, service, operation, params):
        self.calls.append((operation, [each["Id"] for each in params["Targets"]]))

    def keep(self):
        asyncio.run(self.balancing.keep(self.service))
        return self.store.snapshot().by_id(Member, **KEY)


@pytest.fixture
def scene():
    return Scene()


def test_a_running_task_is_noted_before_it_is_registered(scene):
    scene.group()
    scene.task("a", "10.0.0.1")
    assert scene.keep()["a"].targets == (target("10.0.0.1"),)
    assert scene.calls == [("RegisterTargets", ["10.0.0.1"])]


def test_a_task_that_is_to_stop_keeps_its_target_until_the_group_has_let_go(scene):
    scene.group("10.0.0.1")
    scene.task("a", "10.0.0.1", "STOPPED", "DEACTIVATING", registered=True)
    assert scene.keep()["a"].targets
    assert scene.calls == [("DeregisterTargets", ["10.0.0.1"])]
    scene.group(draining=["10.0.0.1"])
    assert scene.keep()["a"].targets
    scene.group()
    assert scene.keep()["a"].targets == ()


def test_a_task_that_ends_while_others_are_deregistered_is_not_forgotten(scene):
    scene.group("10.0.0.1", "10.0.0.2")
    scene.task("a", "10.0.0.1", "STOPPED", "STOPPED", registered=True)
    scene.task("b", "10.0.0.2", registered=True)

    async def call(account, region, service, operation, params):
        await scene.call(account, region, service, operation, params)
        found = scene.store.snapshot().get(Task, *KEY.values(), "b")
        scene.put(replace(found, desired_status="STOPPED", last_status="STOPPED"))
        scene.group("10.0.0.2", draining=["10.0.0.1"])

    scene.balancing = Balancing(scene.store, SimClock(), Entropy(seed=1), call)
    left = scene.keep()
    assert (left["a"].targets, left["b"].targets) == ((), (target("10.0.0.2"),))
    assert due(scene.store.snapshot(), scene.service)[1] == {GROUP: [target("10.0.0.2")]}


def test_an_address_that_another_task_has_by_now_stays_a_target(scene):
    scene.group("10.0.0.1")
    scene.task("old", "10.0.0.1", "STOPPED", "STOPPED", registered=True)
    scene.task("new", "10.0.0.1")
    left = scene.keep()
    assert (left["old"].targets, left["new"].targets) == ((), (target("10.0.0.1"),))
    assert scene.calls == []

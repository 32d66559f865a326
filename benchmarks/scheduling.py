"""What the scheduler of ECS's services decides for a thousand tasks: whom to start and stop, and where to place them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from benchmarks import figures
from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.ec2.api import Ec2Api
from kunren.services.ec2.model import Subnet
from kunren.services.ecs.api import EcsApi
from kunren.services.ecs.model import Service, Task
from kunren.services.ecs.services import course, staffing
from kunren.services.ecs.services.desk import Desk
from kunren.services.ecs.services.placement import Needs, Place, place
from kunren.world.spec import Place as City
from kunren.world.spec import Region, WorldSpec

TASKS, INSTANCES, WITHIN_S = 1000, 100, 1.0
_SPEC = WorldSpec(
    places=(City("virginia", 39.0, -77.5, "US", "NA"),), regions=(Region("us-east-1", "abc", 39.0, -77.5),)
)


class Table:
    """A service of so many tasks, in memory; nothing of it runs."""

    def __init__(self, count: int) -> None:
        self.store, self.clock, self.entropy = Store(None), SimClock(), Entropy(seed=1)
        ec2 = Ec2Api(self.store, self.clock, self.entropy, _SPEC)
        self.api = EcsApi(self.store, self.clock, self.entropy, _SPEC)
        context = RequestContext("123456789012", "us-east-1", "ec2", "DescribeSubnets", "1")
        ec2.describe_subnets(context, {})  # makes the default VPC
        subnets = [each.id for each in self.store.snapshot().every(Subnet)]
        self.call("create_cluster", clusterName="shop")
        self.call(
            "register_task_definition", family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
            cpu="256", memory="512", containerDefinitions=[{"name": "web", "image": "web"}],
        )  # fmt: skip
        self.call(
            "create_service", cluster="shop", serviceName="web", taskDefinition="web", desiredCount=count,
            launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
        )  # fmt: skip

    def call(self, operation: str, **params: Any) -> Any:
        context = RequestContext("123456789012", "us-east-1", "ecs", operation, "1")
        return getattr(self.api, operation)(context, params)

    def look(self) -> None:
        snapshot = self.store.snapshot()
        service = next(snapshot.every(Service))
        with self.store.write() as tx:
            desk = Desk.opened(snapshot, tx, self.entropy, self.clock.now(), service)
            course.count(desk)
            course.advance(desk)
            staffing.staff(desk)
            desk.close(service)

    def settle(self) -> None:
        """All tasks are where they are to be, for long enough to count as healthy."""
        with self.store.write() as tx:
            for each in list(tx.every(Task)):
                if each.desired_status == "STOPPED":
                    tx.put(replace(each, last_status="STOPPED", stopped_at=self.clock.now()))
                elif each.last_status != "RUNNING":
                    tx.put(replace(each, last_status="RUNNING", started_at=self.clock.now(), private_ip="10.0.0.1"))
        self.clock.advance(60)


def run(quick: bool = False) -> list[str]:
    count = TASKS // 10 if quick else TASKS
    table = Table(count)
    took = {"starting all": timed(table.look)}
    table.settle()
    took["all well"] = max(timed(table.look) for _ in range(3))
    table.call("update_service", cluster="shop", service="web", forceNewDeployment=True)
    took["starting their successors"] = timed(table.look)
    table.settle()
    took["stopping the old"] = timed(table.look)
    places = [
        Place(f"i-{each}", {"ecs.availability-zone": "abc"[each % 3]}, 16_384, 65_536) for each in range(INSTANCES)
    ]
    took[f"placing them on {INSTANCES} instances"] = timed(lambda: place(places, Needs(256, 512), count))
    worst = max(took.values())
    told = ", ".join(f"{what} {seconds:.3f} s" for what, seconds in took.items())
    return [
        f"A look at a service of {count:,} tasks: {told}; aimed at {WITHIN_S:.0f} s: {figures.verdict(worst < WITHIN_S)}."
    ]


def timed(does: Callable[[], object]) -> float:
    began = time.perf_counter()
    does()
    return time.perf_counter() - began

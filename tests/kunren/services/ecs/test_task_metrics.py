"""Metrics of services' tasks: of what control groups count, the share that the task reserves."""

import asyncio

from msgspec.structs import replace

from kunren.services.ecs.model import Cluster, TaskDefinition
from kunren.services.ecs.tasks.ask import ask_for_task
from kunren.services.ecs.tasks.metrics import TaskMetrics

OF = {"account": "123456789012", "region": "us-east-1"}
DOCUMENT = {"containerDefinitions": [{"name": "web", "image": "i"}], "networkMode": "awsvpc", "cpu": "256",
            "memory": "512"}  # fmt: skip


class Played:
    def __init__(self):
        self.now = (10.0, 128 << 20)
        self.containers = {"web": self}

    def load(self):
        return self.now


def test_a_services_tasks_tell_what_they_use_of_what_they_reserve(ecs):
    told = {}

    async def call(account, region, service, operation, params):
        for each in params["MetricData"]:
            named = tuple((one["Name"], one["Value"]) for one in each["Dimensions"])
            told[each["MetricName"]] = (named, each["Values"], each["Counts"], each["Timestamp"].timestamp())
        return {}

    definition = TaskDefinition(
        **OF, id="web:1", family="web", revision=1, document=DOCUMENT, registered_at=0.0, registered_by=""
    )
    cluster = Cluster(**OF, id="shop", created_at=0.0)
    with ecs.store.write() as tx:
        for group in ("service:web", "family:web"):
            made = ask_for_task(
                tx, ecs.entropy, at=0.0, cluster=cluster, definition=definition, launch_type="FARGATE", group=group
            )
            tx.put(replace(made, last_status="RUNNING"))
    container = Played()
    metrics = TaskMetrics(ecs.store, ecs.clock, call, lambda id: container)
    minute = ecs.clock.now() // 60 * 60
    metrics.sample(ecs.clock.now())
    container.now = (17.5, 256 << 20)  # in 60 s 7.5 of the 15 that a quarter of a processor has
    ecs.clock.advance(60)
    metrics.sample(ecs.clock.now())
    asyncio.run(metrics.before("GetMetricData"))
    named = (("ClusterName", "shop"), ("ServiceName", "web"))
    assert told == {
        "CPUUtilization": (named, [50.0], [1.0], minute),
        "MemoryUtilization": (named, [50.0], [1.0], minute),
    }

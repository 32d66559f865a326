"""What EventBridge is told of tasks: in order, several at once, again after it did not answer."""

import asyncio
import json

from msgspec.structs import replace

from kunren.core.clock import SystemClock
from kunren.core.errors import WireError
from kunren.services.ecs.model import Cluster, TaskDefinition, TaskEvent
from kunren.services.ecs.tasks.ask import ask_for_task
from kunren.services.ecs.tasks.events import TaskEvents

OF = {"account": "123456789012", "region": "us-east-1"}
DOCUMENT = {"containerDefinitions": [{"name": "web", "image": "i"}], "networkMode": "awsvpc", "cpu": "256",
            "memory": "512"}  # fmt: skip


def test_changes_are_told_in_order_and_none_is_lost(ecs):
    told, refusals = [], [WireError("InternalFailure", "not now", 500)]

    async def call(account, region, service, operation, params):
        if refusals:
            raise refusals.pop()
        assert (service, operation) == ("events", "PutEvents")
        told.append(params["Entries"])
        return {}

    async def story():
        events = TaskEvents(ecs.store, SystemClock(), ecs.entropy, call)
        definition = TaskDefinition(
            **OF, id="web:1", family="web", revision=1, document=DOCUMENT, registered_at=0.0, registered_by=""
        )
        with ecs.store.write() as tx:
            task = ask_for_task(
                tx, ecs.entropy, at=0.0, cluster=Cluster(**OF, id="shop", created_at=0.0), definition=definition,
                launch_type="FARGATE",
            )  # fmt: skip
            for version in range(1, 24):
                events.note(tx, replace(task, version=version))
            events.heard = lambda: False
            events.note(tx, replace(task, version=99))
        running = asyncio.get_running_loop().create_task(events.run())
        async with asyncio.timeout(10):
            while list(ecs.store.snapshot().every(TaskEvent)):
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(story())
    assert [len(each) for each in told] == [10, 10, 3]
    details = [json.loads(each["Detail"]) for entries in told for each in entries]
    assert [each["version"] for each in details] == list(range(1, 24))
    assert {each["lastStatus"] for each in details} == {"PROVISIONING"}
    assert told[0][0]["DetailType"] == "ECS Task State Change"

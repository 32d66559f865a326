"""What is still to be delivered, in virtual time, across restarts."""

import asyncio
import json
from contextlib import asynccontextmanager

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.services.events.deliveries import Deliveries
from kunren.services.events.model import KINDS, Bus, Delivery, Rule
from kunren.services.events.publishing import publish

ACCOUNT, REGION = "111122223333", "us-east-1"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/"
QUEUE, DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders", f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
EVENT = {"id": "e1", "source": "shop", "detail-type": "Order", "detail": {}}


class World:
    def __init__(self, folder):
        self.clock, self.folder = SimClock(), folder
        self.is_down, self.sent = False, []

    async def call(self, account, region, service, operation, params):
        if self.is_down and params["QueueUrl"].endswith("orders"):
            raise WireError("InternalError", "down", 500)
        self.sent.append((params["QueueUrl"].rpartition("/")[2], params))
        return {}

    @asynccontextmanager
    async def running(self):
        self.store = Store(self.folder / "store.db")
        self.store.register(*KINDS)
        deliveries = Deliveries(self.store, self.clock, Entropy(1), self.call)
        task = asyncio.create_task(deliveries.run())
        try:
            yield deliveries
        finally:
            task.cancel()
            self.store.close()

    def rule(self, bus, **target):
        with self.store.write() as tx:
            if bus != "default":
                tx.put(Bus(account=ACCOUNT, region=REGION, id=bus, created_at=0, modified_at=0))
            tx.put(Rule(
                account=ACCOUNT, region=REGION, id=f"{bus}/all", bus=bus, name="all", pattern='{"source":["shop"]}',
                since=0, targets={"1": {"Id": "1", "DeadLetterConfig": {"Arn": DEAD}, **target}},
            ))  # fmt: skip

    def publish(self):
        with self.store.write() as tx:
            publish(tx, Entropy(2), ACCOUNT, REGION, "default", EVENT, self.clock.now())

    def waiting(self):
        return list(self.store.snapshot().every(Delivery))


async def until(is_so):
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0)


def test_a_retry_goes_on_behind_a_restart(tmp_path):
    async def scenario():
        world = World(tmp_path)
        async with world.running():
            world.rule("default", Arn=QUEUE)
            world.is_down = True
            world.publish()
            await until(lambda: [each.attempts for each in world.waiting()] == [1])
        world.is_down = False
        async with world.running() as deliveries:
            await until(lambda: deliveries.status()["waiting"] == 1 and world.clock._timers)
            world.clock.advance(5)
            await until(lambda: world.sent)
        assert [name for name, _ in world.sent] == ["orders"]

    asyncio.run(scenario())


def test_what_is_tried_enough_is_a_dead_letter_that_says_so(tmp_path):
    async def scenario():
        world = World(tmp_path)
        async with world.running():
            world.rule("default", Arn=QUEUE, RetryPolicy={"MaximumRetryAttempts": 0})
            world.is_down = True
            world.publish()
            await until(lambda: world.sent)
        ((name, params),) = world.sent
        told = {key: each["StringValue"] for key, each in params["MessageAttributes"].items()}
        assert (name, told["EXHAUSTED_RETRY_CONDITION"], told["RETRY_ATTEMPTS"]) == (
            "dead",
            "MaximumRetryAttempts",
            "0",
        )

    asyncio.run(scenario())


def test_an_event_crosses_to_one_bus_and_no_further(tmp_path):
    async def scenario():
        world = World(tmp_path)
        async with world.running():
            world.rule("default", Arn=BUS + "other")
            world.rule("other", Arn=BUS + "default")
            world.publish()
            await until(lambda: world.sent)
            await until(lambda: not world.waiting())
        ((name, params),) = world.sent
        assert (name, json.loads(params["MessageBody"])) == ("dead", EVENT)
        assert params["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "THIRD_ACCOUNT_HOP_DETECTED"

    asyncio.run(scenario())

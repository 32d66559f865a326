"""Commands in virtual time: whom they reach, how many at once, and how they end."""

import asyncio
from contextlib import asynccontextmanager

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ssm.commands import states
from kunren.services.ssm.commands.controller import CommandController, invocations_of
from kunren.services.ssm.model import KINDS, Command, Invocation

ACCOUNT, REGION = "111122223333", "us-east-1"
WHERE = {"account": ACCOUNT, "region": REGION}


class Script:
    """A program that ends when it is told to, or is stopped."""

    def __init__(self):
        self.alive, self.returncode, self._over = True, None, asyncio.Event()

    def end(self, code):
        self.returncode = code
        self._over.set()

    async def wait(self):
        await self._over.wait()
        return self.returncode

    async def stop(self, grace_s=5.0):
        if self.returncode is None:
            self.end(-15)
        return self.returncode


class World:
    """Instances i-0 to i-2, of which those in `away` are not reached."""

    def __init__(self):
        self.clock, self.store = SimClock(1_000_000.0), Store(None)
        self.store.register(*KINDS, Instance, InstanceRun)
        self.scripts, self.away, self.events = {}, set(), []
        self.controller = CommandController(self.store, self.clock, self.call, self)
        self.controller.run_program = self.run_program
        with self.store.write() as tx:
            for id in ("i-0", "i-1", "i-2"):
                names = dict.fromkeys(
                    ("reservation_id", "image_id", "instance_type", "architecture", "vpc_id", "subnet_id",
                     "availability_zone", "interface_id", "volume_id", "root_device"), "",
                )  # fmt: skip
                tx.put(Instance(**WHERE, id=id, launch_index=0, launched_at=0.0, **names))

    async def reached(self, account, region, id):
        return id not in self.away

    async def call(self, account, region, service, operation, params):
        self.events += [each["DetailType"].removesuffix(" Status-change Notification") for each in params["Entries"]]
        return {}

    async def run_program(self, instance, argv, env, output, errors):
        script = self.scripts[instance.id] = Script()
        return script, lambda: script.alive

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.controller.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def becomes(self, whole, *each):
        """Wait until command and invocations have these details, and nothing that follows at once is left to do."""
        async with asyncio.timeout(20):
            while self.details() != (whole, list(each)):
                await asyncio.sleep(0.001)
        for _ in range(50):
            await asyncio.sleep(0)

    async def send(self, concurrency=50, errors_max=0):
        nodes = ["i-0", "i-1", "i-2"]
        with self.store.write() as tx:
            command = Command(
                **WHERE, id="c", document="AWS-RunShellScript", version="", step="aws:runShellScript", lines=["x"], folder="", comment="", parameters={"commands": ["x"]},
                instance_ids=nodes, targets=[], nodes=nodes, requested=self.clock.now(), timeout_s=600, execution_s=60,
                max_concurrency="1", max_errors="0", concurrency=concurrency, errors_max=errors_max,
            )  # fmt: skip
            tx.put(command)
            for each in nodes:
                tx.put(
                    Invocation(
                        **WHERE, id=f"c/{each}", command="c", instance_id=each, name="", requested=self.clock.now()
                    )
                )

    def details(self):
        snapshot = self.store.snapshot()
        command = snapshot.get(Command, ACCOUNT, REGION, "c")
        found = invocations_of(snapshot, command)
        return states.details_of(command, found), [each.details for each in found]

    def put(self, id, details):
        with self.store.write() as tx:
            found = tx.get(Invocation, ACCOUNT, REGION, f"c/{id}")
            tx.put(replace(found, details=details))


def played(scenario):
    """A test that is a coroutine of a world whose controller runs."""

    def test():
        async def play():
            async with World().running() as world:
                await scenario(world)

        asyncio.run(play())

    return test


@played
async def test_one_after_the_other_until_there_are_too_many_errors(it):
    await it.send(concurrency=1)
    await it.becomes("In Progress", "In Progress", "Pending", "Pending")
    it.scripts["i-0"].end(0)
    await it.becomes("In Progress", "Success", "In Progress", "Pending")
    it.scripts["i-1"].end(2)
    await it.becomes("Failed", "Success", "Failed", "Terminated")
    assert set(it.scripts) == {"i-0", "i-1"}
    assert it.events.count("EC2 Command") == 2
    assert it.events.count("EC2 Command Invocation") >= 5


@played
async def test_what_is_not_reached_waits_and_holds_nobody_up(it):
    it.away.update(("i-0", "i-1"))
    await it.send(concurrency=1)
    await it.becomes("In Progress", "Delayed", "Delayed", "In Progress")
    it.scripts["i-2"].end(0)
    await it.becomes("In Progress", "Delayed", "Delayed", "Success")
    it.away.remove("i-0")
    it.clock.advance(60.0)
    await it.becomes("In Progress", "In Progress", "Delayed", "Success")
    it.scripts["i-0"].end(0)
    await it.becomes("In Progress", "Success", "Delayed", "Success")
    it.clock.advance(540.0)
    await it.becomes("Delivery Timed Out", "Success", "Delivery Timed Out", "Success")


@played
async def test_a_script_has_its_time_and_one_whose_instance_vanished_the_commands(it):
    await it.send(errors_max=1)
    await it.becomes("In Progress", "In Progress", "In Progress", "In Progress")
    it.scripts["i-0"].alive = False
    it.scripts["i-0"].end(-9)
    it.scripts["i-1"].end(0)
    await it.becomes("In Progress", "In Progress", "Success", "In Progress")
    it.clock.advance(60.0)
    await it.becomes("In Progress", "In Progress", "Success", "Execution Timed Out")
    it.clock.advance(600.0)
    await it.becomes("Incomplete", "Delivery Timed Out", "Success", "Execution Timed Out")


@played
async def test_cancelling_ends_scripts_also_those_that_nobody_runs_any_more(it):
    await it.send()
    await it.becomes("In Progress", "In Progress", "In Progress", "In Progress")
    it.scripts["i-1"].alive = False
    it.scripts["i-1"].end(-9)
    it.scripts["i-2"].end(0)
    await it.becomes("In Progress", "In Progress", "In Progress", "Success")
    it.put("i-0", "Cancelling")
    it.put("i-1", "Cancelling")
    await it.becomes("Incomplete", "Cancelled", "Cancelled", "Success")
    assert it.scripts["i-0"].returncode == -15

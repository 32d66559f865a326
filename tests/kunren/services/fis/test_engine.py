"""When an action counts as running and over, and what is still begun: the engine with a network told by the test."""

import asyncio

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.services.fis.engine import Engine
from kunren.services.fis.model import RESOURCES, ActionRun, Experiment
from kunren.services.fis.network import ActionFailed
from kunren.services.fis.records import Records

CUT, BAD = "aws:network:disrupt-connectivity", "aws:network:disrupt-vpc-endpoint"


class Network:
    """An effect, and whether packets meet it."""

    def __init__(self):
        self.felt, self.done = True, []

    def begin(self, doing):
        self.done.append(f"begin {doing.action}")
        return {"cut": doing.action}

    def end(self, undo):
        self.done.append(f"end {undo['cut']}")

    async def is_felt(self):
        return self.felt


class Failing:
    def begin(self, doing):
        raise ActionFailed("no such endpoint")

    def end(self, undo):
        raise AssertionError


async def no_call(*_):
    raise AssertionError("nothing is asked")


class Lab:
    def __init__(self, actions):
        self.store, clock, self.network = Store(None), SystemClock(), Network()
        self.store.register(*RESOURCES)
        with self.store.write() as tx:
            tx.put(Experiment(account="1", region="r", id="EXP1", description="", role_arn="", template_id="EXT1",
                              actions=actions, runs={name: ActionRun() for name in actions}, status="running"))  # fmt: skip
        effects = {CUT: self.network, BAD: Failing()}
        self.engine = Engine(
            self.store, clock, no_call, None, effects, self.network.is_felt, Records(clock, no_call)
        )  # fmt: skip

    @property
    def now(self):
        return self.store.snapshot().get(Experiment, "1", "r", "EXP1")

    def states(self):
        return {name: run.status for name, run in self.now.runs.items()}

    async def until(self, holds):
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)


def played(story, **actions):
    async def main():
        lab = Lab(actions)
        task = asyncio.get_running_loop().create_task(lab.engine.run())
        try:
            await story(lab)
        finally:
            task.cancel()

    asyncio.run(main())


def cut(duration="PT1S"):
    return {"actionId": CUT, "parameters": {"duration": duration}}


def test_an_action_runs_and_is_over_only_when_the_network_has_it():
    async def story(lab):
        lab.network.felt = False
        await lab.until(lambda: lab.now.runs["a"].reason)
        assert (lab.states(), lab.now.runs["a"].started) == ({"a": "initiating"}, None)
        lab.network.felt = True
        await lab.until(lambda: lab.states() == {"a": "running"})
        assert lab.now.runs["a"].reason == ""
        lab.network.felt = False
        await lab.until(lambda: lab.now.runs["a"].reason)
        assert (lab.states(), lab.network.done) == ({"a": "running"}, ["begin a", "end a"])
        lab.network.felt = True
        await lab.until(lambda: lab.now.status == "completed")
        assert (lab.states(), lab.network.done) == ({"a": "completed"}, ["begin a", "end a"])

    played(story, a=cut())


def test_a_stopped_experiment_is_stopping_while_packets_still_feel_it():
    async def story(lab):
        await lab.until(lambda: lab.states() == {"a": "running", "b": "running"})
        lab.network.felt = False
        lab.engine._end(lab.now, "stopped", "Experiment was stopped.")
        await lab.until(lambda: "a" in lab.states() and lab.now.runs["a"].reason)
        assert (lab.now.status, lab.states()) == ("stopping", {"a": "stopping", "b": "stopping"})
        assert lab.network.done == ["begin a", "begin b", "end a", "end b"]
        lab.network.felt = True
        await lab.until(lambda: lab.now.status == "stopped")
        assert lab.states() == {"a": "stopped", "b": "stopped"}

    played(story, a=cut("PT1H"), b=cut("PT1H"))


def test_what_was_to_begin_beside_an_action_that_fails_is_cancelled():
    async def story(lab):
        await lab.until(lambda: lab.now.status == "failed")
        assert (lab.states(), lab.network.done) == ({"a": "failed", "b": "cancelled"}, [])

    played(story, a={"actionId": BAD, "parameters": {"duration": "PT1M"}}, b=cut())

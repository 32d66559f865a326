"""The life of a task on an engine that is played: what is started, asked to end and taken away, in which order."""

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import nobody_answers
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.ecs.model import KINDS, Cluster, Network, Task, TaskDefinition, TaskRun
from kunren.services.ecs.tasks.ask import ask_for_task, ask_to_stop
from kunren.services.ecs.tasks.engine import CannotStart, Image
from kunren.services.ecs.tasks.execution import ExecutionRole
from kunren.services.ecs.tasks.resources import Resources
from kunren.services.ecs.tasks.runner import Shell, TaskRunner

OF = {"account": "123456789012", "region": "us-east-1"}
TERM, KILL = 15, 9


class PlayedContainer:
    """Ends by itself after `lasts` real seconds with `code`, or at SIGTERM where it is `polite`."""

    pid, namespace, variables, out_of_memory = 7, "eni-1", {}, False

    def __init__(self, engine, name, lasts=None, code=0, polite=True):
        self._engine, self._name, self._polite = engine, name, polite
        self._over = asyncio.get_running_loop().create_future()
        if lasts is not None:
            asyncio.get_running_loop().call_later(lasts, self._end, code)

    def _end(self, code):
        if not self._over.done():
            self._over.set_result(code)
            self._engine.told.append(f"{self._name} ended")

    async def wait(self):
        return await asyncio.shield(self._over)

    async def signal(self, number):
        if number == KILL or self._polite:
            self._end(-number)

    async def execute(self, argv, timeout_s):
        return 0


class PlayedEngine:
    """`containers` say by name how each start of them goes on (the last one for all further ones); `broken` are those
    that can't be started. `told` is what has happened."""

    def __init__(self, containers=None, broken=(), ready=None):
        self.containers, self.broken, self.ready_when = containers or {}, broken, ready
        self.told, self.starts, self.running = [], {}, []

    def attach(self, tx, task):
        task = replace(task, interface_id="eni-1", private_ip="10.0.0.1")
        tx.put(task)
        return task

    async def ready(self, task):
        if self.ready_when is not None:
            await self.ready_when.wait()

    async def pull(self, task, plan):
        await asyncio.sleep(0)
        return Image(Path("/"), command=("true",))

    def environment(self, task, name):
        return {}

    def stop_timeout_s(self, task):
        return 30.0

    def runtime_id(self, task, name):
        return name

    async def start(self, task, launch):
        name = launch.plan.name
        await asyncio.sleep(0)
        if name in self.broken:
            raise CannotStart(f"CannotStartContainerError: {name}")
        number = self.starts[name] = self.starts.get(name, 0) + 1
        ways = self.containers.get(name) or [{}]
        self.told.append(f"{name} started")
        container = PlayedContainer(self, name, **ways[min(number, len(ways)) - 1])
        self.running.append(container)
        return container

    async def deprovision(self, task):
        self.told.append("deprovisioned")


class Played:
    def __init__(self, engine, *containers, speed=1000.0):
        self.store, self.clock, self.engine = Store(None), SystemClock(speed), engine
        self.store.register(*KINDS)
        document = {
            "containerDefinitions": [{"image": "i", "essential": True, **each} for each in containers],
            "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        }  # fmt: skip
        definition = TaskDefinition(
            **OF, id="web:1", family="web", revision=1, document=document, registered_at=0.0, registered_by=""
        )
        with self.store.write() as tx:
            self.task = ask_for_task(
                tx, Entropy(seed=1), at=0.0, cluster=Cluster(**OF, id="c", created_at=0.0), definition=definition,
                launch_type="FARGATE", network=Network(subnets=("subnet-1",)),
            )  # fmt: skip
        self.seen = []
        shell = Shell(
            self.store, self.clock, Resources(nobody_answers, ExecutionRole(self.store)), lambda *_: None,
            lambda tx, task: self.seen.append(task.last_status),
        )  # fmt: skip
        shell.activating, shell.deactivating = self._hook("activating"), self._hook("deactivating")
        self.runner = TaskRunner(shell, engine, self.task, definition)

    def _hook(self, name):
        async def noted(task):
            self.engine.told.append(name)

        return noted

    @property
    def now(self):
        return self.store.snapshot().get(Task, *OF.values(), self.task.id)

    def stop(self):
        with self.store.write() as tx:
            ask_to_stop(tx, self.now, "enough")
        self.runner.stop()

    async def run(self, stop_when=None):
        running = asyncio.get_running_loop().create_task(self.runner.run())
        if stop_when is not None:
            async with asyncio.timeout(10):
                while not stop_when():
                    await asyncio.sleep(0.001)
            self.stop()
        async with asyncio.timeout(20):
            await running
        assert self.now.last_status == "STOPPED"
        assert self.store.snapshot().get(TaskRun, *OF.values(), self.task.id) is None
        assert self.engine.told[-1] == "deprovisioned"
        return self.now


def played(engine, *containers, stop_when=None, **options):
    async def run():
        made = Played(engine(), *containers, **options)
        task = await made.run(stop_when and (lambda: stop_when(made)))
        return made, task

    return asyncio.run(run())


WAITS = {"dependsOn": [{"containerName": "db", "condition": "START"}]}


def test_containers_start_and_end_in_order_with_the_load_balancer_between():
    made, task = played(
        PlayedEngine, {"name": "db"}, {"name": "web", **WAITS}, stop_when=lambda made: made.now.last_status == "RUNNING"
    )
    assert made.engine.told == [
        "db started", "web started", "activating", "deactivating", "web ended", "db ended", "deprovisioned",
    ]  # fmt: skip
    assert [each.exit_code for each in task.containers] == [143, 143]
    statuses = list(dict.fromkeys(made.seen))
    assert statuses == ["PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]


def test_a_task_stops_before_its_network_is_there_and_starts_nothing():
    made, task = played(
        lambda: PlayedEngine(ready=asyncio.Event()), {"name": "web"}, stop_when=lambda made: made.now.interface_id
    )
    assert made.engine.told == ["deprovisioned"]
    assert (task.stop_code, task.stopped_reason, task.started_at) == ("UserInitiated", "enough", None)


def test_who_hears_nothing_is_killed_after_its_stop_timeout():
    _, task = played(
        lambda: PlayedEngine({"web": [{"polite": False}]}), {"name": "web", "stopTimeout": 10},
        stop_when=lambda made: made.now.last_status == "RUNNING",
    )  # fmt: skip
    assert task.containers[0].exit_code == 137
    assert task.execution_stopped_at - task.stopping_at >= 10


def test_a_dependency_that_fails_keeps_the_task_from_starting():
    made, task = played(
        lambda: PlayedEngine({"db": [{"lasts": 0.0, "code": 1}]}), {"name": "db", "essential": False},
        {"name": "web", "dependsOn": [{"containerName": "db", "condition": "SUCCESS"}]},
    )  # fmt: skip
    assert "web started" not in made.engine.told
    assert task.stop_code == "TaskFailedToStart"
    assert [each.exit_code for each in task.containers] == [1, None]


def test_one_that_is_not_essential_and_can_not_start_takes_nobody_along():
    _, task = played(
        lambda: PlayedEngine(broken=("side",)), {"name": "web"}, {"name": "side", "essential": False},
        stop_when=lambda made: made.now.last_status == "RUNNING",
    )  # fmt: skip
    assert task.stop_code == "UserInitiated"
    assert task.containers[1].reason == "CannotStartContainerError: side"


def test_a_restart_policy_starts_a_container_again_that_had_run_long_enough():
    policy = {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 60}}
    _, task = played(
        lambda: PlayedEngine({"web": [{"lasts": 0.7, "code": 5}, {"lasts": 0.0, "code": 6}]}),
        {"name": "web", **policy},
        speed=100.0,
    )
    assert (task.containers[0].restarts, task.containers[0].exit_code) == (1, 6)
    assert task.stop_code == "EssentialContainerExited"


ways = st.fixed_dictionaries(
    {"lasts": st.none() | st.floats(0, 0.02), "code": st.integers(0, 2), "polite": st.booleans()}
)
conditions = st.sampled_from(["START", "COMPLETE", "SUCCESS", "HEALTHY"])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(ways, st.booleans(), st.lists(st.tuples(st.integers(0, 3), conditions), max_size=2)), min_size=1,
             max_size=4),
    st.floats(0, 0.03), st.sets(st.sampled_from("abcd"), max_size=1),
)  # fmt: skip
def test_whatever_happens_a_task_that_is_stopped_ends_and_nothing_runs(containers, after, broken):
    names = "abcd"
    defined = []
    for place, (_, essential, others) in enumerate(containers):
        waits = [{"containerName": names[other], "condition": each} for other, each in others if other < place]
        check = {"healthCheck": {"command": ["CMD", "true"], "interval": 5}}
        defined.append({"name": names[place], "essential": essential or not place, "dependsOn": waits, "stopTimeout": 5,
                        **check})  # fmt: skip

    async def run():
        engine = PlayedEngine({names[place]: [way] for place, (way, _, _) in enumerate(containers)}, tuple(broken))
        made = Played(engine, *defined)
        began = asyncio.get_running_loop().time()
        task = await made.run(lambda: asyncio.get_running_loop().time() - began >= after)
        assert all(each._over.done() for each in engine.running)
        assert {each.last_status for each in task.containers} == {"STOPPED"}

    asyncio.run(run())

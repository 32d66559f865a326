"""Tasks that wait for room: where they may go then, and what counts as used."""

import pytest
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.entropy import Entropy
from kunren.services.ecs import model
from kunren.services.ecs.agents.placing import placed
from kunren.services.ecs.capacity import waiting
from kunren.services.ecs.capacity.controller import is_used
from kunren.services.ecs.capacity.model import KINDS, CapacityProvider
from kunren.services.ecs.capacity.waiting import find_places, give_up
from kunren.services.ecs.model import Cluster, ContainerInstance, Service, Task, TaskDefinition

OF = {"account": "123456789012", "region": "us-east-1"}
PROVIDER = CapacityProvider(**OF, id="own", group="web", group_arn="", scaling={"status": "ENABLED"})
DISTINCT = {"placementConstraints": [{"type": "distinctInstance"}]}


def host(id):
    return ContainerInstance(
        **OF, id=id, cluster="fleet", instance_id=f"i-{id}", resources={"CPU": 2048, "MEMORY": 4096},
        capacity_provider="own", registered_at=0.0,
    )  # fmt: skip


def task(id, **given):
    members = {"group": "family:web", "capacity_provider": "own"} | given
    return Task(
        **OF, id=id, cluster="fleet", definition="web:1", launch_type="EC2", cpu="256", memory="128", containers=(),
        **({"created_at": 0.0} | members),
    )  # fmt: skip


@pytest.fixture
def store():
    store = Store(None)
    store.register(*model.KINDS, *KINDS)
    with store.write() as tx:
        tx.put(Cluster(**OF, id="fleet", created_at=0.0))
        document = {"containerDefinitions": [{"name": "web", "image": "web", "cpu": 256, "memory": 128}]}
        tx.put(
            TaskDefinition(
                **OF, id="web:1", family="web", revision=1, document=document, registered_at=0.0, registered_by=""
            )
        )  # fmt: skip
    return store


def found(store, *rows):
    with store.write() as tx:
        for each in rows:
            tx.put(each)
        find_places(tx, Entropy(seed=7), PROVIDER)
    return {each.id: each.instance for each in store.snapshot().list(Task, *OF.values())}


def test_a_task_that_waited_keeps_to_what_was_asked_of_its_place(store):
    three = [task(id, placement=DISTINCT) for id in ("one", "two", "three")]
    assert sorted(map(str, found(store, host("a"), host("b"), *three).values())) == ["None", "a", "b"]


def test_one_that_nobody_can_place_keeps_no_other_from_its_place(store):
    broken = {"placementConstraints": [{"type": "memberOf", "expression": "attribute:a =="}]}
    assert found(store, host("a"), task("broken", placement=broken), task("other")) == {"broken": None, "other": "a"}


def test_a_place_is_looked_for_once_where_many_ask_for_the_same(store, monkeypatch):
    looks = []
    monkeypatch.setattr(waiting, "placed", lambda *asked: (looks.append(asked), placed(*asked))[1])
    alike = [task(f"{number:03}", created_at=float(number)) for number in range(50)]
    large = task("large", created_at=99.0, placement=DISTINCT)
    assert sum(each is not None for each in found(store, host("a"), *alike, large).values()) == 8
    assert len(looks) == 8 + 1 + 1


def test_tasks_of_daemons_keep_no_instance(store):
    daemon = Service(
        **OF, id="fleet/agent", cluster="fleet", name="agent", desired_count=1, created_at=0.0,
        document={"schedulingStrategy": "DAEMON"},
    )  # fmt: skip
    here = task("one", instance="a", group="service:agent")
    found(store, host("a"), daemon, here)
    assert not is_used(store.snapshot(), host("a"))
    found(store, task("two", instance="a"))
    assert is_used(store.snapshot(), host("a"))


def test_a_task_waits_half_an_hour_for_room(store):
    with store.write() as tx:
        for each in (task("early"), task("placed", instance="a"), replace(task("late"), created_at=1.0)):
            tx.put(each)
        give_up(tx, PROVIDER, 1800.0)
    rows = {each.id: each for each in store.snapshot().list(Task, *OF.values())}
    assert {id: each.desired_status for id, each in rows.items()} == {
        "early": "STOPPED", "placed": "RUNNING", "late": "RUNNING",
    }  # fmt: skip
    assert rows["early"].stop_code == "TaskFailedToStart"

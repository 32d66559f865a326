"""The controller: merging, retrying, resync."""

import asyncio
from typing import ClassVar

from kunren.control.controller import Controller
from kunren.control.store import Resource, Store
from kunren.core.clock import SystemClock
from kunren.core.errors import TerminalError


class Thing(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.thing"


class Other(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.other"


def put(store: Store, *ids: str) -> None:
    with store.write() as tx:
        for id in ids:
            tx.put(Thing(account="1", region="r", id=id))


def run(reconcile, scenario, existing=()):
    async def main() -> None:
        store = Store(None)
        store.register(Thing, Other)
        put(store, *existing)
        controller = Controller(
            "test",
            store,
            SystemClock(),
            keys=lambda _snapshot, key: [key.id],
            every=lambda snapshot: [each.id for each in snapshot.every(Thing)],
            reconcile=reconcile,
            wants=lambda kind: kind == Thing.kind,
        )
        task = asyncio.create_task(controller.run())
        try:
            await asyncio.wait_for(scenario(store, controller), 10)
        finally:
            task.cancel()

    asyncio.run(main())


def test_everything_that_exists_is_reconciled_at_start():
    seen = []

    async def reconcile(key):
        seen.append(key)

    async def scenario(_store, controller):
        while sorted(seen) != ["a", "b"]:
            await asyncio.sleep(0.001)
        await controller.settled()

    run(reconcile, scenario, existing=("a", "b"))


def test_changes_during_a_reconcile_cause_exactly_one_more():
    runs, gate = [], asyncio.Event()

    async def reconcile(key):
        runs.append(key)
        if len(runs) == 1:
            await gate.wait()

    async def scenario(store, controller):
        put(store, "a")
        while not runs:
            await asyncio.sleep(0.001)
        for _ in range(5):
            put(store, "a")
        gate.set()
        await controller.settled()
        assert runs == ["a", "a"]

    run(reconcile, scenario)


def test_a_failure_is_retried_until_it_holds_and_a_terminal_one_is_not():
    tries = {"flaky": 0, "hopeless": 0}

    async def reconcile(key):
        tries[key] += 1
        if key == "hopeless":
            raise TerminalError("never")
        if tries[key] < 3:
            raise OSError("not yet")

    async def scenario(store, controller):
        put(store, "flaky", "hopeless")
        await controller.settled()
        assert tries == {"flaky": 3, "hopeless": 1}
        assert controller.last_errors == {"hopeless": "never"}

    run(reconcile, scenario)


def test_of_a_commit_that_changes_several_kinds_it_sees_its_own():
    seen = []

    async def reconcile(key):
        seen.append(key)

    async def scenario(store, controller):
        with store.write() as tx:
            tx.put(Thing(account="1", region="r", id="mine"))
            tx.put(Other(account="1", region="r", id="another's"))
        await controller.settled()

    run(reconcile, scenario)
    assert seen == ["mine"]


def test_an_appointment_is_kept_the_last_one_counts_and_it_is_void_once_its_key_has_been_reconciled():
    seen = []

    async def reconcile(key):
        seen.append(key)

    async def scenario(_store, controller):
        controller.enqueue_after(3600, "a")
        controller.enqueue_after(0.01, "a")
        controller.enqueue_after(0.05, "b")
        controller.enqueue("b")
        controller.enqueue_after(0.1, "c")
        while "c" not in seen:
            await asyncio.sleep(0.001)
        assert seen == ["b", "a", "c"]

    run(reconcile, scenario)


def test_what_is_asked_for_before_it_runs_is_not_settled_until_it_has():
    done: list[str] = []

    async def reconcile(work: str) -> None:
        done.append(work)

    async def main() -> None:
        store = Store(None)
        store.register(Thing)
        put(store, "a")
        controller = Controller(
            "test", store, SystemClock(), keys=lambda _, key: [key.id], every=lambda _: ["a"], reconcile=reconcile
        )
        await controller.settled()
        controller.enqueue_all()
        settled = asyncio.create_task(controller.settled())
        await asyncio.sleep(0)
        assert not settled.done()
        task = asyncio.create_task(controller.run())
        await asyncio.wait_for(settled, 10)
        task.cancel()

    asyncio.run(main())
    assert done == ["a"]

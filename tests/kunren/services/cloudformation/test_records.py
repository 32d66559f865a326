"""What is held of stacks: events have numbers, and what was deleted ninety days ago goes."""

from __future__ import annotations

from kunren.control.store import Resource, Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.cloudformation.model import RESOURCES, ChangeSet, Event, Revision, Stack, StackResource
from kunren.services.cloudformation.records import Records

DAY_S = 86_400


def _held(store: Store, kind: type[Resource]) -> list[str]:
    return sorted(each.id for each in store.snapshot().every(kind))


def test_a_stack_that_was_deleted_ninety_days_ago_goes_with_all_that_is_held_of_it() -> None:
    store, clock = Store(None), SimClock()
    store.register(*RESOURCES)
    records = Records(store, clock, Entropy(1))
    for id in ("old", "late", "alive"):
        stack = Stack(account="1", region="r", id=id, name=id, status="")
        row = StackResource(
            account="1", region="r", id=f"{id}/Q", stack=id, logical="Q", type="AWS::SQS::Queue", physical="q"
        )
        with store.write() as tx:
            tx.put(stack)
            tx.put(row)
            tx.put(Revision(account="1", region="r", id=f"{id}/1", template="", processed="{}"))
            tx.put(ChangeSet(account="1", region="r", id=f"set-{id}", name="s", stack=id, type="CREATE", status=""))
        records.stack(stack, "CREATE_IN_PROGRESS")
        records.resource(stack, row, "CREATE_COMPLETE")
    clock.advance(DAY_S)
    now = clock.now()
    for id, deleted in (("old", now - 91 * DAY_S), ("late", now - 89 * DAY_S)):
        found = store.snapshot().get(Stack, "1", "r", id)
        assert found is not None
        records.stack(found, "DELETE_COMPLETE", deleted=deleted)
    records.forget("2", "r")
    assert _held(store, Stack) == ["alive", "late", "old"]
    records.forget("1", "r")
    assert _held(store, Stack) == ["alive", "late"]
    assert _held(store, StackResource) == ["alive/Q", "late/Q"]
    assert _held(store, Revision) == ["alive/1", "late/1"]
    assert _held(store, ChangeSet) == ["set-alive", "set-late"]
    assert _held(store, Event) == [
        "alive/00000001", "alive/00000002", "late/00000001", "late/00000002", "late/00000003",
    ]  # fmt: skip
    # another process numbers on from there
    again = store.snapshot().get(Stack, "1", "r", "alive")
    assert again is not None
    Records(store, clock, Entropy(2)).stack(again, "CREATE_COMPLETE")
    assert _held(store, Event)[2] == "alive/00000003"

"""Who waits for a resource is woken by what changes of it, and by nothing else."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Struct

from kunren.control.store import Resource, Store
from kunren.core.clock import SystemClock
from kunren.services.cloudformation.waking import Waking

LONG_S = 3600.0


class Status(Resource, Struct, frozen=True, kw_only=True):
    kind = "test.status"


def _changed(store: Store, id: str) -> None:
    with store.write() as tx:
        tx.put(Status(account="1", region="r", id=id))


@pytest.mark.parametrize(("physical", "id"), [("web", "web"), ("arn:aws:x:r:1:stack/web/5f", "5f"), ("a/b", "a/b")])
def test_a_change_of_the_resource_ends_the_pause(physical: str, id: str) -> None:
    async def watched() -> None:
        store = Store(None)
        store.register(Status)
        pause = asyncio.ensure_future(Waking(store).pause(physical, SystemClock(), LONG_S))
        await asyncio.sleep(0)
        _changed(store, "another")
        await asyncio.sleep(0)
        assert not pause.done()
        _changed(store, id)
        await asyncio.wait_for(pause, 30)
        _changed(store, id)  # nobody waits any more

    asyncio.run(watched())


def test_a_pause_ends_by_itself_also_where_nothing_has_an_id_yet() -> None:
    asyncio.run(asyncio.wait_for(Waking(Store(None)).pause("", SystemClock(), 0.001), 30))

"""Ends a wait early: whoever waits for a resource asks again as soon as something of it has changed."""

from __future__ import annotations

import asyncio

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.services.cloudformation.model import Event, StackResource

_OWN = frozenset({StackResource.kind, Event.kind})


class Waking:
    """What stands under a resource's physical id, or under the last part of its ARN, is taken for something of it. What
    stands elsewhere (in moto, in another row) wakes nobody: the pause ends by itself."""

    def __init__(self, store: Store) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        store.subscribe(self._changed, wants=lambda kind: kind not in _OWN)

    def _changed(self, changed: frozenset[Key]) -> None:
        if self._waiting:
            for key in changed:
                for each in self._waiting.get(key.id, ()):
                    if not each.done():
                        each.set_result(None)

    async def pause(self, physical: str, clock: Clock, seconds: float) -> None:
        """Return after that many real seconds, or once something of the resource has changed."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        over = asyncio.ensure_future(clock.wall_sleep(seconds))
        ids = {physical, physical.rpartition("/")[2]} - {""}
        for id in ids:
            self._waiting.setdefault(id, set()).add(woken)
        try:
            await asyncio.wait((woken, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            for id in ids:
                self._waiting[id].discard(woken)
                if not self._waiting[id]:
                    del self._waiting[id]

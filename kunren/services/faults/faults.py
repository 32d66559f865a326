"""Owns what is broken in the world: injecting is making a `Fault`, healing is deleting it.

Both reconcile: VPCs through their own controller, links between sites through the one here. What a fault means is
`effects.py`; that packets feel it is `kunren.world`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast, get_args

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Snapshot, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ec2.model import Subnet, Vpc
from kunren.services.faults import effects
from kunren.services.faults.model import Fault, What
from kunren.world.broken_links import BrokenLink
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
SETTLED_WITHIN_S = 30.0
_INTERNET = "internet"
_LONG_DELAY_MS = 10_000.0


class FaultRefused(Exception):
    """The fault cannot be: the text says why."""


class Links(Protocol):
    """Whose links break: `kunren.world.world.World`."""

    async def apply_broken(self, broken: Sequence[BrokenLink]) -> None: ...


class Faults:
    """`run` lives until it is cancelled. Faults that are not lasting are healed as soon as this is built."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, links: Links) -> None:
        self._store, self._clock, self._entropy, self._spec, self._links = store, clock, entropy, spec, links
        self.felt_by: list[Callable[[], Awaitable[None]]] = []
        """Awaited by `settled` besides: return when a part of the world has what the store says."""
        store.register(Fault)
        with store.write() as tx:
            for each in [each for each in tx.every(Fault) if not each.lasting]:
                tx.delete(each)
        self._controller = Controller(
            "faults",
            store,
            clock,
            keys=lambda _snapshot, key: [_INTERNET] if key.kind == Fault.kind else [],
            every=lambda snapshot: [_INTERNET] if effects.faults(snapshot) else [],
            reconcile=self._reconcile,
            wants=lambda kind: kind == Fault.kind,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> bool:
        """Return when every packet meets the faults there are, and none that were healed; after a while anyway, where a
        part of the world that may have nothing to do with them is not as it shall be: False then."""
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await self._controller.settled()
                for settled in self.felt_by:
                    await settled()
        except TimeoutError:
            log.warning("the world is not yet as the state says; `kunren status` shows why")
            return False
        return True

    def inject(
        self,
        what: str,
        name: str,
        other: str = "",
        *,
        loss: float = 1.0,
        delay_ms: float = 0.0,
        owner: str = "",
        lasting: bool = False,
    ) -> Fault:
        """Break something until `heal`. Raises FaultRefused."""
        _check_numbers(loss, delay_ms)
        self._check_named(what, name, other)
        if delay_ms:
            self._check_delay(what)
        with self._store.write() as tx:
            fault = Fault(
                id=f"fault-{self._entropy.hex(17)}",
                what=cast(What, what),
                name=name,
                other=other,
                loss=loss,
                delay_ms=delay_ms,
                owner=owner,
                lasting=lasting,
                since=self._clock.now(),
            )
            tx.put(fault)
        return fault

    def heal(self, *, id: str | None = None, owner: str | None = None) -> list[Fault]:
        """Heal one by its id, all of an owner's, or all there are; those that were healed. None is no error."""
        with self._store.write() as tx:
            found = [each for each in tx.every(Fault) if id in (None, each.id) and owner in (None, each.owner)]
            for each in found:
                tx.delete(each)
        return sorted(found, key=effects.age)

    def now(self) -> list[Fault]:
        """What is broken now, oldest first."""
        return effects.faults(self._store.snapshot())

    def status(self) -> dict[str, Any]:
        return {"broken": len(self.now()), "errors": dict(self._controller.last_errors)}

    async def _reconcile(self, _: str) -> None:
        await self._links.apply_broken(effects.broken_between_sites(self.now()))

    def _check_named(self, what: str, name: str, other: str) -> None:
        if what not in get_args(What):
            raise FaultRefused(f"nothing is called {what!r} in the world; there are {', '.join(get_args(What))}")
        snapshot = self._store.snapshot()
        for each in (name, other) if what == "link" else (name,):
            if each not in (known := self._known(what, snapshot)):
                some = ", ".join(sorted(known)[:40])
                raise FaultRefused(f"there is no {what} {each!r}; there are {some}" if some else f"there is no {what}")
        if what == "link" and name == other:
            raise FaultRefused("a link has two different ends")

    def _known(self, what: str, snapshot: Snapshot) -> set[str]:
        spec = self._spec
        match what:
            case "zone":
                return {f"{each.name}{letter}" for each in spec.regions for letter in each.zones}
            case "region":
                return {each.name for each in spec.regions}
            case "vpc":
                return {each.id for each in snapshot.every(Vpc)}
            case "subnet":
                return {each.id for each in snapshot.every(Subnet)}
            case "link":
                return {each.name for each in spec.places} | {each.name for each in spec.regions}
        return {each.name for each in spec.places}

    def _check_delay(self, what: str) -> None:
        if what not in ("place", "region", "link"):
            raise FaultRefused(f"a {what} can lose packets, not delay them; places, regions and links can")
        if self._spec.distance is None:
            raise FaultRefused("packets are delayed where links have length: start Kunren with `kunren up --distance`")


def _check_numbers(loss: float, delay_ms: float) -> None:
    if not 0 <= loss <= 1:
        raise FaultRefused(f"loss is a share from 0 to 1, not {loss}")
    if not 0 <= delay_ms <= _LONG_DELAY_MS:
        raise FaultRefused(f"a delay is from 0 to {_LONG_DELAY_MS:.0f} ms, not {delay_ms}")
    if not loss and not delay_ms:
        raise FaultRefused("a fault loses packets or delays them; this one does neither")


def shown(fault: Fault) -> dict[str, Any]:
    """A fault as JSON has it."""
    found: dict[str, Any] = msgspec.to_builtins(fault)
    return {key: value for key, value in found.items() if key not in ("account", "region")}

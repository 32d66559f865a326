"""Verifies the private names of endpoint services, by the TXT record that proves whose the domain is.

The record may be at the name itself or at any domain above it ("Manage DNS names for VPC endpoint services"). It is
asked for again and again for a while, since whoever has just written it may be faster than DNS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.services.ec2.model import EndpointServiceConfiguration

Lookup = Callable[[str], Awaitable[list[str]]]
"""The texts of a name's TXT records, as the world's DNS has them."""
LASTS_S = 600.0  # AWS seconds
PAUSE_S = 0.5  # real ones


class PrivateNames:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, lookup: Lookup) -> None:
        self._store = store
        self._clock = clock
        self._lookup = lookup
        self._controller = Controller(
            "private-names",
            store,
            clock,
            keys=lambda snapshot, key: (_work(key),),
            every=_all_work,
            reconcile=self._reconcile,
            wants=lambda kind: kind == EndpointServiceConfiguration.kind,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        while True:
            asked = self._store.snapshot().get(EndpointServiceConfiguration, account, region, id)
            if asked is None or asked.name_asked is None or asked.private_name is None:
                return
            proven = await self._is_proven(asked)
            if proven or self._clock.now() - asked.name_asked > LASTS_S:
                with self._store.write() as tx:
                    current = tx.get(EndpointServiceConfiguration, account, region, id)
                    if current is not None and current.proof == asked.proof:
                        state = "verified" if proven else "failed"
                        tx.put(replace(current, name_state=state, name_asked=None))
                return
            await self._clock.wall_sleep(PAUSE_S)

    async def _is_proven(self, service: EndpointServiceConfiguration) -> bool:
        for domain in domains(service.private_name or ""):
            if service.proof in await self._lookup(f"{service.proof_name}.{domain}"):
                return True
        return False


def domains(name: str) -> list[str]:
    """The name and all above it but the top level, without a wildcard: where the proof may be."""
    labels = name.removeprefix("*.").split(".")
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"


def _all_work(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in snapshot.every(EndpointServiceConfiguration)]

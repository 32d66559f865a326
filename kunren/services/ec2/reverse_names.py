"""Gives Elastic IPs the reverse names that were asked for, once the name leads to the address.

"Create a reverse DNS record for email on Amazon EC2": the forward record must be there first. It is looked for again
and again for a while, since whoever has just written it may be faster than DNS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.dns import ec2_names
from kunren.dataplane.dns.zones import NameRecords
from kunren.services.ec2.model import ElasticIp

Lookup = Callable[[str], Awaitable[list[str]]]
"""The addresses of a name, as the world's DNS has them."""
LASTS_S = 600.0  # AWS seconds
PAUSE_S = 0.5  # real ones
TTL_S = 300


class Dns(Protocol):
    """The part of `DnsServer` that reverse names need."""

    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class ReverseNames:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, lookup: Lookup, dns: Dns) -> None:
        self._store = store
        self._clock = clock
        self._lookup = lookup
        self._dns = dns
        self._published: set[str] = set()
        self._controller = Controller(
            "reverse-names",
            store,
            clock,
            keys=lambda snapshot, key: (_work(key),) if key.kind == ElasticIp.kind else (),
            every=_all_work,
            reconcile=self._reconcile,
            wants=lambda kind: kind == ElasticIp.kind,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        self._publish(id, self._store.snapshot().get(ElasticIp, account, region, id))
        while True:
            address = self._store.snapshot().get(ElasticIp, account, region, id)
            if address is None or address.asked_name is None or address.asked_at is None:
                return
            leads_here = address.public_ip in await self._lookup(address.asked_name)
            if leads_here or self._clock.now() - address.asked_at > LASTS_S:
                with self._store.write() as tx:
                    current = tx.get(ElasticIp, account, region, id)
                    if current is not None and current.asked_name == address.asked_name:
                        told = {"reverse_name": address.asked_name, "asked_name": None} if leads_here else {}
                        tx.put(replace(current, asked_at=None, **told))
                return  # the change brings it here once more, to be published
            await self._clock.wall_sleep(PAUSE_S)

    def _publish(self, id: str, address: ElasticIp | None) -> None:
        named = address is not None and address.reverse_name is not None
        if named:
            assert address is not None
            assert address.reverse_name is not None
            records = NameRecords(ptr=(address.reverse_name,), ttl=TTL_S)
            self._dns.publish_names(f"ec2/{id}", {ec2_names.reverse_name(address.public_ip): records})
            self._published.add(id)
        elif id in self._published:
            self._dns.publish_names(f"ec2/{id}", {})
            self._published.discard(id)


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"


def _all_work(snapshot: Snapshot) -> Iterable[str]:
    named = (each for each in snapshot.every(ElasticIp) if each.reverse_name or each.asked_name)
    return [_work(each.key) for each in named]

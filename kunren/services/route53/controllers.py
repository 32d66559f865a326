"""Keeps the name servers as the store says, and says in the store what they serve: zones, CIDR collections, and which
health checks fail.

A zone is published whole when it is first seen (start, restart, after a failure) and from then on by the names that
the change feed told of, so that a change in a large zone costs what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot
from kunren.core.clock import Clock
from kunren.dataplane.dns import names
from kunren.dataplane.dns.geography import Geography
from kunren.dataplane.dns.zones import Node, Zone, Zones
from kunren.services.route53.dataplane import node_of, vpcs_of, zone_of, zone_owner
from kunren.services.route53.health import is_healthy
from kunren.services.route53.model import (
    CidrCollection,
    HealthCheck,
    HealthCheckStatus,
    HostedZone,
    OwnerName,
    ServedZone,
    ZoneSigning,
)
from kunren.services.route53.store import GLOBAL, Route53Store

_HEALTH = "health"
_COLLECTION = "cidr-collection/"
_KINDS = frozenset(
    each.kind for each in (HostedZone, OwnerName, CidrCollection, HealthCheck, HealthCheckStatus, ZoneSigning)
)


class Dns(Protocol):
    """The part of `DnsServer` that hosted zones need."""

    @property
    def zones(self) -> Zones: ...
    @property
    def geography(self) -> Geography: ...
    def publish(self, owner: str, zones: Mapping[str, Zone]) -> int: ...
    def publish_unhealthy(self, health_checks: frozenset[str]) -> int: ...
    def publish_collection(self, id: str, blocks: Mapping[str, str] | None) -> int: ...


class Route53Controller:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Route53Store, dns: Dns, clock: Clock) -> None:
        self._store = store
        self._dns = dns
        self._changed: dict[str, set[str]] = {}
        self._published: dict[str, tuple[Zone, ZoneSigning | None]] = {}
        self._unhealthy: frozenset[str] = frozenset()
        store.store.subscribe(self._note, wants=lambda kind: kind == OwnerName.kind)
        self.controller = Controller(
            "route53",
            store.store,
            clock,
            keys=_work_of,
            every=_all_work,
            reconcile=self._reconcile,
            wants=lambda kind: kind in _KINDS,
        )

    async def run(self) -> None:
        await self.controller.run()

    def status(self) -> dict[str, Any]:
        return {"zones": len(self._published), "errors": dict(self.controller.last_errors)}

    def _note(self, keys: frozenset[Key]) -> None:
        for key in keys:
            if key.kind == OwnerName.kind:
                self._changed.setdefault(key.region, set()).add(key.id)

    async def _reconcile(self, work: str) -> None:
        if work == _HEALTH:
            self._publish_health()
            return
        if work.startswith(_COLLECTION):
            self._publish_collection(*work.removeprefix(_COLLECTION).split("/"))
            return
        account, zone_id = work.split("/")
        changed = self._changed.pop(zone_id, set())
        before, signed = self._published.pop(zone_id, (None, None))  # put back when all went well: else a full build
        snapshot = self._store.snapshot()
        hosted = snapshot.get(HostedZone, account, GLOBAL, zone_id)
        if hosted is None:
            self._dns.publish(zone_owner(zone_id), {})
            self._store.set_served(zone_id, account, None)
            return
        signing = snapshot.get(ZoneSigning, account, GLOBAL, zone_id)
        if before is not None and before.version == hosted.version and not changed and signing == signed:
            self._published[zone_id] = before, signed  # its tags or comment
            return
        if before is None or signing != signed:
            owners = snapshot.list(OwnerName, account, zone_id)
            zone = zone_of(hosted, owners, self._dns.geography.position, signing)
        else:
            zone = before.with_nodes(self._nodes(snapshot, hosted, changed, signing), hosted.version)
            zone = replace(zone, vpcs=vpcs_of(hosted), fallback=hosted.public_dns_fallback)
        self._dns.publish(zone_owner(zone_id), {zone_id: zone})
        self._published[zone_id] = zone, signing
        self._store.set_served(zone_id, account, zone.version)

    def _publish_health(self) -> None:
        """Nothing is published while no verdict has changed: what a checker saw is written more often than that."""
        snapshot = self._store.snapshot()
        unhealthy = frozenset(
            each.id for each in snapshot.every(HealthCheck) if not is_healthy(snapshot, each.account, each.id)
        )
        if unhealthy != self._unhealthy:
            self._dns.publish_unhealthy(unhealthy)
            self._unhealthy = unhealthy

    def _publish_collection(self, account: str, id: str) -> None:
        collection = self._store.snapshot().get(CidrCollection, account, GLOBAL, id)
        self._dns.publish_collection(id, collection.blocks if collection is not None else None)
        self._store.set_served(id, account, collection.version if collection is not None else None)

    def _nodes(
        self, snapshot: Snapshot, hosted: HostedZone, changed: Iterable[str], signing: ZoneSigning | None
    ) -> dict[bytes, Node | None]:
        positions = self._dns.geography.position
        nodes: dict[bytes, Node | None] = {}
        for id in changed:
            owner = snapshot.get(OwnerName, hosted.account, hosted.id, id)
            nodes[names.from_sort_key(id)] = node_of(hosted, owner, positions, signing) if owner is not None else None
        return nodes


def _work_of(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind in (HostedZone.kind, ZoneSigning.kind):
        return (f"{key.account}/{key.id}",)
    if key.kind == OwnerName.kind:
        return (f"{key.account}/{key.region}",)
    if key.kind == CidrCollection.kind:
        return (f"{_COLLECTION}{key.account}/{key.id}",)
    return (_HEALTH,)


def _all_work(snapshot: Snapshot) -> Iterable[str]:
    collections = {(each.account, each.id) for each in snapshot.every(CidrCollection)}
    zones = {(each.account, each.id) for each in snapshot.every(HostedZone)}
    served = {(each.account, each.id) for each in snapshot.every(ServedZone)}
    return [
        _HEALTH,
        *(f"{_COLLECTION}{account}/{id}" for account, id in sorted(collections)),
        *(f"{account}/{zone_id}" for account, zone_id in sorted((zones | served) - collections)),
    ]

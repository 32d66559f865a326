"""The only writer of Route 53's resources, and the order of names that listing needs.

`NameIndex` keeps the names of each zone that was ever listed in Route 53's order, updated from the change feed, so that
a page of a zone of 10,000 names costs a page.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Mapping

import msgspec

from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names
from kunren.services.route53.model import (
    CallerReference,
    Change,
    CidrCollection,
    DelegationSet,
    HealthCheck,
    HealthCheckSource,
    HealthCheckStatus,
    HistoricBatch,
    HostedZone,
    KeySigningKey,
    OwnerName,
    Protection,
    QueryLoggingConfig,
    RecordSet,
    ServedZone,
    TrafficPolicy,
    TrafficPolicyInstance,
    VpcAuthorization,
    ZoneSigning,
)

GLOBAL = ""
CHANGES_KEPT_MAX = 10_000


class Route53Store:
    """Construct once; registers the service's kinds."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        store.register(
            HostedZone, OwnerName, Change, CallerReference, DelegationSet, VpcAuthorization, ServedZone, CidrCollection
        )
        store.register(HealthCheck, HealthCheckStatus, TrafficPolicy, TrafficPolicyInstance, QueryLoggingConfig)
        store.register(HistoricBatch, Protection, KeySigningKey, ZoneSigning, HealthCheckSource)
        self.store = store
        self._clock = clock
        self._entropy = entropy
        self._index = NameIndex(store)
        changes = sorted(store.snapshot().every(Change), key=lambda each: each.submitted_at)
        self._changes = deque(each.key for each in changes)

    def snapshot(self) -> Snapshot:
        return self.store.snapshot()

    def names_in_order(self, account: str, zone_id: str) -> list[str]:
        """The sort keys of a zone's names, in order. Not to be changed by the caller."""
        return self._index.names(account, zone_id)

    def new_zone_id(self, tx: Tx, account: str) -> str:
        while True:
            zone_id = "Z0" + self._entropy.digits(7) + self._entropy.upper(12)
            if tx.get(HostedZone, account, GLOBAL, zone_id) is None:
                return zone_id

    def put_zone(self, tx: Tx, zone: HostedZone) -> None:
        tx.put(zone)

    def put_sets(self, tx: Tx, zone: HostedZone, changed: Mapping[bytes, tuple[RecordSet, ...]]) -> HostedZone:
        """Replace the record sets of some names; the zone with its new version and count."""
        count = zone.record_set_count
        for name, record_sets in changed.items():
            id = names.sort_key(name)
            present = tx.get(OwnerName, zone.account, zone.id, id)
            count += len(record_sets) - (len(present.record_sets) if present is not None else 0)
            if record_sets:
                tx.put(OwnerName(account=zone.account, region=zone.id, id=id, record_sets=record_sets))
            elif present is not None:
                tx.delete(present)
        new = msgspec.structs.replace(zone, version=zone.version + 1, record_set_count=count)
        tx.put(new)
        return new

    def delete_zone(self, tx: Tx, zone: HostedZone) -> None:
        for owner in tx.list(OwnerName, zone.account, zone.id):
            tx.delete(owner)
        for authorization in tx.list(VpcAuthorization, zone.account, zone.id):
            tx.delete(authorization)
        for config in tx.list(QueryLoggingConfig, zone.account, GLOBAL):
            if config.zone_id == zone.id:
                tx.delete(config)
        for batch in tx.list(HistoricBatch, zone.account, zone.id):
            tx.delete(batch)
        tx.delete(zone)

    def add_change(
        self, tx: Tx, zone: HostedZone | CidrCollection, comment: str | None = None, account: str | None = None
    ) -> Change:
        """Note a change that the current version of a zone or CIDR collection holds, asked for by `account` (None: the
        zone's owner). The oldest are forgotten beyond a limit."""
        change = Change(
            account=account or zone.account,
            region=GLOBAL,
            id="C0" + self._entropy.digits(7) + self._entropy.upper(12),
            zone_id=zone.id,
            version=zone.version,
            submitted_at=self._clock.now(),
            comment=comment,
            zone_account=zone.account if account not in (None, zone.account) else None,
        )
        tx.put(change)
        self._changes.append(change.key)
        while len(self._changes) > CHANGES_KEPT_MAX:
            key = self._changes.popleft()
            old = tx.get(Change, key.account, key.region, key.id)
            if old is not None:
                tx.delete(old)
        return change

    def set_served(self, zone_id: str, account: str, version: int | None) -> None:
        """Record what the name servers serve (None: the zone, or CIDR collection, no more)."""
        current = self.snapshot().get(ServedZone, account, GLOBAL, zone_id)
        if (current.version if current is not None else None) == version:
            return
        with self.store.write() as tx:
            if version is not None:
                tx.put(ServedZone(account=account, region=GLOBAL, id=zone_id, version=version))
            elif current is not None:
                tx.delete(current)


def status_of(snapshot: Snapshot, change: Change) -> str:
    """INSYNC once the name servers serve the version that holds the change, or no longer serve the deleted zone."""
    owner = change.zone_account or change.account
    zone = snapshot.get(HostedZone, owner, GLOBAL, change.zone_id) or snapshot.get(
        CidrCollection, owner, GLOBAL, change.zone_id
    )
    served = snapshot.get(ServedZone, owner, GLOBAL, change.zone_id)
    if zone is None:
        return "PENDING" if served is not None else "INSYNC"
    return "INSYNC" if served is not None and served.version >= change.version else "PENDING"


class NameIndex:
    """Sorted name keys of the zones that were asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: dict[tuple[str, str], list[str]] = {}
        store.subscribe(self._changed, wants=lambda kind: kind in (HostedZone.kind, OwnerName.kind))

    def names(self, account: str, zone_id: str) -> list[str]:
        found = self._names.get((account, zone_id))
        if found is None:
            found = [each.id for each in self._store.snapshot().list(OwnerName, account, zone_id)]
            self._names[account, zone_id] = found
        return found

    def _changed(self, keys: frozenset[Key]) -> None:
        snapshot = self._store.snapshot()
        for key in keys:
            if key.kind == HostedZone.kind and snapshot.by_key(key) is None:
                self._names.pop((key.account, key.id), None)
            if key.kind != OwnerName.kind or (found := self._names.get((key.account, key.region))) is None:
                continue
            at = bisect.bisect_left(found, key.id)
            listed = at < len(found) and found[at] == key.id
            present = snapshot.by_key(key) is not None
            if present and not listed:
                found.insert(at, key.id)
            elif listed and not present:
                del found[at]

"""Who names a security group: interfaces that have it, and groups whose rules do. Kept by the store's feed, so that the
deletion of one of many groups does not read all of them."""

from __future__ import annotations

from collections.abc import Iterable

from kunren.control.store import Key, Resource, Store, Tx
from kunren.services.ec2.model import NetworkInterface, SecurityGroup

_KINDS = (NetworkInterface, SecurityGroup)


class GroupUses:
    """Reads the store when it is first asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._named: dict[Key, frozenset[str]] = {}
        self._by: dict[str, set[Key]] | None = None

    def is_used(self, tx: Tx, group: SecurityGroup) -> bool:
        """Does an interface have it, or another group's rule name it; a rule of a peer VPC only becomes stale."""
        if self._by is None:
            self._by = {}
            self._note(each.key for kind in _KINDS for each in self._store.snapshot().every(kind))
            kinds = {each.kind for each in _KINDS}
            self._store.subscribe(self._note, lambda kind: kind in kinds)
        candidates = {*self._by.get(group.id, ()), *tx.changes}
        rows = (_row(tx, key) for key in candidates if key[1:3] == (group.account, group.region) and key != group.key)
        return any(each is not None and group.id in named(each) for each in rows)

    def _note(self, keys: Iterable[Key]) -> None:
        assert self._by is not None
        snapshot = self._store.snapshot()
        for key in keys:
            row = snapshot.by_key(key)
            after = named(row) if row is not None else frozenset()
            for id in self._named.get(key, frozenset()) - after:
                self._by[id].discard(key)
                if not self._by[id]:
                    del self._by[id]
            for id in after:
                self._by.setdefault(id, set()).add(key)
            if after:
                self._named[key] = after
            else:
                self._named.pop(key, None)


def named(row: Resource) -> frozenset[str]:
    """The groups that a row keeps from being deleted. Pure."""
    if isinstance(row, NetworkInterface):
        return frozenset(row.groups)
    if isinstance(row, SecurityGroup):
        return frozenset(each.group_id for each in row.rules if each.group_id and each.peer is None)
    return frozenset()


def _row(tx: Tx, key: Key) -> Resource | None:
    kind = next((each for each in _KINDS if each.kind == key.kind), None)
    return tx.get(kind, key.account, key.region, key.id) if kind is not None else None

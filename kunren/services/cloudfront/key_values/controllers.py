"""The shell that brings stores to the edge locations: state → what functions there read. A store is READY when they
have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.edge.key_values import KeyValues
from kunren.services.cloudfront.key_values.model import Contents, EdgeCopy, KeyValue


class KeyValueController:
    """`stores` is what the edge reads, by the stores' ids."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.stores: dict[str, KeyValues] = {}
        self._store = store
        self._controller = Controller(
            "cloudfront-key-values",
            store,
            clock,
            keys=lambda snapshot, key: [_work(key)],
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(Contents)],
            reconcile=self._reconcile,
            wants=lambda kind: kind == Contents.kind,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def errors(self) -> Mapping[str, str]:
        return self._controller.last_errors

    async def _reconcile(self, work: str) -> None:
        account, _, identity = work.partition("/")
        snapshot = self._store.snapshot()
        contents = snapshot.get(Contents, account, "", identity)
        if contents is None:
            self.stores.pop(identity, None)
            return
        self.stores[identity] = view(snapshot, contents)
        with self._store.write() as tx:
            if tx.get(Contents, account, "", identity) is not None:
                tx.put(EdgeCopy(account=account, region="", id=identity, revision=contents.revision))


def view(snapshot: Snapshot, contents: Contents) -> KeyValues:
    """A store's contents as functions read them: as they are in this snapshot."""
    values = snapshot.by_id(KeyValue, contents.account, contents.id)

    def get(key: str) -> str | None:
        found = values.get(key)
        return found.value if found is not None else None

    return KeyValues(get, contents.count, contents.created_time, contents.modified_time)


def views(snapshot: Snapshot, account: str, identities: Iterable[str]) -> dict[str, KeyValues]:
    """Several stores', by id, as far as they are there."""
    found = ((each, snapshot.get(Contents, account, "", each)) for each in identities)
    return {each: view(snapshot, contents) for each, contents in found if contents is not None}


def _work(key: Key) -> str:
    return f"{key.account}/{key.id}"

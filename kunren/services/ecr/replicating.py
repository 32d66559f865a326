"""Makes the copies in other registries that `replication.py` wants."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.services.ecr.copying import copy
from kunren.services.ecr.events import note_replication
from kunren.services.ecr.model import COMPLETE, FAILED, IN_PROGRESS, Replication, Repository, usual
from kunren.services.ecr.policy import lets_replicate
from kunren.services.ecr.pushing import by_digest

DENIED = "AccessDenied"


class Replicating:
    """`controller` makes the copies that rows want."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.controller = Controller(
            "ecr-replication", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == Replication.kind,
        )  # fmt: skip

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|", 2)
        with self._store.write() as tx:
            row = tx.get(Replication, account, region, id)
            if row is None or row.status != IN_PROGRESS:
                return
            source = tx.get(Repository, account, region, row.repository)
            image = by_digest(tx, source, row.digest) if source is not None else None
            if source is None or image is None:
                tx.delete(row)
                return
            now = self._clock.now()
            into = _repository(tx, source, row, now)
            if into is None:
                tx.put(msgspec.structs.replace(row, status=FAILED, failure=DENIED))
                return
            for made, tag in copy(tx, image, row.image_tags, into, now):
                note_replication(tx, made, image, tag, now)
            tx.put(msgspec.structs.replace(row, status=COMPLETE, image_tags=()))


def _repository(tx: Tx, source: Repository, row: Replication, now: float) -> Repository | None:
    """The one of that name there; where there is none it is made with the usual settings. None where the other account
    does not let us."""
    there = tx.get(Repository, row.registry, row.destination, source.id)
    found = there or usual(row.registry, row.destination, source.id, now)
    needed = ("ReplicateImage",) if there is not None else ("CreateRepository", "ReplicateImage")
    if not all(lets_replicate(tx, source.account, found, each) for each in needed):
        return None
    if there is None:
        tx.put(found)
    return found


def _keys(snapshot: Snapshot, key: Key) -> list[str]:
    return [f"{key.account}|{key.region}|{key.id}"]


def _every(snapshot: Snapshot) -> Iterator[str]:
    return (f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Replication))

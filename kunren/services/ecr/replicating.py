"""Makes the copies in other registries that `replication.py` wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.services.ecr.events import note_replication
from kunren.services.ecr.model import COMPLETE, FAILED, IN_PROGRESS, Image, Layer, Replication, Repository, within
from kunren.services.ecr.policy import lets_replicate
from kunren.services.ecr.pushing import by_digest, by_tag, layer_of, may_move, without

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
            copy(tx, image, row.image_tags, into, now)
            tx.put(msgspec.structs.replace(row, status=COMPLETE, image_tags=()))


def _repository(tx: Tx, source: Repository, row: Replication, now: float) -> Repository | None:
    """The one of that name there; where there is none it is made with the usual settings. None where the other account
    does not let us."""
    found = tx.get(Repository, row.registry, row.destination, source.id)
    if found is None:
        found = Repository(
            account=row.registry, region=row.destination, id=source.id, created_at=now,
            encryption={"encryptionType": "AES256"},
        )  # fmt: skip
        if not lets_replicate(tx, source.account, found, "CreateRepository"):
            return None
        tx.put(found)
    return found if lets_replicate(tx, source.account, found, "ReplicateImage") else None


def copy(tx: Tx, image: Image, tags: Sequence[str], into: Repository, now: float) -> None:
    """The image, and what it lists, in a repository of the same name. A tag that may not move there stays where it is:
    the copy comes without it."""
    for each in image.blobs:
        layer = tx.get(Layer, image.account, image.region, within(image.repository, each))
        if layer is not None and layer_of(tx, into, each) is None:
            tx.put(msgspec.structs.replace(layer, account=into.account, region=into.region, pushed_at=now))
    for each in image.manifests:
        part = tx.get(Image, image.account, image.region, within(image.repository, each))
        if part is not None and by_digest(tx, into, each) is None:
            copy(tx, part, (), into, now)
    made = by_digest(tx, into, image.digest) or msgspec.structs.replace(
        image, account=into.account, region=into.region, image_tags=(), pushed_at=now, pulled_at=None
    )
    given = [each for each in tags if _comes_free(tx, into, each, image.digest)]
    made = msgspec.structs.replace(made, image_tags=tuple(dict.fromkeys((*made.image_tags, *given))))
    tx.put(made)
    for tag in given or (None,):
        note_replication(tx, made, image, tag, now)


def _comes_free(tx: Tx, repository: Repository, tag: str, digest: str) -> bool:
    """Whether the image may have the tag; who had it has it no more then."""
    holder = by_tag(tx, repository, tag)
    if holder is not None and holder.digest != digest:
        if not may_move(repository, tag):
            return False
        tx.put(without(holder, (tag,)))
    return True


def _keys(snapshot: Snapshot, key: Key) -> list[str]:
    return [f"{key.account}|{key.region}|{key.id}"]


def _every(snapshot: Snapshot) -> Iterator[str]:
    return (f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Replication))

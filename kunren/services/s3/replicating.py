"""Copies new versions to where the bucket's rules say, behind the answer: PENDING until every copy is there.

What is pending is seen in the versions themselves, so a restart goes on where it was. A copy keeps version id, times,
metadata and tags; in this world its content is shared with the source's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.services.s3.index import Index, Writing
from kunren.services.s3.model import Bucket, Version
from kunren.services.s3.replication import destination, rules_for

log = logging.getLogger(__name__)
TOGETHER = 100


class Replicating:
    """`woken` is set by whoever makes a version that is to be copied. `paused(source, rule, target)` says whether that
    rule copies nothing now; whoever changes that sets `woken` too."""

    def __init__(self, store: Store, index: Index, clock: Clock) -> None:
        self._store = store
        self._index = index
        self._clock = clock
        self.paused: Callable[[Bucket, Mapping[str, Any], Bucket], bool] = lambda source, rule, target: False
        self.woken = asyncio.Event()
        self.woken.set()
        self.copied = self.failed = 0

    async def run(self) -> None:
        while True:
            await self.woken.wait()
            self.woken.clear()
            last = -1
            while pending := self._index.read.pending(TOGETHER, last):
                for _, bucket, version in pending:
                    await self._copy(bucket, version)
                last = pending[-1][0]

    async def _copy(self, name: str, version: Version) -> None:
        snapshot = self._store.snapshot()
        bucket = snapshot.get(Bucket, "", "", name)
        rules = rules_for(bucket.settings.get("replication"), version) if bucket is not None else []
        targets = [(rule, snapshot.get(Bucket, "", "", destination(rule))) for rule in rules]
        able = bool(targets) and all(each is not None and each.versioning == "Enabled" for _, each in targets)
        going = [(rule, target) for rule, target in targets if able and bucket is not None and target is not None]
        held = [target for rule, target in going if bucket is not None and self.paused(bucket, rule, target)]
        free = [(rule, target) for rule, target in going if target not in held]
        if held and all(self._there(version, rule, target) for rule, target in free):
            return  # it stays PENDING

        def job(writing: Writing) -> bool:
            current = writing.version(name, version.key, version.version)
            if current is None:
                return True
            for rule, target in free:
                writing.add(target.id, copy_of(current, rule, target))
            if not held:
                writing.change(name, msgspec.structs.replace(current, replication="COMPLETED" if able else "FAILED"))
            return able

        if await self._index.write(job):
            self.copied += not held
        else:
            self.failed += 1
            log.warning("%s/%s could not be replicated: no destination takes it", name, version.key)

    def _there(self, version: Version, rule: Mapping[str, Any], target: Bucket) -> bool:
        """Whether the copy has been made."""
        return self._index.read.version(target.id, version.key, version.version) == copy_of(version, rule, target)


def copy_of(version: Version, rule: Mapping[str, Any], target: Bucket) -> Version:
    """What becomes of a version in that bucket."""
    kept = rule["Destination"].get("StorageClass") or version.storage_class
    return msgspec.structs.replace(version, replication="REPLICA", storage_class=kept, owner=target.owner)

"""Acts on lifecycle rules by the clock: once a day of AWS time, at midnight UTC, as S3 does."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.services.s3.api.objects import ObjectOperations
from kunren.services.s3.index import Index, Writing, upload_ended
from kunren.services.s3.lifecycle import DAY_S, Due, abort_due, due
from kunren.services.s3.model import Bucket, Version

log = logging.getLogger(__name__)
PIECE = 500


class Keeping:
    """Goes through every bucket that has rules. Expiring is deleting, by the same operation that users have."""

    def __init__(self, store: Store, index: Index, clock: Clock, objects: ObjectOperations) -> None:
        self._store = store
        self._index = index
        self._clock = clock
        self._objects = objects
        self.acted = 0

    async def run(self) -> None:
        while True:
            await self.keep()
            now = self._clock.now()
            await self._clock.sleep((now // DAY_S + 1) * DAY_S - now)

    async def keep(self) -> None:
        """One round over all buckets."""
        for bucket in list(self._store.snapshot().every(Bucket)):
            rules = (bucket.settings.get("lifecycle") or {}).get("Rules") or []
            if not rules:
                continue
            for upload in self._index.read.uploads(bucket.id):
                if abort_due(rules, upload, self._clock.now()):
                    self.acted += 1
                    await self._index.write(upload_ended(bucket.id, upload))
            for version, found in self._due(bucket, rules):
                self.acted += 1
                await self._act(bucket, version, found)

    def _due(self, bucket: Bucket, rules: list[dict[str, object]]) -> Iterator[tuple[Version, Due]]:
        now = self._clock.now()
        key = ""
        while True:
            page = self._index.read.versions(bucket.id, key, False, PIECE)
            if not page:
                return
            last = page[-1][0].key
            keys = sorted({version.key for version, _ in page})
            for key in keys:
                versions = self._index.read.versions_of(bucket.id, key)
                for position, version in enumerate(versions):
                    replaced = versions[position - 1].modified if position else None
                    found = due(rules, version, now, replaced, max(0, position - 1), len(versions) == 1)
                    if found is not None:
                        yield version, found
            key = last

    async def _act(self, bucket: Bucket, version: Version, found: Due) -> None:
        ctx = RequestContext(bucket.owner, bucket.home, "s3", "Lifecycle", f"lifecycle-{self.acted:x}")
        if found.action == "transition":
            await self._index.write(lambda writing: _moved(writing, bucket.id, version, found.storage_class))
            return
        # what was put in its place meanwhile is not due
        named = {"Key": version.key, **({"IfMatch": version.etag} if found.action == "expire" else {})}
        if found.action == "remove":
            named["VersionId"] = version.version
        try:
            await self._objects.delete(ctx, bucket, named)
        except Exception as error:
            log.info("lifecycle left %s/%s: %s", bucket.id, version.key, error)


def _moved(writing: Writing, bucket: str, version: Version, storage_class: str) -> None:
    """To another storage class, unless it is another object by now."""
    if writing.version(bucket, version.key, version.version) == version:
        writing.change(bucket, msgspec.structs.replace(version, storage_class=storage_class))

"""Tells EventBridge what happens to images ("Amazon ECR events and EventBridge").

An event is a row, written in the transaction in which it happens and taken away once EventBridge has it: nothing is
lost, and after a crash something may be told twice. Where nobody has used what answers for EventBridge there are no
rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.services.ecr.model import CacheRule, Image, ImageEvent

PUSH, DELETE, REPLICATE = "PUSH", "DELETE", "REPLICATE"


def note(tx: Tx, image: Image, action: str, tag: str | None, now: float) -> None:
    """An image was pushed, or is gone."""
    detail = {
        "result": "SUCCESS", "repository-name": image.repository, "image-digest": image.digest, "action-type": action,
        "image-tag": tag or "",
    }  # fmt: skip
    if action == PUSH:
        detail |= {"manifest-media-type": image.media_type, "artifact-media-type": image.artifact_type}
    _put(tx, image, detail, now)


def note_replication(tx: Tx, image: Image, source: Image, tag: str | None, now: float) -> None:
    """An image has come from another registry."""
    detail = {
        "result": "SUCCESS", "repository-name": image.repository, "image-digest": image.digest,
        "source-account": source.account, "action-type": REPLICATE, "source-region": source.region,
        "image-tag": tag or "",
    }  # fmt: skip
    _put(tx, image, detail, now)


def note_cached(tx: Tx, image: Image, rule: CacheRule, tag: str | None, now: float) -> None:
    """An image has come through a cache."""
    detail = {
        "rule-version": "1", "sync-status": "SUCCESS", "ecr-repository-prefix": rule.id,
        "repository-name": image.repository, "upstream-registry-url": rule.upstream, "image-tag": tag or "",
        "image-digest": image.digest,
    }  # fmt: skip
    _put(tx, image, detail, now)


def _put(tx: Tx, image: Image, detail: dict[str, str], now: float) -> None:
    id = f"{now:020.6f} {image.id} {_kind(detail)} {detail['image-tag']}"
    tx.put(ImageEvent(account=image.account, region=image.region, id=id, detail=detail, at=now))


class ImageEvents:
    """`run` lives until it is cancelled. `heard` says whether EventBridge can have rules."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._call = store, call
        self.heard: Callable[[], bool] = lambda: True
        self.controller = Controller(
            "ecr-events", store, clock, keys=_keys, every=_every, reconcile=self._reconcile, parallel=1,
            wants=lambda kind: kind == ImageEvent.kind,
        )  # fmt: skip

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|", 2)
        event = self._store.snapshot().get(ImageEvent, account, region, id)
        if event is None:
            return
        if self.heard():
            arn = f"arn:aws:ecr:{region}:{account}:repository/{event.detail['repository-name']}"
            entry: dict[str, Any] = {
                "Time": event.at, "Source": "aws.ecr", "DetailType": _type(event.detail), "Resources": [arn],
                "Detail": json.dumps(event.detail),
            }  # fmt: skip
            await self._call(account, region, "events", "PutEvents", {"Entries": [entry]})
        with self._store.write() as tx:
            tx.delete(event)


def _kind(detail: dict[str, str]) -> str:
    return detail.get("action-type", "CACHE")


def _type(detail: dict[str, str]) -> str:
    what = {REPLICATE: "Replication", "CACHE": "Pull Through Cache"}.get(_kind(detail), "Image")
    return f"ECR {what} Action"


def _keys(snapshot: Snapshot, key: Key) -> list[str]:
    return [f"{key.account}|{key.region}|{key.id}"]


def _every(snapshot: Snapshot) -> list[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(ImageEvent)]

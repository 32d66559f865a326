"""Changing what a store holds: values and the account of them, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kunren.control.store import Tx
from kunren.services.cloudfront.key_values.limits import check_store, size_of
from kunren.services.cloudfront.key_values.model import Contents, KeyValue, KeyValueStore


def create(tx: Tx, store: KeyValueStore, values: Mapping[str, str], etag: str, now: float) -> None:
    """The contents of a new store."""
    empty = Contents(
        account=store.account, region="", id=store.store_id, etag=etag, modified_time=now, created_time=now, revision=0
    )
    change(tx, empty, values, (), etag, now)


def change(
    tx: Tx, before: Contents, puts: Mapping[str, str], deletes: Iterable[str], etag: str, now: float
) -> Contents:
    """All of it, or nothing. What is not there is deleted without a word. Raises TooLarge."""
    count, size = before.count, before.size_bytes
    for key in deletes:
        found = tx.get(KeyValue, before.account, before.id, key)
        if found is not None:
            count, size = count - 1, size - size_of(key, found.value)
            tx.delete(found)
    for key, value in puts.items():
        found = tx.get(KeyValue, before.account, before.id, key)
        count, size = count + (found is None), size + size_of(key, value)
        if found is not None:
            size -= size_of(key, found.value)
        tx.put(KeyValue(account=before.account, region=before.id, id=key, value=value))
    check_store(size)
    after = Contents(
        account=before.account,
        region="",
        id=before.id,
        etag=etag,
        modified_time=now,
        created_time=before.created_time,
        count=count,
        size_bytes=size,
        revision=before.revision + 1,
    )
    tx.put(after)
    return after

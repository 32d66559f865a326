"""Key value stores as resources. A store is found by its name, what it holds by its own id (a UUID), so that one map of
the state is one store's contents."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource, Snapshot, Tx
from kunren.core.arn import build_arn, parse_arn

PROVISIONING, READY = "PROVISIONING", "READY"
Reader = Snapshot | Tx


class KeyValueStore(Resource, frozen=True, kw_only=True):
    """Id is the name. `etag` is that of the store, not of its contents."""

    kind: ClassVar[str] = "cloudfront.key-value-store"

    store_id: str
    comment: str
    etag: str
    created_time: float
    modified_time: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return build_arn("cloudfront", "", self.account, f"key-value-store/{self.store_id}")


class Contents(Resource, frozen=True, kw_only=True):
    """What a store holds, as a whole; id is the store's. Changes with every change of a value."""

    kind: ClassVar[str] = "cloudfront.key-value-contents"

    etag: str
    modified_time: float
    created_time: float
    count: int = 0
    size_bytes: int = 0
    revision: int = 1


class KeyValue(Resource, frozen=True, kw_only=True):
    """One value; id is the key, and the region is the store's id."""

    kind: ClassVar[str] = "cloudfront.key-value"

    value: str


class EdgeCopy(Resource, frozen=True, kw_only=True):
    """Observed: the revision of a store's contents that the edge locations have; id is the store's."""

    kind: ClassVar[str] = "cloudfront.key-value-edge-copy"
    durable: ClassVar[bool] = False

    revision: int


def store_of(reader: Reader, account: str, arn: str) -> KeyValueStore | None:
    """The store of that ARN, where it is this account's."""
    parts = parse_arn(arn)
    if parts is None or parts.service != "cloudfront" or parts.account != account:
        return None
    kind, _, identity = parts.resource.partition("/")
    if kind != "key-value-store":
        return None
    return next((each for each in reader.list(KeyValueStore, account, "") if each.store_id == identity), None)


def status_of(reader: Reader, store: KeyValueStore) -> str:
    return READY if reader.get(EdgeCopy, store.account, "", store.store_id) is not None else PROVISIONING

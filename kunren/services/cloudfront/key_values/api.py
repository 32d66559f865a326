"""Amazon CloudFront KeyValueStore (`cloudfront-keyvaluestore`): reading and changing what stores hold."""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from kunren.control.store import Store, Tx
from kunren.core.arn import parse_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.cloudfront.key_values.contents import change
from kunren.services.cloudfront.key_values.errors import (
    AccessDeniedException,
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from kunren.services.cloudfront.key_values.limits import TooLarge, check_pair, check_update
from kunren.services.cloudfront.key_values.model import (
    READY,
    Contents,
    KeyValue,
    KeyValueStore,
    Reader,
    status_of,
    store_of,
)

PAGE = 10


class KeyValueStoreApi:
    """Handlers of cloudfront-keyvaluestore."""

    service: ClassVar[str] = "cloudfront-keyvaluestore"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def describe_key_value_store(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        store, contents = _found(snapshot, ctx, params["KvsARN"])
        return {
            **_counted(contents),
            "KvsARN": store.arn,
            "Created": store.created_time,
            "LastModified": contents.modified_time,
            "Status": status_of(snapshot, store),
            "ETag": contents.etag,
        }

    def get_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        _, contents = _found(snapshot, ctx, params["KvsARN"])
        found = snapshot.get(KeyValue, ctx.account, contents.id, params["Key"])
        if found is None:
            raise ResourceNotFoundException("Key not found.")
        counted = {"ItemCount": contents.count, "TotalSizeInBytes": contents.size_bytes}
        return {"Key": found.id, "Value": found.value, **counted}

    def list_keys(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        _, contents = _found(snapshot, ctx, params["KvsARN"])
        values = snapshot.by_id(KeyValue, ctx.account, contents.id)
        most, after = params.get("MaxResults") or PAGE, _read_token(params.get("NextToken"))
        first = heapq.nsmallest(most + 1, (key for key in values if key > after))
        shown = first[:most]
        more = {"NextToken": base64.urlsafe_b64encode(shown[-1].encode()).decode()} if len(first) > most else {}
        return {"Items": [{"Key": key, "Value": values[key].value} for key in shown], **more}

    def put_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._change(ctx, params, {params["Key"]: params["Value"]}, ())

    def delete_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._change(ctx, params, {}, (params["Key"],), must_exist=True)

    def update_keys(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        puts = [(each["Key"], each["Value"]) for each in params.get("Puts") or ()]
        deletes = [each["Key"] for each in params.get("Deletes") or ()]
        keys = [key for key, _ in puts] + deletes
        if not keys:
            raise ValidationException("The request must contain at least one key to put or delete.")
        if len(set(keys)) < len(keys):
            raise ValidationException("The request contains duplicate keys.")
        return self._change(ctx, params, dict(puts), deletes)

    def _change(
        self,
        ctx: RequestContext,
        params: dict[str, Any],
        puts: Mapping[str, str],
        deletes: Iterable[str],
        *,
        must_exist: bool = False,
    ) -> dict[str, Any]:
        deletes = tuple(deletes)
        try:
            check_update(puts, len(deletes))
            for key, value in puts.items():
                check_pair(key, value)
        except TooLarge as error:
            raise ValidationException(str(error)) from None
        with self._store.write() as tx:
            store, before = _found(tx, ctx, params["KvsARN"])
            _check_version(tx, store, before, params["IfMatch"])
            if must_exist and any(tx.get(KeyValue, ctx.account, before.id, key) is None for key in deletes):
                raise ResourceNotFoundException("Key not found.")
            try:
                after = change(tx, before, puts, deletes, new_etag(self._entropy), self._clock.now())
            except TooLarge as error:
                raise ServiceQuotaExceededException(str(error)) from None
        return {**_counted(after), "ETag": after.etag}


def new_etag(entropy: Entropy) -> str:
    """Of a store's contents."""
    return "KV" + entropy.upper(13)


def _check_version(tx: Tx, store: KeyValueStore, contents: Contents, given: str) -> None:
    if status_of(tx, store) != READY:
        raise ConflictException("The key value store is not ready.")
    if given != contents.etag:
        raise ConflictException("Pre-Condition failed")


def _found(reader: Reader, ctx: RequestContext, arn: str) -> tuple[KeyValueStore, Contents]:
    parts = parse_arn(arn)
    if parts is None or parts.service != "cloudfront" or not parts.resource.startswith("key-value-store/"):
        raise ValidationException("The ARN is not that of a key value store.")
    if parts.account != ctx.account:
        raise AccessDeniedException(f"User is not authorized to access resource: {arn}")
    store = store_of(reader, ctx.account, arn)
    if store is None:
        raise ResourceNotFoundException("The key value store was not found.")
    contents = reader.get(Contents, ctx.account, "", store.store_id)
    assert contents is not None
    return store, contents


def _counted(contents: Contents) -> dict[str, Any]:
    return {"ItemCount": contents.count, "TotalSizeInBytes": contents.size_bytes}


def _read_token(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode() if token else ""
    except (ValueError, binascii.Error):
        raise ValidationException("The NextToken is not valid.") from None

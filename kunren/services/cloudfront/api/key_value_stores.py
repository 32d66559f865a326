"""Key value stores: what they are called and made from. What they hold is another service's (`key_values/api.py`)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kunren.control.store import Store
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.tags import tags_from_wire
from kunren.services.cloudfront.api.base import API, Base, Reader, matched, page
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.errors import (
    CannotDeleteEntityWhileInUse,
    EntityAlreadyExists,
    EntityLimitExceeded,
    EntityNotFound,
    EntitySizeLimitExceeded,
    InvalidArgument,
)
from kunren.services.cloudfront.key_values import contents
from kunren.services.cloudfront.key_values.api import new_etag
from kunren.services.cloudfront.key_values.limits import STORES_MAX, BadFile, TooLarge, read_file
from kunren.services.cloudfront.key_values.model import (
    Contents,
    EdgeCopy,
    KeyValue,
    KeyValueStore,
    status_of,
)
from kunren.services.cloudfront.model import Function

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")


class KeyValueStores(Base):
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService = nobody_answers) -> None:
        super().__init__(store, clock, entropy, call)
        store.register(KeyValueStore, Contents, KeyValue, EdgeCopy)

    async def create_key_value_store(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["Name"]
        if not _NAME.fullmatch(name):
            raise InvalidArgument("The parameter Name is not valid.")
        self._check_room(self._store.snapshot(), ctx, name)
        values = await self._imported(ctx, params.get("ImportSource"))
        now = self._clock.now()
        with self._store.write() as tx:
            self._check_room(tx, ctx, name)
            made = KeyValueStore(
                account=ctx.account,
                region="",
                id=name,
                store_id=self._entropy.uuid(),
                comment=params.get("Comment") or "",
                etag=self._new_id(),
                created_time=now,
                modified_time=now,
                tags=tags_from_wire((params.get("Tags") or {}).get("Items")),
            )
            tx.put(made)
            contents.create(tx, made, values, new_etag(self._entropy), now)
            shown = _shown(tx, made)
        return {"KeyValueStore": shown, "ETag": made.etag, "Location": f"{API}/key-value-store/{name}"}

    def describe_key_value_store(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._key_value_store(snapshot, ctx, params)
        return {"KeyValueStore": _shown(snapshot, found), "ETag": found.etag}

    def list_key_value_stores(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, wanted = self._store.snapshot(), params.get("Status")
        found = [
            each
            for each in snapshot.list(KeyValueStore, ctx.account, "")
            if wanted in (None, status_of(snapshot, each))
        ]
        shown, members = page(found, params, lambda each: each.id)
        made = [_shown(snapshot, each) for each in shown]
        return {"KeyValueStoreList": {**members, **({"Items": made} if made else {})}}

    def update_key_value_store(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._key_value_store(tx, ctx, params)
            matched(params.get("IfMatch"), before.etag)
            after = msgspec.structs.replace(
                before, comment=params["Comment"], etag=self._new_id(), modified_time=self._clock.now()
            )
            tx.put(after)
            return {"KeyValueStore": _shown(tx, after), "ETag": after.etag}

    def delete_key_value_store(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._key_value_store(tx, ctx, params)
            matched(params.get("IfMatch"), found.etag)
            if functions_with(tx, found):
                raise CannotDeleteEntityWhileInUse
            for value in tx.list(KeyValue, ctx.account, found.store_id):
                tx.delete(value)
            for kind in (Contents, EdgeCopy):
                part = tx.get(kind, ctx.account, "", found.store_id)
                if part is not None:
                    tx.delete(part)
            tx.delete(found)

    def _key_value_store(self, reader: Reader, ctx: RequestContext, params: dict[str, Any]) -> KeyValueStore:
        found = reader.get(KeyValueStore, ctx.account, "", params["Name"])
        if found is None:
            raise EntityNotFound
        return found

    def _check_room(self, reader: Reader, ctx: RequestContext, name: str) -> None:
        existing = reader.list(KeyValueStore, ctx.account, "")
        if any(each.id == name for each in existing):
            raise EntityAlreadyExists
        if len(existing) >= STORES_MAX:
            raise EntityLimitExceeded

    async def _imported(self, ctx: RequestContext, source: dict[str, Any] | None) -> dict[str, str]:
        """What a file in S3 says that the store holds."""
        if source is None:
            return {}
        arn = source["SourceARN"]
        parts = parse_arn(arn)
        bucket, _, key = parts.resource.partition("/") if parts is not None and parts.service == "s3" else ("", "", "")
        if not bucket or not key:
            raise InvalidArgument(f"The parameter SourceARN is not the ARN of an object in Amazon S3: {arn}")
        try:
            read = await self._call(ctx.account, "us-east-1", "s3", "GetObject", {"Bucket": bucket, "Key": key})
            return read_file(bytes(read["Body"]))
        except AwsError as error:
            raise InvalidArgument(f"The import source {arn} can't be read: {error.message}") from None
        except BadFile as error:
            raise InvalidArgument(f"The import source {arn} is not valid: {error}.") from None
        except TooLarge as error:
            raise EntitySizeLimitExceeded(str(error)) from None


def functions_with(reader: Reader, store: KeyValueStore) -> list[str]:
    """The names of the functions that are associated with a store, in either stage."""
    return [
        each.id
        for each in reader.list(Function, store.account, "")
        for stage in (each.development, each.live)
        if stage is not None and store.arn in associated(stage.config)
    ]


def associated(config: dict[str, Any]) -> list[str]:
    """The ARNs of the stores that a function's configuration names."""
    return [each["KeyValueStoreARN"] for each in items(config.get("KeyValueStoreAssociations"))]


def _shown(reader: Reader, store: KeyValueStore) -> dict[str, Any]:
    return {
        "Name": store.id,
        "Id": store.store_id,
        "Comment": store.comment,
        "ARN": store.arn,
        "Status": status_of(reader, store),
        "LastModifiedTime": store.modified_time,
    }

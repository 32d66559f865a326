"""Resources that are a configuration with an id and an ETag: one way of making, showing, changing and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.cloudfront import errors
from kunren.services.cloudfront.api.base import API, Base, Reader, matched, page
from kunren.services.cloudfront.model import KeyGroup, OriginAccessControl, OriginAccessIdentity, PublicKey

Configured: TypeAlias = PublicKey | KeyGroup | OriginAccessControl | OriginAccessIdentity


@dataclass(frozen=True, slots=True)
class Kind:
    """`member` is the word that names the kind in the API's shapes, `path` in its addresses. `check` completes a
    configuration, given the one before (None for a new resource), or raises; `in_use` raises where others need it."""

    resource: type[Configured]
    member: str
    path: str
    missing: type[errors._Fixed]
    new_id: Callable[[Entropy], str]
    check: Callable[[Tx, str, Mapping[str, Any], Configured | None], dict[str, Any]]
    in_use: Callable[[Tx, Configured], None]
    shown: Callable[[Configured], dict[str, Any]]
    summary: Callable[[Configured], dict[str, Any]]
    marked: bool = False  # its list says Marker and IsTruncated


class ConfiguredResources(Base):
    def _create_configured(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        with self._store.write() as tx:
            made = kind.resource(
                account=ctx.account,
                region="",
                id=kind.new_id(self._entropy),
                config=kind.check(tx, ctx.account, params[f"{kind.member}Config"], None),
                etag=self._new_id(),
                created_time=now,
                modified_time=now,
            )
            tx.put(made)
        return {kind.member: kind.shown(made), "ETag": made.etag, "Location": f"{API}/{kind.path}/{made.id}"}

    def _get_configured(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._configured(self._store.snapshot(), kind, ctx, params)
        return {kind.member: kind.shown(found), "ETag": found.etag}

    def _get_config(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._configured(self._store.snapshot(), kind, ctx, params)
        return {f"{kind.member}Config": found.config, "ETag": found.etag}

    def _list_configured(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().list(kind.resource, ctx.account, "")
        shown, members = page(found, params, lambda each: each.id)
        items = [kind.summary(each) for each in shown]
        marks = {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members} if kind.marked else {}
        return {**marks, **members, **({"Items": items} if items else {})}

    def _update_configured(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._configured(tx, kind, ctx, params)
            matched(params.get("IfMatch"), before.etag)
            after = msgspec.structs.replace(
                before,
                config=kind.check(tx, ctx.account, params[f"{kind.member}Config"], before),
                etag=self._new_id(),
                modified_time=self._clock.now(),
            )
            tx.put(after)
        return {kind.member: kind.shown(after), "ETag": after.etag}

    def _delete_configured(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._configured(tx, kind, ctx, params)
            matched(params.get("IfMatch"), found.etag)
            kind.in_use(tx, found)
            tx.delete(found)

    def _configured(self, reader: Reader, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> Configured:
        found = reader.get(kind.resource, ctx.account, "", params["Id"])
        if found is None:
            raise kind.missing
        return found

"""Cache policies, origin request policies and response headers policies: three kinds with one way of being handled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from kunren.core.context import RequestContext
from kunren.services.cloudfront import errors
from kunren.services.cloudfront.api.base import API, Base, Reader, matched, page
from kunren.services.cloudfront.checks import behaviours_of
from kunren.services.cloudfront.header_checks import check_response_headers
from kunren.services.cloudfront.managed import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES
from kunren.services.cloudfront.model import CachePolicy, Distribution, OriginRequestPolicy, ResponseHeadersPolicy
from kunren.services.cloudfront.translate import YEAR_S

Policy: TypeAlias = CachePolicy | OriginRequestPolicy | ResponseHeadersPolicy
MANAGED_ETAG = "E23ZP02F085DFQ"
POLICIES_MAX = 20  # Quotas, per account and kind


@dataclass(frozen=True, slots=True)
class Kind:
    """`member` is the word that names the kind in the API's shapes, `path` in its addresses, `reference` in a cache
    behaviour."""

    resource: type[Policy]
    member: str
    path: str
    reference: str
    managed: Mapping[str, dict[str, Any]]
    missing: type[errors._Fixed]
    existing: type[errors._Fixed]
    in_use: type[errors._Fixed]
    too_many: type[errors._Fixed]


CACHE = Kind(
    CachePolicy, "CachePolicy", "cache-policy", "CachePolicyId", CACHE_POLICIES,
    errors.NoSuchCachePolicy, errors.CachePolicyAlreadyExists, errors.CachePolicyInUse,
    errors.TooManyCachePolicies,
)  # fmt: skip
REQUEST = Kind(
    OriginRequestPolicy, "OriginRequestPolicy", "origin-request-policy", "OriginRequestPolicyId",
    ORIGIN_REQUEST_POLICIES, errors.NoSuchOriginRequestPolicy, errors.OriginRequestPolicyAlreadyExists,
    errors.OriginRequestPolicyInUse, errors.TooManyOriginRequestPolicies,
)  # fmt: skip
HEADERS = Kind(
    ResponseHeadersPolicy, "ResponseHeadersPolicy", "response-headers-policy", "ResponseHeadersPolicyId",
    RESPONSE_HEADERS_POLICIES, errors.NoSuchResponseHeadersPolicy, errors.ResponseHeadersPolicyAlreadyExists,
    errors.ResponseHeadersPolicyInUse, errors.TooManyResponseHeadersPolicies,
)  # fmt: skip


class Policies(Base):
    def create_cache_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create_policy(CACHE, ctx, params)

    def get_cache_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_policy(CACHE, ctx, params)

    def get_cache_policy_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_policy_config(CACHE, ctx, params)

    def list_cache_policies(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._list_policies(CACHE, ctx, params)

    def update_cache_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_policy(CACHE, ctx, params)

    def delete_cache_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_policy(CACHE, ctx, params)

    def create_origin_request_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create_policy(REQUEST, ctx, params)

    def get_origin_request_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_policy(REQUEST, ctx, params)

    def get_origin_request_policy_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_policy_config(REQUEST, ctx, params)

    def list_origin_request_policies(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._list_policies(REQUEST, ctx, params)

    def update_origin_request_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_policy(REQUEST, ctx, params)

    def delete_origin_request_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_policy(REQUEST, ctx, params)

    def create_response_headers_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create_policy(HEADERS, ctx, params)

    def get_response_headers_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_policy(HEADERS, ctx, params)

    def get_response_headers_policy_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_policy_config(HEADERS, ctx, params)

    def list_response_headers_policies(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._list_policies(HEADERS, ctx, params)

    def update_response_headers_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_policy(HEADERS, ctx, params)

    def delete_response_headers_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_policy(HEADERS, ctx, params)

    # --- the one way

    def _create_policy(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = _checked(kind, params[f"{kind.member}Config"])
        with self._store.write() as tx:
            existing = tx.list(kind.resource, ctx.account, "")
            if any(each.config["Name"] == config["Name"] for each in existing):
                raise kind.existing
            if len(existing) >= POLICIES_MAX:
                raise kind.too_many
            made = kind.resource(
                account=ctx.account,
                region="",
                id=self._entropy.uuid(),
                config=config,
                etag=self._new_id(),
                modified_time=self._clock.now(),
            )
            tx.put(made)
        location = f"{API}/{kind.path}/{made.id}"
        return {kind.member: _shown(kind, made), "ETag": made.etag, "Location": location}

    def _get_policy(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._policy(self._store.snapshot(), kind, ctx, params["Id"])
        return {kind.member: _shown(kind, found), "ETag": found.etag}

    def _get_policy_config(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._policy(self._store.snapshot(), kind, ctx, params["Id"])
        return {f"{kind.member}Config": found.config, "ETag": found.etag}

    def _list_policies(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("Type")
        found = [("managed", _managed(kind, each)) for each in kind.managed] if wanted != "custom" else []
        if wanted != "managed":
            found += [("custom", each) for each in self._store.snapshot().list(kind.resource, ctx.account, "")]
        shown, members = page(found, params, lambda each: each[1].id)
        items = [{"Type": type_, kind.member: _shown(kind, each)} for type_, each in shown]
        return {f"{kind.member}List": {**members, **({"Items": items} if items else {})}}

    def _update_policy(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = _checked(kind, params[f"{kind.member}Config"])
        if params["Id"] in kind.managed:
            raise errors.IllegalUpdate("You cannot update a managed policy.")
        with self._store.write() as tx:
            before = self._policy(tx, kind, ctx, params["Id"])
            matched(params.get("IfMatch"), before.etag)
            others = (each for each in tx.list(kind.resource, ctx.account, "") if each.id != before.id)
            if any(each.config["Name"] == config["Name"] for each in others):
                raise kind.existing
            after = msgspec.structs.replace(before, config=config, etag=self._new_id(), modified_time=self._clock.now())
            tx.put(after)
        return {kind.member: _shown(kind, after), "ETag": after.etag}

    def _delete_policy(self, kind: Kind, ctx: RequestContext, params: dict[str, Any]) -> None:
        if params["Id"] in kind.managed:
            raise errors.IllegalDelete
        with self._store.write() as tx:
            found = self._policy(tx, kind, ctx, params["Id"])
            matched(params.get("IfMatch"), found.etag)
            for each in tx.list(Distribution, ctx.account, ""):
                if any(one.get(kind.reference) == found.id for one in behaviours_of(each.config)):
                    raise kind.in_use
            tx.delete(found)

    def _policy(self, reader: Reader, kind: Kind, ctx: RequestContext, identity: str) -> Policy:
        if identity in kind.managed:
            return _managed(kind, identity)
        found = reader.get(kind.resource, ctx.account, "", identity)
        if found is None:
            raise kind.missing
        return found


def _managed(kind: Kind, identity: str) -> Policy:
    return kind.resource(
        account="", region="", id=identity, config=kind.managed[identity], etag=MANAGED_ETAG, modified_time=1577836800.0
    )


def _shown(kind: Kind, policy: Policy) -> dict[str, Any]:
    return {"Id": policy.id, "LastModifiedTime": policy.modified_time, f"{kind.member}Config": policy.config}


def _checked(kind: Kind, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with its defaults."""
    made = {"Comment": "", **config}
    if kind is HEADERS:
        check_response_headers(made)
    if kind is CACHE:
        least = made["MinTTL"]
        made.setdefault("DefaultTTL", max(86400, least))
        made.setdefault("MaxTTL", max(int(YEAR_S), made["DefaultTTL"]))
        if not 0 <= least <= made["DefaultTTL"] <= made["MaxTTL"]:
            raise errors.InvalidArgument("The parameter MinTTL must be less than or equal to DefaultTTL and MaxTTL.")
    return made

"""Distributions: desired state only; `controllers.py` makes them real."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from kunren.control.store import Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.cloudfront import views
from kunren.services.cloudfront.anycast_ip_lists.model import AnycastIpList
from kunren.services.cloudfront.api.base import API, Base, Reader, matched, page
from kunren.services.cloudfront.checks import behaviours_of, check, items
from kunren.services.cloudfront.continuous import check_distribution
from kunren.services.cloudfront.defaults import completed
from kunren.services.cloudfront.errors import (
    DistributionAlreadyExists,
    DistributionNotDisabled,
    IllegalUpdate,
    InvalidArgument,
    NoSuchResource,
    TooManyDistributions,
)
from kunren.services.cloudfront.key_values.model import KeyValueStore, store_of
from kunren.services.cloudfront.logs.buckets import open_to_delivery
from kunren.services.cloudfront.model import (
    Distribution,
    DistributionStatus,
    Function,
    Invalidation,
    KeyGroup,
    MonitoringSubscription,
)
from kunren.services.cloudfront.vpc_origins.model import VpcOrigin

Tagged: TypeAlias = Distribution | Function | KeyValueStore | VpcOrigin | AnycastIpList
DISTRIBUTIONS_MAX = 500  # Quotas, per account
TAGS_MAX = 50


class Distributions(Base):
    async def create_distribution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return await self._create(ctx, params["DistributionConfig"], {})

    async def create_distribution_with_tags(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        given = params["DistributionConfigWithTags"]
        return await self._create(ctx, given["DistributionConfig"], tags_from_wire(given["Tags"].get("Items")))

    async def _create(self, ctx: RequestContext, given: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
        config = completed(given)
        _check_tags(tags)
        if self._same(self._store.snapshot(), ctx, config) is None:
            await self._open_log_bucket(ctx, config)
        with self._store.write() as tx:
            same = self._same(tx, ctx, config)
            if same is not None:
                return self._whole(tx, same)
            now = self._clock.now()
            made = Distribution(
                account=ctx.account,
                region="",
                id=self._new_id(),
                domain_name=f"d{self._entropy.lower(13)}.cloudfront.net",
                config=config,
                etag=self._new_id(),
                created_time=now,
                modified_time=now,
                tags=tags,
            )
            tx.put(made)
            return {**self._whole(tx, made), "Location": f"{API}/distribution/{made.id}"}

    def _same(self, reader: Reader, ctx: RequestContext, config: dict[str, Any]) -> Distribution | None:
        """The distribution that was made by the same request before; None where a new one may be. Raises why not."""
        existing = reader.list(Distribution, ctx.account, "")
        for each in existing:
            if each.config["CallerReference"] == config["CallerReference"]:
                if each.config == config:
                    return each
                raise DistributionAlreadyExists
        if len(existing) >= DISTRIBUTIONS_MAX:
            raise TooManyDistributions
        check(reader, ctx.account, config, None)
        check_distribution(reader, ctx.account, config, None)
        return None

    def get_distribution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return self._whole(snapshot, self._distribution(snapshot, ctx.account, params["Id"]))

    def get_distribution_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._distribution(self._store.snapshot(), ctx.account, params["Id"])
        return {"DistributionConfig": found.config, "ETag": found.etag}

    def list_distributions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        shown, members = page(snapshot.list(Distribution, ctx.account, ""), params, lambda each: each.id)
        items = [views.summary(each, self._status(snapshot, each)) for each in shown]
        listed = {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members, **members}
        return {"DistributionList": {**listed, **({"Items": items} if items else {})}}

    async def update_distribution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = completed(params["DistributionConfig"])
        self._to_update(self._store.snapshot(), ctx, params, config)
        await self._open_log_bucket(ctx, config)
        with self._store.write() as tx:
            before = self._to_update(tx, ctx, params, config)
            return self._whole(tx, self._replaced(tx, before, config))

    def _to_update(
        self, reader: Reader, ctx: RequestContext, params: dict[str, Any], config: dict[str, Any]
    ) -> Distribution:
        """The distribution that may have this configuration. Raises why it may not."""
        before = self._distribution(reader, ctx.account, params["Id"])
        matched(params.get("IfMatch"), before.etag)
        if config["CallerReference"] != before.config["CallerReference"]:
            raise IllegalUpdate("The caller reference of a distribution cannot be changed.")
        check(reader, ctx.account, config, before.id)
        check_distribution(reader, ctx.account, config, before)
        return before

    def _replaced(self, tx: Tx, before: Distribution, config: dict[str, Any]) -> Distribution:
        """The distribution with another configuration, to be deployed."""
        after = msgspec.structs.replace(
            before, config=config, etag=self._new_id(), modified_time=self._clock.now(), revision=before.revision + 1
        )
        tx.put(after)
        return after

    async def _open_log_bucket(self, ctx: RequestContext, config: dict[str, Any]) -> None:
        if config["Logging"]["Enabled"]:
            await open_to_delivery(self._call, ctx.account, config["Logging"]["Bucket"])

    def delete_distribution(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._distribution(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), found.etag)
            if found.config["Enabled"] or self._status(tx, found) != "Deployed":
                raise DistributionNotDisabled
            tx.delete(found)
            for each in tx.list(Invalidation, ctx.account, ""):
                if each.id.startswith(found.id + "|"):
                    tx.delete(each)
            for kind in (DistributionStatus, MonitoringSubscription):
                its = tx.get(kind, ctx.account, "", found.id)
                if its is not None:
                    tx.delete(its)

    # --- tags

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["Resource"])
            tags = {**found.tags, **tags_from_wire(params["Tags"].get("Items"))}
            _check_tags(tags)
            tx.put(msgspec.structs.replace(found, tags=tags))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        gone = set(params["TagKeys"].get("Items") or ())
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["Resource"])
            tags = {key: value for key, value in found.tags.items() if key not in gone}
            tx.put(msgspec.structs.replace(found, tags=tags))

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._tagged(self._store.snapshot(), ctx, params["Resource"])
        return {"Tags": {"Items": tags_to_wire(found.tags)}}

    def _tagged(self, reader: Reader, ctx: RequestContext, arn: str) -> Tagged:
        parts = parse_arn(arn)
        kind, _, identity = parts.resource.partition("/") if parts is not None else ("", "", "")
        found: Tagged | None = None
        if kind == "distribution":
            found = reader.get(Distribution, ctx.account, "", identity)
        elif kind == "function":
            found = reader.get(Function, ctx.account, "", identity)
        elif kind == "vpcorigin":
            found = reader.get(VpcOrigin, ctx.account, "", identity)
        elif kind == "anycast-ip-list":
            found = reader.get(AnycastIpList, ctx.account, "", identity)
        elif kind == "key-value-store":
            found = store_of(reader, ctx.account, arn)
        if parts is None or parts.service != "cloudfront" or found is None:
            raise NoSuchResource
        return found

    # --- shared

    def _status(self, reader: Reader, distribution: Distribution) -> str:
        seen = reader.get(DistributionStatus, distribution.account, "", distribution.id)
        return "Deployed" if seen is not None and seen.revision >= distribution.revision else "InProgress"

    def _whole(self, reader: Reader, distribution: Distribution) -> dict[str, Any]:
        waiting = in_progress(reader, distribution)
        shown = views.distribution(
            distribution, self._status(reader, distribution), waiting, _key_groups(reader, distribution)
        )
        return {"Distribution": shown, "ETag": distribution.etag}


def _key_groups(reader: Reader, distribution: Distribution) -> dict[str, list[str]]:
    """The public keys' ids by trusted key group."""
    found: dict[str, list[str]] = {}
    for behaviour in behaviours_of(distribution.config):
        for identity in items(behaviour["TrustedKeyGroups"]):
            group = reader.get(KeyGroup, distribution.account, "", identity)
            if group is not None:
                found[identity] = group.config["Items"]
    return found


def in_progress(reader: Reader, distribution: Distribution) -> int:
    """How many invalidations the edge locations have not seen yet."""
    seen = reader.get(DistributionStatus, distribution.account, "", distribution.id)
    since = seen.invalidated_at if seen is not None else 0.0
    own = [
        each
        for each in reader.list(Invalidation, distribution.account, "")
        if each.id.startswith(distribution.id + "|")
    ]
    return sum(each.created_time > since for each in own)


def _check_tags(tags: dict[str, str]) -> None:
    if any(key.lower().startswith("aws:") for key in tags) or len(tags) > TAGS_MAX:
        raise InvalidArgument(f"A resource can have at most {TAGS_MAX} tags, and none whose key begins with aws:.")

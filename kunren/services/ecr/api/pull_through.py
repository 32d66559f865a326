"""Rules of pull through caches: which repositories' images come from another registry of ECR."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.ecr.api.base import Base, paged
from kunren.services.ecr.caching import ROOT
from kunren.services.ecr.errors import (
    InvalidParameterException,
    LimitExceededException,
    PullThroughCacheRuleAlreadyExistsException,
    PullThroughCacheRuleNotFoundException,
)
from kunren.services.ecr.model import CacheRule
from kunren.services.ecr.registry.asked import registry_of

RULES_MAX = 50
""""Amazon ECR service quotas": pull through cache rules per registry."""

_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/\S+")


class PullThroughOperations(Base):
    """Handlers."""

    def create_pull_through_cache_rule(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        account, prefix = params.get("registryId") or ctx.account, _prefix(params["ecrRepositoryPrefix"])
        upstream, role = params["upstreamRegistryUrl"].removeprefix("https://"), params.get("customRoleArn")
        _check(account, ctx.region, upstream, role, params)
        now = self._clock.now()
        made = CacheRule(
            account=account, region=ctx.region, id=prefix, upstream=upstream, role=role, created_at=now, updated_at=now,
            upstream_prefix=_prefix(params.get("upstreamRepositoryPrefix") or ROOT),
        )  # fmt: skip
        with self._store.write() as tx:
            if tx.get(CacheRule, account, ctx.region, prefix) is not None:
                raise PullThroughCacheRuleAlreadyExistsException(prefix, account)
            if len(tx.list(CacheRule, account, ctx.region)) >= RULES_MAX:
                raise LimitExceededException(f"The quota of {RULES_MAX} pull through cache rules is reached")
            tx.put(made)
        return _shown(made, "createdAt", "upstreamRegistry", "upstreamRegistryUrl")

    def describe_pull_through_cache_rules(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, account = self._store.snapshot(), params.get("registryId") or ctx.account
        found = snapshot.list(CacheRule, account, ctx.region)
        if (prefixes := params.get("ecrRepositoryPrefixes")) is not None:
            found = [_rule(snapshot, ctx, {**params, "ecrRepositoryPrefix": each}) for each in prefixes]
        part, more = paged(found, params, lambda each: each.id)
        wanted = ("createdAt", "updatedAt", "upstreamRegistry", "upstreamRegistryUrl")
        return {"pullThroughCacheRules": [_shown(each, *wanted) for each in part], **more}

    def update_pull_through_cache_rule(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = _rule(tx, ctx, params)
            role = params.get("customRoleArn") or found.role
            _check(found.account, found.region, found.upstream, role, params)
            changed = msgspec.structs.replace(found, role=role, updated_at=self._clock.now())
            tx.put(changed)
        return _shown(changed, "updatedAt")

    def delete_pull_through_cache_rule(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = _rule(tx, ctx, params)
            tx.delete(found)
        return _shown(found, "createdAt", "upstreamRegistryUrl")


def _rule(view: Snapshot | Tx, ctx: RequestContext, params: dict[str, Any]) -> CacheRule:
    """Raises PullThroughCacheRuleNotFoundException."""
    account, prefix = params.get("registryId") or ctx.account, _prefix(params["ecrRepositoryPrefix"])
    found = view.get(CacheRule, account, ctx.region, prefix)
    if found is None:
        raise PullThroughCacheRuleNotFoundException(prefix, account)
    return found


def _prefix(given: str) -> str:
    return given.rstrip("/")


def _shown(rule: CacheRule, *wanted: str) -> dict[str, Any]:
    role = {"customRoleArn": rule.role} if rule.role is not None else {}
    more = {
        "createdAt": rule.created_at, "updatedAt": rule.updated_at, "upstreamRegistry": "ecr",
        "upstreamRegistryUrl": rule.upstream,
    }  # fmt: skip
    return {
        "ecrRepositoryPrefix": rule.id, "registryId": rule.account, "upstreamRepositoryPrefix": rule.upstream_prefix,
        **role, **{name: more[name] for name in wanted},
    }  # fmt: skip


def _check(account: str, region: str, upstream: str, role: str | None, params: dict[str, Any]) -> None:
    """Raises InvalidParameterException, NotImplementedByKunren."""
    registry = registry_of(upstream)
    if registry is None or params.get("upstreamRegistry", "ecr") != "ecr":
        raise NotImplementedByKunren("ecr", f"CreatePullThroughCacheRule of {upstream} (not a registry of this world)")
    if registry == (account, region):
        raise _invalid("upstreamRegistryUrl", "An upstream registry cannot be the registry itself")
    if params.get("credentialArn"):
        raise _invalid("credentialArn", "An upstream registry of Amazon ECR takes no credentials")
    if role is not None and not _ROLE.fullmatch(role):
        raise _invalid("customRoleArn", "The role must be an ARN of IAM")
    if role is not None and role.split(":")[4] != account:
        raise _invalid("customRoleArn", "The role must be in the account of the registry")
    if role is None and registry[0] != account:
        raise _invalid("customRoleArn", "An upstream registry of another account takes a role")


def _invalid(member: str, why: str) -> InvalidParameterException:
    return InvalidParameterException(f"Invalid parameter at '{member}' failed to satisfy constraint: '{why}'")

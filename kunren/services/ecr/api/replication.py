"""A registry's own settings: its rules of replication, how far an image has come by them, and its policy."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.ecr.api.base import Base, checked_policy
from kunren.services.ecr.api.images import must_find
from kunren.services.ecr.errors import InvalidParameterException, RegistryPolicyNotFoundException, ValidationException
from kunren.services.ecr.model import Registry, Replication
from kunren.services.ecr.replication import replications

DESTINATIONS_MAX = 25


class ReplicationOperations(Base):
    """Handlers."""

    def put_replication_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        rules = params["replicationConfiguration"]["rules"]
        _check(ctx, rules)
        self._set(ctx, rules=tuple(rules))
        return {"replicationConfiguration": {"rules": rules}}

    def describe_registry(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        rules = list(_registry(self._store.snapshot(), ctx).rules)
        return {"registryId": ctx.account, "replicationConfiguration": {"rules": rules}}

    def describe_image_replication_status(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        image = must_find(snapshot, repository, params["imageId"])
        statuses = [_shown(each) for each in replications(snapshot, image)]
        return {"repositoryName": repository.id, "imageId": params["imageId"], "replicationStatuses": statuses}

    def put_registry_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        text = checked_policy(params["policyText"], "registry", "Resource")
        self._set(ctx, policy=text)
        return {"registryId": ctx.account, "policyText": text}

    def get_registry_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        policy = _registry(self._store.snapshot(), ctx).policy
        if policy is None:
            raise RegistryPolicyNotFoundException(ctx.account)
        return {"registryId": ctx.account, "policyText": policy}

    def delete_registry_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        before = self.get_registry_policy(ctx, params)
        self._set(ctx, policy=None)
        return before

    def _set(self, ctx: RequestContext, **changes: Any) -> None:
        with self._store.write() as tx:
            tx.put(msgspec.structs.replace(_registry(tx, ctx), **changes))


def _registry(view: Snapshot | Tx, ctx: RequestContext) -> Registry:
    found = view.get(Registry, ctx.account, ctx.region, Registry.only)
    return found or Registry(account=ctx.account, region=ctx.region, id=Registry.only)


def _shown(row: Replication) -> dict[str, str]:
    failure = {"failureCode": row.failure} if row.failure is not None else {}
    return {"region": row.destination, "registryId": row.registry, "status": row.status, **failure}


def _check(ctx: RequestContext, rules: list[dict[str, Any]]) -> None:
    """Raises InvalidParameterException, ValidationException."""
    everywhere = [(each["registryId"], each["region"]) for rule in rules for each in rule["destinations"]]
    if len(set(everywhere)) > DESTINATIONS_MAX:
        raise ValidationException(f"A replication configuration has at most {DESTINATIONS_MAX} unique destinations")
    if any(not rule["destinations"] for rule in rules):
        raise ValidationException("A replication rule has at least one destination")
    if (ctx.account, ctx.region) in everywhere:
        raise InvalidParameterException(
            "Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: 'Replication destination "
            "cannot be the same as the source registry'"
        )

"""Capacity providers: Fargate's two, and those of Auto Scaling groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.autoscaling.model import Group
from kunren.services.autoscaling.views import group_arn
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, own_name, page, tags_of, tags_to_wire
from kunren.services.ecs.capacity.controller import cluster_of
from kunren.services.ecs.capacity.model import FARGATE, CapacityProvider
from kunren.services.ecs.model import Cluster, Service, Task
from kunren.services.ecs.names import arn

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RESERVED = ("aws", "ecs", "fargate")
_SCALING = {
    "status": "DISABLED", "targetCapacity": 100, "minimumScalingStepSize": 1, "maximumScalingStepSize": 10_000,
    "instanceWarmupPeriod": 300,
}  # fmt: skip


class CapacityProviderOperations(Operations):
    def create_capacity_provider(self, ctx: RequestContext, params: Params) -> Result:
        name, given = params["name"], params.get("autoScalingGroupProvider")
        if params.get("managedInstancesProvider"):
            raise errors.NotYet("managed instances")
        if not _NAME.fullmatch(name) or name.lower().startswith(_RESERVED):
            raise errors.InvalidParameterException("The specified capacity provider name is invalid.")
        if not given:
            raise errors.InvalidParameterException("autoScalingGroupProvider must be specified.")
        with self._store.write() as tx:
            before = tx.get(CapacityProvider, ctx.account, ctx.region, name)
            if before is not None and before.status != "INACTIVE":
                raise errors.ClientException("A capacity provider with the specified name already exists.")
            group = _group(tx, ctx, given["autoScalingGroupArn"])
            for each in tx.list(CapacityProvider, ctx.account, ctx.region):
                if each.group == group.id and each.status != "INACTIVE":
                    raise errors.ClientException("The Auto Scaling group is already used by a capacity provider.")
            made = CapacityProvider(
                account=ctx.account, region=ctx.region, id=name, group=group.id, group_arn=group_arn(group),
                scaling=_SCALING, tags=tags_of(params),
            )  # fmt: skip
            made = _changed(made, group, {"managedScaling": {}, **given})
            tx.put(made)
            return {"capacityProvider": provider_to_wire(made, tags=True)}

    def update_capacity_provider(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _find(tx, ctx, params["name"])
            given = params.get("autoScalingGroupProvider") or {}
            changed = _changed(found, _group(tx, ctx, found.group), given)
            if changed.scaling != found.scaling:
                changed = replace(changed, policy_cluster=None)  # its policy is put anew
            changed = replace(changed, update_status="UPDATE_COMPLETE")
            tx.put(changed)
            return {"capacityProvider": provider_to_wire(changed, tags=False)}

    def delete_capacity_provider(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _find(tx, ctx, params["capacityProvider"])
            if cluster_of(tx, found) is not None or _is_used(tx, found):
                raise errors.ClientException("The capacity provider cannot be deleted because it is in use.")
            found = replace(found, status="DEPROVISIONING", update_status="DELETE_IN_PROGRESS")
            tx.put(found)
            return {"capacityProvider": provider_to_wire(found, tags=False)}

    def describe_capacity_providers(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, tags = self._store.snapshot(), "TAGS" in (params.get("include") or ())
        held = {each.id: each for each in snapshot.list(CapacityProvider, ctx.account, ctx.region)}
        named = params.get("capacityProviders")
        names = [own_name(ctx, each, "capacity-provider") for each in named] if named else [*FARGATE, *sorted(held)]
        if params.get("cluster"):
            cluster = find_cluster(snapshot, ctx, params["cluster"])
            names = [each for each in names if each in cluster.capacity_providers]
        chosen, token = page(names, params, str)
        shown, failures = [], []
        for each in chosen:
            if each in held:
                shown.append(provider_to_wire(held[each], tags=tags))
            elif each in FARGATE:
                shown.append({"capacityProviderArn": _arn(ctx, each), "name": each, "status": "ACTIVE", "tags": []})
            else:
                failures.append({"arn": _arn(ctx, each), "reason": "MISSING"})
        return {"capacityProviders": shown, "failures": failures, "nextToken": token}


def check_providers(reader: Snapshot | Tx, ctx: RequestContext, names: Iterable[str]) -> None:
    """Whether a cluster can have those. Raises InvalidParameterException."""
    for each in names:
        found = reader.get(CapacityProvider, ctx.account, ctx.region, each)
        if each not in FARGATE and (found is None or found.status != "ACTIVE"):
            raise errors.InvalidParameterException(
                f"The specified capacity provider '{each}' was not found. Specify a valid name or ARN and try again."
            )


def check_associated(reader: Snapshot | Tx, ctx: RequestContext, cluster: Cluster, names: Iterable[str]) -> None:
    """Whether tasks of the cluster can have those. Raises InvalidParameterException."""
    listed = list(names)
    check_providers(reader, ctx, listed)
    if not set(listed) <= set(cluster.capacity_providers):
        raise errors.InvalidParameterException(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with "
            "the cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and "
            "try again."
        )


def check_strategy(strategy: Iterable[Mapping[str, Any]]) -> None:
    """Raises InvalidParameterException where it mixes Fargate's with others, or has two bases."""
    listed = list(strategy)
    kinds = {each["capacityProvider"] in FARGATE for each in listed}
    if len(kinds) > 1:
        raise errors.InvalidParameterException(
            "Fargate capacity providers and Auto Scaling group capacity providers can't be in the same strategy."
        )
    if sum(bool(each.get("base")) for each in listed) > 1:
        raise errors.InvalidParameterException("Only one capacity provider in a strategy can have a base value.")
    if listed and len(listed) > 1 and not any(each.get("weight") for each in listed):
        raise errors.InvalidParameterException("At least one capacity provider must have a weight greater than 0.")


def providers_in_use(tx: Tx, cluster: Cluster) -> set[str]:
    """Those that services of the cluster name, or that tasks of it have."""
    found = {
        each.capacity_provider
        for each in tx.list(Task, cluster.account, cluster.region)
        if each.cluster == cluster.id and each.last_status != "STOPPED"
    }
    for each in tx.list(Service, cluster.account, cluster.region):
        if each.cluster == cluster.id and each.status != "INACTIVE":
            found |= {one["capacityProvider"] for one in _strategy_of(each)}
    return {each for each in found if each is not None}


def _strategy_of(service: Service) -> Iterable[Mapping[str, Any]]:
    document = service.primary.document if service.primary is not None else service.document
    return document.get("capacityProviderStrategy") or ()


def provider_to_wire(provider: CapacityProvider, *, tags: bool) -> dict[str, Any]:
    """One that goes stays ACTIVE until it is gone: DEPROVISIONING is for providers of managed instances."""
    return {
        "capacityProviderArn": arn(provider, "capacity-provider", provider.id),
        "name": provider.id,
        "status": "ACTIVE" if provider.status == "DEPROVISIONING" else provider.status,
        "autoScalingGroupProvider": {
            "autoScalingGroupArn": provider.group_arn,
            "managedScaling": provider.scaling,
            "managedTerminationProtection": "ENABLED" if provider.protects else "DISABLED",
            "managedDraining": "ENABLED" if provider.drains else "DISABLED",
        },
        **({"updateStatus": provider.update_status} if provider.update_status else {}),
        "tags": tags_to_wire(provider.tags) if tags else [],
    }


def _arn(ctx: RequestContext, name: str) -> str:
    return f"arn:aws:ecs:{ctx.region}:{ctx.account}:capacity-provider/{name}"


def _find(tx: Tx, ctx: RequestContext, named: str) -> CapacityProvider:
    name = own_name(ctx, named, "capacity-provider")
    if name in FARGATE:
        raise errors.ClientException("The specified capacity provider is reserved and cannot be changed or deleted.")
    found = tx.get(CapacityProvider, ctx.account, ctx.region, name)
    if found is None or found.status != "ACTIVE":
        raise errors.ClientException("The specified capacity provider does not exist.")
    return found


def _group(tx: Tx, ctx: RequestContext, named: str) -> Group:
    for each in tx.list(Group, ctx.account, ctx.region):
        if named in (each.id, group_arn(each)) and not each.deleting:
            return each
    raise errors.ClientException(
        "The specified Auto Scaling group ARN is not valid. Specify a valid ARN and try again."
    )


def _changed(provider: CapacityProvider, group: Group, given: Mapping[str, Any]) -> CapacityProvider:
    """The provider with those settings. Raises InvalidParameterException."""
    told = {key: value for key, value in (given.get("managedScaling") or {}).items() if value is not None}
    scaling = {**provider.scaling, **told}
    if given.get("managedScaling") and "status" not in told:
        scaling["status"] = "ENABLED"
    if not 1 <= scaling["targetCapacity"] <= 100:
        raise errors.InvalidParameterException("The target capacity must be from 1 to 100.")
    if not 1 <= scaling["minimumScalingStepSize"] <= scaling["maximumScalingStepSize"] <= 10_000:
        raise errors.InvalidParameterException("The scaling steps must be from 1 to 10000, the minimum the lower one.")
    changed = replace(provider, scaling=scaling)
    if (protects := given.get("managedTerminationProtection")) is not None:
        changed = replace(changed, protects=protects == "ENABLED")
    if (drains := given.get("managedDraining")) is not None:
        changed = replace(changed, drains=drains == "ENABLED")
    if changed.protects and scaling["status"] != "ENABLED":
        raise errors.InvalidParameterException(
            "Managed termination protection needs managed scaling. Enable managed scaling and try again."
        )
    if changed.protects and not group.protects_new:
        raise errors.InvalidParameterException(
            "Managed termination protection needs an Auto Scaling group that protects new instances from scale in."
        )
    return changed


def _is_used(tx: Tx, provider: CapacityProvider) -> bool:
    for each in tx.list(Service, provider.account, provider.region):
        if each.status != "INACTIVE" and any(one["capacityProvider"] == provider.id for one in _strategy_of(each)):
            return True
    return False

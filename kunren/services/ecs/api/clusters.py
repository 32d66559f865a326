"""Clusters: names under which tasks, services and container instances are kept together."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.calling import CallService
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, own_name, page, tags_of, tags_to_wire
from kunren.services.ecs.api.capacity_providers import check_providers, check_strategy, providers_in_use
from kunren.services.ecs.api.execute_command import check_configuration
from kunren.services.ecs.api.service_checks import is_fargate
from kunren.services.ecs.model import Cluster, ContainerInstance, Service, Task
from kunren.services.ecs.names import arn
from kunren.services.servicediscovery.managed import TAGS, namespace_named

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NAMESPACE = re.compile(r"[!#-.0-;=?-~]{1,1024}")
_SETTING = "containerInsights"
_VALUES = ("enabled", "disabled", "enhanced")
_FARGATE = ("FARGATE", "FARGATE_SPOT")
_KINDS = (("EC2", "EC2"), ("Fargate", "FARGATE"))
_COMING = ("PROVISIONING", "PENDING", "ACTIVATING")
DESCRIBED_MAX = 100


class ClusterOperations(Operations):
    call: CallService

    def create_cluster(self, ctx: RequestContext, params: Params) -> Result | Awaitable[Result]:
        name = params.get("clusterName") or "default"
        if not _NAME.fullmatch(name):
            raise errors.InvalidParameterException(
                "Cluster name must contain only letters, numbers, hyphens and underscores, and be at most 255 long."
            )
        check_configuration(params)
        return self._with_namespace(ctx, params, self._create_cluster)

    def _create_cluster(self, ctx: RequestContext, params: Params) -> Result:
        name = params.get("clusterName") or "default"
        document = {"settings": _settings(params.get("settings")), **_kept(params)}
        with self._store.write() as tx:
            check_providers(tx, ctx, params.get("capacityProviders") or ())
            found = tx.get(Cluster, ctx.account, ctx.region, name)
            if found is None or found.status == "INACTIVE":
                found = Cluster(
                    account=ctx.account, region=ctx.region, id=name, document=document, tags=tags_of(params),
                    created_at=self._clock.now(), **_providers(params),
                )  # fmt: skip
                tx.put(found)
        return {"cluster": cluster_to_wire(self._store.snapshot(), found, ("TAGS", "SETTINGS", "CONFIGURATIONS"))}

    def describe_clusters(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, named = self._store.snapshot(), params.get("clusters") or ["default"]
        if len(named) > DESCRIBED_MAX:
            raise errors.InvalidParameterException(f"Clusters cannot have more than {DESCRIBED_MAX} elements.")
        found, failures = [], []
        for each in named:
            cluster = snapshot.get(Cluster, ctx.account, ctx.region, own_name(ctx, each, "cluster"))
            if cluster is None:
                whole = each if each.startswith("arn:") else f"arn:aws:ecs:{ctx.region}:{ctx.account}:cluster/{each}"
                failures.append({"arn": whole, "reason": "MISSING"})
            else:
                found.append(cluster_to_wire(snapshot, cluster, params.get("include") or ()))
        return {"clusters": found, "failures": failures}

    def list_clusters(self, ctx: RequestContext, params: Params) -> Result:
        active = [each for each in self._store.snapshot().list(Cluster, ctx.account, ctx.region) if _active(each)]
        chosen, token = page(active, params, lambda each: each.id)
        return {"clusterArns": [arn(each, "cluster", each.id) for each in chosen], "nextToken": token}

    def update_cluster(self, ctx: RequestContext, params: Params) -> Result | Awaitable[Result]:
        check_configuration(params)
        return self._with_namespace(ctx, params, self._update_cluster)

    def _update_cluster(self, ctx: RequestContext, params: Params) -> Result:
        return self._changed(ctx, params, _kept(params))

    def _with_namespace(
        self, ctx: RequestContext, params: Params, then: Callable[[RequestContext, Params], Result]
    ) -> Result | Awaitable[Result]:
        """With the ARN of the namespace that services are to be in by default; one of a new name is made."""
        told = params.get("serviceConnectDefaults")
        if not told or not told["namespace"]:
            return then(ctx, params)
        named = told["namespace"]
        found = namespace_named(self._store.snapshot(), ctx.account, ctx.region, named)
        if found is not None:
            return then(ctx, {**params, "serviceConnectDefaults": {"namespace": found.arn}})
        if named.startswith("arn:"):
            raise errors.NamespaceNotFoundException()
        return self._in_new_namespace(ctx, params, named, then)

    async def _in_new_namespace(
        self, ctx: RequestContext, params: Params, name: str, then: Callable[[RequestContext, Params], Result]
    ) -> Result:
        if not _NAMESPACE.fullmatch(name):
            raise errors.InvalidParameterException(f"The namespace name {name} is invalid.")
        self._check(ctx, params)
        wanted = {"Name": name, "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]}
        refused = ""
        try:
            await self.call(ctx.account, ctx.region, "servicediscovery", "CreateHttpNamespace", wanted)
        except AwsError as error:  # for one: another cluster has made it meanwhile
            refused = error.message
        found = namespace_named(self._store.snapshot(), ctx.account, ctx.region, name)
        if found is None:
            raise errors.InvalidParameterException(f"The namespace {name} could not be created: {refused}")
        return then(ctx, {**params, "serviceConnectDefaults": {"namespace": found.arn}})

    def _check(self, ctx: RequestContext, params: Params) -> None:
        """Raises what making or changing the cluster would raise, before a namespace is made for it."""
        snapshot = self._store.snapshot()
        if params.get("cluster") is not None:
            find_cluster(snapshot, ctx, params["cluster"])
        _settings(params.get("settings"))
        check_providers(snapshot, ctx, params.get("capacityProviders") or ())
        _providers(params)

    def update_cluster_settings(self, ctx: RequestContext, params: Params) -> Result:
        return self._changed(ctx, params, {"settings": _settings(params["settings"])})

    def _changed(self, ctx: RequestContext, params: Params, members: dict[str, Any]) -> Result:
        if params.get("settings") is not None:
            members = {**members, "settings": _settings(params["settings"])}
        with self._store.write() as tx:
            found = find_cluster(tx, ctx, params["cluster"])
            found = replace(found, document={**found.document, **members})
            tx.put(found)
        return {"cluster": cluster_to_wire(self._store.snapshot(), found, ("TAGS", "SETTINGS", "CONFIGURATIONS"))}

    def put_cluster_capacity_providers(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            check_providers(tx, ctx, params["capacityProviders"])
            before = find_cluster(tx, ctx, params["cluster"])
            found = replace(before, **_providers(params))
            gone = set(before.capacity_providers) - set(found.capacity_providers)
            if gone & providers_in_use(tx, before):
                raise errors.ResourceInUseException("The specified capacity provider is in use and cannot be removed.")
            tx.put(found)
        return {"cluster": cluster_to_wire(self._store.snapshot(), found, ("TAGS", "SETTINGS", "CONFIGURATIONS"))}

    def delete_cluster(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = find_cluster(tx, ctx, params["cluster"])
            if any(_belongs(each, found.id) for each in tx.list(ContainerInstance, ctx.account, ctx.region)):
                raise errors.ClusterContainsContainerInstancesException(
                    "The Cluster cannot be deleted while Container Instances are active or draining."
                )
            if any(_serves(each, found.id) for each in tx.list(Service, ctx.account, ctx.region)):
                raise errors.ClusterContainsServicesException(
                    "The Cluster cannot be deleted while Services are active."
                )
            if any(_lives(each, found.id) for each in tx.list(Task, ctx.account, ctx.region)):
                raise errors.ClusterContainsTasksException("The Cluster cannot be deleted while Tasks are active.")
            found = replace(found, status="INACTIVE")
            tx.put(found)
        return {"cluster": cluster_to_wire(self._store.snapshot(), found, ())}


def cluster_to_wire(reader: Snapshot | Tx, cluster: Cluster, include: tuple[str, ...] | list[str]) -> dict[str, Any]:
    tasks = [each for each in reader.list(Task, cluster.account, cluster.region) if each.cluster == cluster.id]
    services = reader.list(Service, cluster.account, cluster.region)
    instances = reader.list(ContainerInstance, cluster.account, cluster.region)
    shown: dict[str, Any] = {
        "clusterArn": arn(cluster, "cluster", cluster.id),
        "clusterName": cluster.id,
        "status": cluster.status,
        "registeredContainerInstancesCount": sum(_belongs(each, cluster.id) for each in instances),
        "runningTasksCount": sum(each.last_status == "RUNNING" for each in tasks),
        "pendingTasksCount": sum(each.last_status in _COMING for each in tasks),
        "activeServicesCount": sum(each.cluster == cluster.id and each.status == "ACTIVE" for each in services),
        "statistics": _statistics(cluster, tasks, services) if "STATISTICS" in include else [],
        "tags": tags_to_wire(cluster.tags) if "TAGS" in include else [],
        "settings": cluster.document["settings"] if "SETTINGS" in include else [],
        "capacityProviders": list(cluster.capacity_providers),
        "defaultCapacityProviderStrategy": list(cluster.strategy),
    }
    if "CONFIGURATIONS" in include and cluster.document.get("configuration") is not None:
        shown["configuration"] = cluster.document["configuration"]
    if cluster.document.get("serviceConnectDefaults") is not None:
        shown["serviceConnectDefaults"] = cluster.document["serviceConnectDefaults"]
    return shown


def _statistics(cluster: Cluster, tasks: list[Task], services: list[Service]) -> list[dict[str, str]]:
    """Numbers of tasks and services by launch type."""
    found = {}
    for name, statuses in (("running", ("RUNNING",)), ("pending", _COMING)):
        for kind, launch_type in _KINDS:
            of_it = [each for each in tasks if each.launch_type == launch_type and each.last_status in statuses]
            found[f"{name}{kind}TasksCount"] = len(of_it)
    for status in ("ACTIVE", "DRAINING"):
        own = [each for each in services if each.cluster == cluster.id and each.status == status]
        fargate = sum(each.primary is not None and is_fargate(each.primary.document) for each in own)
        found[f"{status.lower()}EC2ServiceCount"] = len(own) - fargate
        found[f"{status.lower()}FargateServiceCount"] = fargate
    return [{"name": name, "value": str(value)} for name, value in found.items()]


def _active(cluster: Cluster) -> bool:
    return cluster.status != "INACTIVE"


def _serves(service: Service, cluster: str) -> bool:
    return service.cluster == cluster and service.status != "INACTIVE"


def _belongs(instance: ContainerInstance, cluster: str) -> bool:
    return instance.cluster == cluster and instance.status != "INACTIVE"


def _lives(task: Task, cluster: str) -> bool:
    return task.cluster == cluster and task.last_status != "STOPPED"


def _settings(given: list[dict[str, str]] | None) -> list[dict[str, str]]:
    """Raises InvalidParameterException."""
    found = {_SETTING: "disabled"}
    for each in given or ():
        if each.get("name") != _SETTING or each.get("value") not in _VALUES:
            raise errors.InvalidParameterException(f"Invalid cluster setting value {each.get('value')}.")
        found[_SETTING] = each["value"]
    return [{"name": name, "value": value} for name, value in found.items()]


def _kept(params: Params) -> dict[str, Any]:
    members = ("configuration", "serviceConnectDefaults")
    kept = {each: params[each] for each in members if params.get(each) is not None}
    if kept.get("serviceConnectDefaults") == {"namespace": ""}:  # there is to be no default any more
        kept["serviceConnectDefaults"] = None
    return kept


def _providers(params: Params) -> dict[str, Any]:
    """Raises InvalidParameterException."""
    providers = tuple(params.get("capacityProviders") or ())
    strategy = params.get("defaultCapacityProviderStrategy") or ()
    if strange := [each["capacityProvider"] for each in strategy if each["capacityProvider"] not in providers]:
        raise errors.InvalidParameterException(
            f"The specified capacity provider '{strange[0]}' is not associated with the cluster."
        )
    check_strategy(strategy)
    kept = tuple({"weight": 0, "base": 0, **each} for each in strategy)
    return {"capacity_providers": providers, "strategy": kept}

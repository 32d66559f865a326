"""Services: what is to run, and how it changes. What follows from that is the services' controller's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.ecs import errors
from kunren.services.ecs.api import service_checks as checks
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, own_name, page, tags_of
from kunren.services.ecs.api.service_views import service_to_wire
from kunren.services.ecs.connect.offering import enabled, in_namespace, namespace_of
from kunren.services.ecs.model import Cluster, Deployment, Service, Task
from kunren.services.ecs.names import arn, last_part
from kunren.services.ecs.services.facts import group_of
from kunren.services.ecs.services.scheduling import computed_count
from kunren.services.ecs.services.starting import begin, end, loads_of, network_of, new_id, revise
from kunren.services.ecs.tasks.ask import SCHEDULER_INITIATED, ask_to_stop

DESCRIBED_MAX = 10
LISTED, LISTED_MAX = 10, 100
DESIRED_MAX = 5000


class ServiceOperations(Operations):
    def create_service(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["serviceName"], self._clock.now()
        if not checks.NAME.fullmatch(name):
            raise errors.InvalidParameterException("Service name is invalid.")
        checks.refuse(params)
        kind = params.get("schedulingStrategy") or "REPLICA"
        controller = (params.get("deploymentController") or {}).get("type") or "ECS"
        if controller != "ECS" and enabled(params):
            raise errors.InvalidParameterException(
                f"Service Connect is not supported with the deployment controller {controller}."
            )
        desired = _desired(params, kind)
        with self._store.write() as tx:
            cluster = _active(find_cluster(tx, ctx, params.get("cluster")))
            found = tx.get(Service, ctx.account, ctx.region, f"{cluster.id}/{name}")
            if found is not None and found.status != "INACTIVE":
                if found.client_token is not None and found.client_token == params.get("clientToken"):
                    return {"service": self._service_shown(found)}
                raise errors.InvalidParameterException("Creation of service was not idempotent.")
            configuration = checks.deployment_configuration(params.get("deploymentConfiguration"), {}, kind, controller)
            document: dict[str, Any] = {}
            if params.get("taskDefinition") or controller != "EXTERNAL":
                strategy = configuration.get("strategy") or "ROLLING"
                document = checks.revision_document(tx, ctx, cluster, {}, params, strategy)
            checks.placement(params, kind, checks.is_fargate(document))
            if kind == "DAEMON" and checks.is_fargate(document):
                raise errors.InvalidParameterException("The daemon scheduling strategy is not supported for Fargate.")
            rebalancing = "ENABLED" if kind == "REPLICA" and configuration["maximumPercent"] > 100 else "DISABLED"
            kept = {each: params[each] for each in checks.KEPT if params.get(each) is not None}
            service = Service(
                account=ctx.account, region=ctx.region, id=f"{cluster.id}/{name}", cluster=cluster.id, name=name,
                desired_count=desired, created_at=now, client_token=params.get("clientToken"), tags=tags_of(params),
                document={
                    "availabilityZoneRebalancing": rebalancing, **kept, "deploymentConfiguration": configuration,
                    "deploymentController": {"type": controller}, "schedulingStrategy": kind,
                    "roleArn": _role(ctx, params, document), "current": document,
                },
            )  # fmt: skip
            if controller == "ECS":
                by = last_part(document["taskDefinition"])
                service = begin(tx, self._entropy, now, service, document, by)
            elif controller == "CODE_DEPLOY":
                service = with_task_set(self, tx, service, document, {"scale": {"value": 100.0}}, "PRIMARY")
            tx.put(service)
        return {"service": self._service_shown(service)}

    def update_service(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        checks.refuse(params)
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            service = find_active(tx, ctx, cluster, params["service"])
            kind = service.document["schedulingStrategy"]
            configuration = checks.deployment_configuration(
                params.get("deploymentConfiguration"), service.document["deploymentConfiguration"], kind,
                service.controller,
            )  # fmt: skip
            kept = {each: params[each] for each in checks.KEPT if params.get(each) is not None}
            changed = replace(service, document={**service.document, **kept, "deploymentConfiguration": configuration})
            if params.get("desiredCount") is not None:
                changed = with_count(changed, _desired(params, kind))
            if service.controller == "ECS":
                changed = self._redeployed(tx, ctx, cluster, service, changed, params, now)
            else:
                _only_by_others(service.controller, params)
            if changed != service:
                changed = replace(changed, steady=False)
            tx.put(changed)
        return {"service": self._service_shown(changed)}

    def _redeployed(
        self,
        tx: Tx,
        ctx: RequestContext,
        cluster: Cluster,
        service: Service,
        changed: Service,
        params: Params,
        now: float,
    ) -> Service:
        """With a new deployment, where what it is of has changed, or one is asked for."""
        primary = service.primary
        before = primary.document if primary is not None else {}
        strategy = changed.document["deploymentConfiguration"].get("strategy") or "ROLLING"
        document = checks.revision_document(tx, ctx, cluster, before, params, strategy)
        checks.placement(changed.document, changed.document["schedulingStrategy"], checks.is_fargate(document))
        if document == before and not params.get("forceNewDeployment"):
            return changed
        by = last_part(document["taskDefinition"])
        return begin(tx, self._entropy, now, changed, document, by)

    def delete_service(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            service = find_active(tx, ctx, find_cluster(tx, ctx, params.get("cluster")), params["service"])
            scaled = service.desired_count > 0 and service.document["schedulingStrategy"] == "REPLICA"
            if scaled and not params.get("force"):
                raise errors.InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
            if service.controller == "EXTERNAL" and service.deployments and not params.get("force"):
                raise errors.InvalidParameterException(
                    "The service cannot be deleted while it has task sets; delete them first, or force it."
                )
            end(tx, self._clock.now(), service, "The service was deleted.")
            service = with_count(replace(service, status="DRAINING", current=""), 0)
            tx.put(service)
            for task in tx.list(Task, ctx.account, ctx.region):
                if task.group == group_of(service) and task.cluster == service.cluster:
                    ask_to_stop(tx, task, "Service was deleted", SCHEDULER_INITIATED)
        return {"service": self._service_shown(service)}

    def describe_services(self, ctx: RequestContext, params: Params) -> Result:
        named, snapshot = params["services"], self._store.snapshot()
        if not named:
            raise errors.InvalidParameterException("Services cannot be empty.")
        if len(named) > DESCRIBED_MAX:
            raise errors.InvalidParameterException(f"Services cannot have more than {DESCRIBED_MAX} elements.")
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        found, failures = [], []
        for each in named:
            service = snapshot.get(Service, ctx.account, ctx.region, service_id(ctx, cluster, each))
            if service is None:
                whole = each if each.startswith("arn:") else arn(cluster, "service", cluster.id, each)
                failures.append({"arn": whole, "reason": "MISSING"})
            else:
                found.append(service_to_wire(snapshot, service, params.get("include") or (), self._clock.now()))
        return {"services": found, "failures": failures}

    def list_services(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        found = [
            each
            for each in snapshot.list(Service, ctx.account, ctx.region)
            if each.cluster == cluster.id
            and each.status == "ACTIVE"
            and params.get("schedulingStrategy") in (None, each.document["schedulingStrategy"])
            and params.get("launchType") in (None, _current(each).get("launchType"))
            and params.get("resourceManagementType") in (None, "CUSTOMER")
        ]
        return _listed(found, params)

    def list_services_by_namespace(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        namespace = namespace_of(snapshot, ctx, params["namespace"])
        services = snapshot.list(Service, ctx.account, ctx.region)
        found = [each for each in services if each.status == "ACTIVE" and in_namespace(each, namespace.id)]
        return _listed(found, params)

    def _service_shown(self, service: Service) -> dict[str, Any]:
        return service_to_wire(self._store.snapshot(), service, ("TAGS",), self._clock.now())


def find_active(reader: Snapshot | Tx, ctx: RequestContext, cluster: Cluster, named: str) -> Service:
    """Raises ServiceNotFoundException, ServiceNotActiveException."""
    found = reader.get(Service, ctx.account, ctx.region, service_id(ctx, cluster, named))
    if found is None:
        raise errors.ServiceNotFoundException()
    if found.status != "ACTIVE":
        raise errors.ServiceNotActiveException()
    return found


def service_id(ctx: RequestContext, cluster: Cluster, named: str) -> str:
    """CLUSTER/NAME, from a name or an ARN (also one of the old kind, without the cluster)."""
    name = own_name(ctx, named, "service")
    return name if "/" in name else f"{cluster.id}/{name}"


def with_count(service: Service, count: int) -> Service:
    """The service with another desired count; task sets have their share of it."""
    if service.controller == "ECS":
        changed = tuple(
            replace(each, desired_count=count) if each.status == "PRIMARY" else each for each in service.deployments
        )
    else:
        changed = tuple(
            replace(each, desired_count=computed_count(count, each.scale if each.scale is not None else 100.0))
            for each in service.deployments
        )
    return replace(service, desired_count=count, deployments=changed)


def with_task_set(
    operations: Operations,
    tx: Tx,
    service: Service,
    document: dict[str, Any],
    params: Mapping[str, Any],
    status: str,
) -> Service:
    """The service with one more task set, its last."""
    entropy, now = operations._entropy, operations._clock.now()  # noqa: SLF001
    scale = float((params.get("scale") or {}).get("value", 0.0))
    revision = revise(tx, entropy, now, service, document)
    made = Deployment(
        id=new_id(entropy), status=status, revision=revision.id, definition=last_part(document["taskDefinition"]),
        desired_count=computed_count(service.desired_count, scale), launch_type=document.get("launchType"),
        network=network_of(document), loads=loads_of(service, document, None), document=document, scale=scale,
        external_id=params.get("externalId"), created_at=now, updated_at=now, tags=tags_of(params),
    )  # fmt: skip
    return replace(service, deployments=(*service.deployments, made), steady=False)


def _listed(found: list[Service], params: Params) -> Result:
    if params.get("maxResults") is None:
        params = {**params, "maxResults": LISTED}
    chosen, token = page(found, params, lambda each: each.id, LISTED_MAX)
    return {"serviceArns": [arn(each, "service", each.id) for each in chosen], "nextToken": token}


def _active(cluster: Cluster) -> Cluster:
    if cluster.status != "ACTIVE":
        raise errors.ClusterNotFoundException()
    return cluster


def _desired(params: Params, kind: str) -> int:
    count = params.get("desiredCount")
    if kind == "DAEMON":
        if count is not None:
            raise errors.InvalidParameterException(
                "The daemon scheduling strategy does not support a desired count for services. Remove the desired "
                "count value and try again."
            )
        return 0
    if count is None:
        return 1
    if not 0 <= count <= DESIRED_MAX:
        raise errors.InvalidParameterException(f"The desired count must be between 0 and {DESIRED_MAX}.")
    return int(count)


def _role(ctx: RequestContext, params: Params, document: Mapping[str, Any]) -> str | None:
    if params.get("role"):
        return str(params["role"])
    if document.get("loadBalancers"):
        return f"arn:aws:iam::{ctx.account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    return None


def _current(service: Service) -> Mapping[str, Any]:
    primary = service.primary
    return primary.document if primary is not None else service.document["current"]


def _only_by_others(controller: str, params: Params) -> None:
    """Raises InvalidParameterException where a service that others deploy is to be deployed by ECS."""
    where = f"on services with {_OTHERS[controller]}"
    for member, words in _WORDS.items():
        if params.get(member) is not None:
            raise errors.InvalidParameterException(f"Unable to update {words} {where}")
    if params.get("forceNewDeployment"):
        raise errors.InvalidParameterException(f"Cannot force a new deployment {where}")


_OTHERS = {
    "CODE_DEPLOY": "a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment.",
    "EXTERNAL": "an EXTERNAL deployment controller. Create a new task set to trigger a new deployment.",
}
_WORDS = {
    "taskDefinition": "task definition", "networkConfiguration": "network parameters",
    "platformVersion": "platform version", "loadBalancers": "load balancers",
    "serviceConnectConfiguration": "Service Connect configuration",
}  # fmt: skip

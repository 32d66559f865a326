"""Container instances: registered by their agents, shown, drained, deregistered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.ec2.instances.model import Instance
from kunren.services.ecs import errors
from kunren.services.ecs.agents.rows import COMING, Rows, arn_of, tasks_on, to_wire
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, own_name, page, tags_of
from kunren.services.ecs.model import Cluster, ContainerInstance
from kunren.services.ecs.names import arn, last_part
from kunren.services.ecs.services.expressions import BadExpression, matches
from kunren.services.ecs.tasks.ask import USER_INITIATED, ask_to_stop

DESCRIBED_MAX, CHANGED_MAX, ATTRIBUTES_MAX = 100, 10, 10
_STATES = ("ACTIVE", "DRAINING")
_ASSIGNED = ("ecs.availability-zone", "ecs.instance-type", "ecs.ami-id", "ecs.os-type", "ecs.vpc-id", "ecs.subnet-id")


class ContainerInstanceOperations(Operations):
    rows: Rows

    def register_container_instance(self, ctx: RequestContext, params: Params) -> Result:
        """What an agent asks first. `agentConnected` is true once it waits for messages too."""
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            machine = _machine(tx, ctx, params)
            rows = tx.list(ContainerInstance, ctx.account, ctx.region)
            before = next((each for each in rows if each.instance_id == machine.id and each.status != "INACTIVE"), None)
            named = last_part(params.get("containerInstanceArn") or "")
            if named and (before is None or before.id != named):
                raise errors.ClientException("The container instance is not registered.")
            if before is not None and before.cluster != cluster.id:
                raise errors.ClientException("The instance is registered with another cluster.")
            told = {each["name"]: each.get("value") for each in params.get("attributes") or ()}
            resources = {each["name"]: _resource(each) for each in params.get("totalResources") or ()}
            members: dict[str, Any] = {
                "resources": resources,
                "attributes": {**(before.attributes if before else {}), **told, **_assigned(machine)},
                "versions": params.get("versionInfo") or {},
            }
            if before is not None:
                found = self.rows.put(tx, before, replace(before, **members))
            else:
                made = ContainerInstance(
                    account=ctx.account, region=ctx.region, id=self._entropy.hex(32), cluster=cluster.id,
                    instance_id=machine.id, agent_connected=False, registered_at=self._clock.now(),
                    tags=tags_of(params), **members,
                )  # fmt: skip
                found = self.rows.put(tx, None, made)
            return {"containerInstance": {**to_wire(tx, found, tags=True), "agentConnected": True}}

    def discover_poll_endpoint(self, ctx: RequestContext, params: Params) -> Result:
        domain = f"{ctx.region}.amazonaws.com"
        return {"endpoint": f"https://ecs-a-1.{domain}/", "telemetryEndpoint": f"https://ecs-t-1.{domain}/"}

    def list_container_instances(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        status = params.get("status")
        found = [
            each
            for each in snapshot.list(ContainerInstance, ctx.account, ctx.region)
            if each.cluster == cluster.id and (each.status == status if status else each.status != "INACTIVE")
        ]
        if params.get("filter"):
            try:
                found = [each for each in found if _chosen(snapshot, each, params["filter"])]
            except BadExpression as error:
                raise errors.InvalidParameterException(f"Invalid expression: {error}") from error
        chosen, token = page(found, params, lambda each: each.id)
        return {"containerInstanceArns": [arn_of(each) for each in chosen], "nextToken": token}

    def describe_container_instances(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        if not params["containerInstances"]:
            raise errors.InvalidParameterException("Container instance cannot be empty.")
        if len(params["containerInstances"]) > DESCRIBED_MAX:
            raise errors.InvalidParameterException(f"instanceIds can have at most {DESCRIBED_MAX} items.")
        found, failures = _named(snapshot, ctx, cluster, params["containerInstances"])
        tags = "TAGS" in (params.get("include") or ())
        return {"containerInstances": [to_wire(snapshot, each, tags) for each in found], "failures": failures}

    def update_container_instances_state(self, ctx: RequestContext, params: Params) -> Result:
        """ACTIVE or DRAINING. What follows for tasks is the scheduler's and the controller's."""
        if params["status"] not in _STATES:
            raise errors.InvalidParameterException("Container instance status should be one of [ACTIVE, DRAINING].")
        if not 1 <= len(params["containerInstances"]) <= CHANGED_MAX:
            raise errors.InvalidParameterException(f"instanceIds can have at most {CHANGED_MAX} items.")
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            found, failures = _named(tx, ctx, cluster, params["containerInstances"])
            changed = []
            for each in found:
                if each.status == "INACTIVE":
                    failures.append({"arn": arn_of(each), "reason": "INACTIVE"})
                else:
                    changed.append(self.rows.change(tx, each, status=params["status"]))
            return {"containerInstances": [to_wire(tx, each) for each in changed], "failures": failures}

    def deregister_container_instance(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            found, _ = _named(tx, ctx, cluster, [params["containerInstance"]])
            if not found or found[0].status == "INACTIVE":
                raise errors.InvalidParameterException("The referenced container instance was not found.")
            tasks = tasks_on(tx, found[0])
            if tasks and not params.get("force"):
                raise errors.InvalidParameterException("Found running tasks on the instance.")
            for each in tasks:
                ask_to_stop(tx, each, "The container instance was deregistered.", USER_INITIATED)
            changed = self.rows.change(tx, found[0], status="INACTIVE", agent_connected=False)
            return {"containerInstance": to_wire(tx, changed)}

    # -- attributes --------------------------------------------------------------------------------------------------

    def put_attributes(self, ctx: RequestContext, params: Params) -> Result:
        return self._attributes(ctx, params, kept=True)

    def delete_attributes(self, ctx: RequestContext, params: Params) -> Result:
        return self._attributes(ctx, params, kept=False)

    def _attributes(self, ctx: RequestContext, params: Params, *, kept: bool) -> Result:
        if len(params["attributes"]) > ATTRIBUTES_MAX:
            raise errors.InvalidParameterException(f"attributes can have at most {ATTRIBUTES_MAX} items.")
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            for each in params["attributes"]:
                found, _ = _named(tx, ctx, cluster, [each.get("targetId") or ""])
                if not found or found[0].status == "INACTIVE":
                    raise TargetNotFoundException(f"Target {each.get('targetId')} was not found.")
                attributes = dict(found[0].attributes)
                if kept:
                    attributes[each["name"]] = each.get("value")
                else:
                    attributes.pop(each["name"], None)
                self.rows.change(tx, found[0], attributes=attributes)
        return {"attributes": params["attributes"]}

    def list_attributes(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        name, value = params.get("attributeName"), params.get("attributeValue")
        found = [
            {"name": key, "targetId": arn_of(each), **({"value": held} if held is not None else {})}
            for each in snapshot.list(ContainerInstance, ctx.account, ctx.region)
            if each.cluster == cluster.id and each.status != "INACTIVE"
            for key, held in sorted(each.attributes.items())
            if name in (None, key) and value in (None, held)
        ]
        chosen, token = page(found, params, lambda each: f"{each['targetId']}|{each['name']}")
        return {"attributes": chosen, "nextToken": token}


class TargetNotFoundException(AwsError):
    code = "TargetNotFoundException"


def _machine(reader: Snapshot | Tx, ctx: RequestContext, params: Params) -> Instance:
    """The instance that registers, by its identity document. Raises ClientException."""
    try:
        id = json.loads(params.get("instanceIdentityDocument") or "")["instanceId"]
    except (ValueError, TypeError, KeyError) as error:
        raise errors.ClientException("Invalid instance identity document.") from error
    found = reader.get(Instance, ctx.account, ctx.region, str(id))
    if found is None or found.wanted == "terminated":
        raise errors.ClientException("Invalid instance identity document.")
    return found


def _assigned(machine: Instance) -> dict[str, str | None]:
    """The attributes that ECS itself knows."""
    values = (machine.availability_zone, machine.instance_type, machine.image_id, "linux", machine.vpc_id)
    processor = "arm64" if machine.architecture == "arm64" else "x86_64"
    named = zip(_ASSIGNED, (*values, machine.subnet_id), strict=True)
    return {**dict(named), "ecs.cpu-architecture": processor}


def _resource(given: dict[str, Any]) -> int | list[str]:
    if given.get("type") == "STRINGSET":
        return [str(each) for each in given.get("stringSetValue") or ()]
    return int(given.get("integerValue") or given.get("longValue") or given.get("doubleValue") or 0)


def _chosen(reader: Snapshot, instance: ContainerInstance, expression: str) -> bool:
    tasks = tasks_on(reader, instance)
    counted = {
        "agentConnected": str(instance.agent_connected).lower(),
        "runningTasksCount": str(sum(each.last_status == "RUNNING" for each in tasks)),
        "pendingTasksCount": str(sum(each.last_status in COMING for each in tasks)),
        "registeredAt": str(instance.registered_at),
        "status": instance.status,
    }
    return matches(instance.instance_id, {**instance.attributes, **counted}, expression)


def _named(
    reader: Snapshot | Tx, ctx: RequestContext, cluster: Cluster, names: Sequence[str]
) -> tuple[list[ContainerInstance], list[dict[str, str]]]:
    """Those of the cluster, and failures for those that it has not."""
    found, failures = [], []
    for each in names:
        id = last_part(own_name(ctx, each, "container-instance"))
        instance = reader.get(ContainerInstance, ctx.account, ctx.region, id)
        if instance is not None and instance.cluster == cluster.id:
            found.append(instance)
        else:
            where = each if each.startswith("arn:") else arn(cluster, "container-instance", cluster.id, each)
            failures.append({"arn": where, "reason": "MISSING"})
    return found, failures

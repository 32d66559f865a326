"""Has Cloud Map know the tasks of a service: their addresses and ports as instances of its registries.

A task is an instance while it runs and is meant to; what Cloud Map was told last is kept with the task, so that it is
told once, and told again what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.ecs.connect.shares import places
from kunren.services.ecs.model import Service, Task
from kunren.services.ecs.services.balancing import members
from kunren.services.ecs.services.facts import containers_well, health_of
from kunren.services.ecs.services.model import Member
from kunren.services.ecs.services.scheduling import UNHEALTHY, WAITING


class Discovery:
    """`keep` takes the steps that are due for one service."""

    def __init__(self, store: Store, call: CallService) -> None:
        self._store, self._call = store, call

    async def keep(self, service: Service, now: float) -> None:
        """Raises AwsError where Cloud Map refuses."""
        snapshot = self._store.snapshot()
        for member, task in members(snapshot, service):
            wanted = instances(snapshot, service, member, task, now)
            for arn in [each for each in member.registries if each not in wanted]:
                await self._gone(member, arn)
            for arn, attributes in wanted.items():
                await self._told(member, arn, attributes)

    async def _told(self, member: Member, arn: str, attributes: dict[str, str]) -> None:
        status = attributes["AWS_INIT_HEALTH_STATUS"]
        named = {"ServiceId": arn.rpartition("/")[2], "InstanceId": member.id}
        before = member.registries.get(arn)
        if before == status:
            return
        if before is None:
            await self._ask(member, "RegisterInstance", {**named, "Attributes": attributes})
        else:
            try:
                await self._ask(member, "UpdateInstanceCustomHealthStatus", {**named, "Status": status})
            except AwsError as error:
                if error.code not in ("CustomHealthNotFound", "InstanceNotFound"):
                    raise
        self._note(member, arn, status)

    async def _gone(self, member: Member, arn: str) -> None:
        try:
            named = {"ServiceId": arn.rpartition("/")[2], "InstanceId": member.id}
            await self._ask(member, "DeregisterInstance", named)
        except AwsError as error:
            if error.code not in ("InstanceNotFound", "ServiceNotFound"):
                raise
        self._note(member, arn, None)

    async def _ask(self, member: Member, operation: str, params: Mapping[str, Any]) -> None:
        await self._call(member.account, member.region, "servicediscovery", operation, params)

    def _note(self, member: Member, arn: str, status: str | None) -> None:
        with self._store.write() as tx:
            found = tx.get(Member, member.account, member.region, member.id)
            if found is not None:
                kept = {name: each for name, each in found.registries.items() if name != arn}
                tx.put(replace(found, registries=kept if status is None else {**kept, arn: status}))


def instances(
    snapshot: Snapshot, service: Service, member: Member, task: Task | None, now: float
) -> dict[str, dict[str, str]]:
    """By registry (its ARN): the attributes of the instance that the task is to be there. What it offers to a namespace
    of Service Connect is there while its containers are well."""
    deployment = service.deployment(member.deployment)
    if task is None or deployment is None or task.desired_status != "RUNNING" or task.last_status != "RUNNING":
        return {}
    health, checked = health_of(snapshot, task, deployment, 0.0, now)
    ill = health == UNHEALTHY or (checked and health == WAITING)
    told = {
        "AWS_INIT_HEALTH_STATUS": "UNHEALTHY" if ill else "HEALTHY",
        "AVAILABILITY_ZONE": task.availability_zone or "",
        "ECS_CLUSTER_NAME": service.cluster,
        "ECS_SERVICE_NAME": service.name,
        "ECS_TASK_DEFINITION_FAMILY": task.definition.rpartition(":")[0],
        "ECS_TASK_SET_EXTERNAL_ID": deployment.external_id or "",
        "REGION": service.region,
    }
    at = {
        each["registryArn"]: (task.private_ip or "", each.get("port") or each.get("containerPort"))
        for each in deployment.document.get("serviceRegistries") or ()
    }
    if containers_well(snapshot, task):
        at |= {registry_arn(service, offer.registry): (address, port) for offer, address, port in places(task)}
    found = {}
    for registry, (address, port) in at.items():
        attributes = {**told, "AWS_INSTANCE_IPV4": address, "AWS_INSTANCE_PORT": str(port or "")}
        found[registry] = {name: value for name, value in attributes.items() if value}
    return found


def registry_arn(service: Service, id: str) -> str:
    return f"arn:aws:servicediscovery:{service.region}:{service.account}:service/{id}"

"""Instances: who they are, how they are, and how they are found."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.servicediscovery.api.base import Base, paged
from kunren.services.servicediscovery.discovery import chosen
from kunren.services.servicediscovery.errors import (
    CustomHealthNotFound,
    InvalidInput,
    NamespaceNotFound,
    ResourceInUse,
    ResourceLimitExceeded,
    ServiceNotFound,
)
from kunren.services.servicediscovery.health import health_of
from kunren.services.servicediscovery.model import (
    HEALTHY,
    UNHEALTHY,
    Instance,
    Namespace,
    Service,
    View,
    instance_id,
    instances_of,
    under_way,
)
from kunren.services.servicediscovery.records import ALIAS, CNAME, IPV4, IPV6, NEEDED, PORT

INSTANCES_MAX = 1000
"""AWS Cloud Map quotas: "Instances per service"."""
ATTRIBUTES_MAX, ATTRIBUTES_LENGTH_MAX = 30, 5000
INIT_HEALTH, EC2_INSTANCE = "AWS_INIT_HEALTH_STATUS", "AWS_EC2_INSTANCE_ID"
_NAME = re.compile(r"[0-9a-zA-Z_/:.@-]{1,64}")


class InstanceOperations(Base):
    """Handlers."""

    async def register_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        service = self._service(self._store.snapshot(), ctx, params["ServiceId"])
        attributes = await self._resolved(ctx, params["Attributes"])
        _check(service, params["InstanceId"], attributes)
        with self._store.write() as tx:
            service = self._service(tx, ctx, params["ServiceId"])
            id = instance_id(service.id, params["InstanceId"])
            before = tx.get(Instance, ctx.account, ctx.region, id)
            if before is None and len(instances_of(tx, service)) >= INSTANCES_MAX:
                raise ResourceLimitExceeded(f"The quota of {INSTANCES_MAX} instances is reached")
            self._one_at_a_time(tx, ctx, service, params["InstanceId"])
            check = before.health_check if before is not None else ""
            stays = before is not None and _place(before.attributes) == _place(attributes)
            tx.put(
                Instance(
                    account=ctx.account, region=ctx.region, id=id, service=service.id, name=params["InstanceId"],
                    attributes=attributes, custom_health=attributes.get(INIT_HEALTH, HEALTHY),
                    health_check=check if stays else "",
                    request=params.get("CreatorRequestId"), registered_at=self._clock.now(),
                )
            )  # fmt: skip
            _changed(tx, service)
            return self._operation(
                tx, ctx, "REGISTER_INSTANCE", service.namespace,
                {"INSTANCE": params["InstanceId"], "SERVICE": service.id}, request=params.get("CreatorRequestId"),
                leftover="" if stays else check,
            )  # fmt: skip

    async def _resolved(self, ctx: RequestContext, attributes: dict[str, str]) -> dict[str, str]:
        """With the address of the EC2 instance that is named."""
        if EC2_INSTANCE not in attributes:
            return dict(attributes)
        wanted = {"InstanceIds": [attributes[EC2_INSTANCE]]}
        try:
            told = await self._call(ctx.account, ctx.region, "ec2", "DescribeInstances", wanted)
            address = told["Reservations"][0]["Instances"][0]["PrivateIpAddress"]
        except (AwsError, LookupError):
            raise InvalidInput(f"The instance {attributes[EC2_INSTANCE]} has no private address") from None
        return {**attributes, IPV4: address}

    def _one_at_a_time(self, tx: Tx, ctx: RequestContext, service: Service, name: str) -> None:
        """Raises ResourceInUse while another operation on the instance is under way."""
        for each in under_way(tx, ctx.account, ctx.region, service.namespace):
            if each.targets.get("SERVICE") == service.id and each.targets.get("INSTANCE") == name:
                raise ResourceInUse(f"Another operation of type {each.type} is in progress for instance {name}")

    def deregister_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            service = self._service(tx, ctx, params["ServiceId"])
            found = self._instance(tx, service, params["InstanceId"])
            self._one_at_a_time(tx, ctx, service, found.name)
            tx.delete(found)
            _changed(tx, service)
            targets = {"INSTANCE": found.name, "SERVICE": service.id}
            return self._operation(
                tx, ctx, "DEREGISTER_INSTANCE", service.namespace, targets, leftover=found.health_check
            )  # fmt: skip

    def get_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._instance(snapshot, self._service(snapshot, ctx, params["ServiceId"]), params["InstanceId"])
        request = {"CreatorRequestId": found.request} if found.request else {}
        return {"ResourceOwner": found.account, "Instance": {**_shape(found), **request}}

    def list_instances(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        service = self._service(snapshot, ctx, params["ServiceId"])
        part, more = paged(instances_of(snapshot, service), params, lambda each: each.name)
        return {"ResourceOwner": ctx.account, "Instances": [_shape(each) for each in part], **more}

    # --- health ---------------------------------------------------------------------------------------------------

    def update_instance_custom_health_status(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            service = self._service(tx, ctx, params["ServiceId"])
            if not service.custom_health:
                raise CustomHealthNotFound("The service has no custom health check")
            found = self._instance(tx, service, params["InstanceId"])
            if found.custom_health != params["Status"]:
                tx.put(msgspec.structs.replace(found, custom_health=params["Status"]))
                _changed(tx, service)

    async def get_instances_health_status(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        service = self._service(snapshot, ctx, params["ServiceId"])
        if params.get("Instances"):
            wanted = [self._instance(snapshot, service, each) for each in params["Instances"]]
        else:
            wanted = instances_of(snapshot, service)
        part, more = paged(wanted, params, lambda each: each.name)
        health = await health_of(self._call, service, part)
        return {"Status": {each.name: health[each.id] for each in part}, **more}

    # --- discovery ------------------------------------------------------------------------------------------------

    def _named(self, view: View, ctx: RequestContext, params: dict[str, Any]) -> tuple[Namespace, Service]:
        """Raises NamespaceNotFound, ServiceNotFound."""
        account = params.get("OwnerAccount") or ctx.account
        name = params["NamespaceName"].rstrip(".")
        spaces = [each for each in view.list(Namespace, account, ctx.region) if each.name == name and each.ready]
        if not spaces:
            raise NamespaceNotFound(f"Namespace not found: {params['NamespaceName']}")
        for space in spaces:
            for each in view.list(Service, account, ctx.region):
                if each.namespace == space.id and each.name == params["ServiceName"]:
                    return space, each
        raise ServiceNotFound(f"Service not found: {params['ServiceName']}")

    async def discover_instances(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        namespace, service = self._named(snapshot, ctx, params)
        instances = instances_of(snapshot, service)
        health = await health_of(self._call, service, instances)
        found = chosen(
            instances,
            health,
            params.get("HealthStatus"),
            params.get("QueryParameters"),
            params.get("OptionalParameters"),
        )
        shown = self._entropy.shuffled(found)[: params.get("MaxResults") or 100]
        told = [
            {
                "InstanceId": each.name, "NamespaceName": namespace.name, "ServiceName": service.name,
                "HealthStatus": health[each.id], "Attributes": each.attributes,
            }
            for each in shown
        ]  # fmt: skip
        return {"Instances": told, "InstancesRevision": service.revision}

    def discover_instances_revision(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"InstancesRevision": self._named(self._store.snapshot(), ctx, params)[1].revision}


def _place(attributes: dict[str, str]) -> list[str | None]:
    """What a health check of the instance is made for."""
    return [attributes.get(each) for each in (IPV4, IPV6, PORT)]


def _changed(tx: Tx, service: Service) -> None:
    tx.put(msgspec.structs.replace(service, revision=service.revision + 1))


def _shape(instance: Instance) -> dict[str, Any]:
    return {"Id": instance.name, "Attributes": instance.attributes, "CreatedByAccount": instance.account}


def _check(service: Service, name: str, attributes: dict[str, str]) -> None:
    """Raises InvalidInput."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"The instance id {name} may have letters, digits and _/:.@- alone")
    if sum(not each.startswith("AWS_") for each in attributes) > ATTRIBUTES_MAX:
        raise InvalidInput(f"An instance can have {ATTRIBUTES_MAX} attributes of its own at most")
    if sum(len(key) + len(value) for key, value in attributes.items()) > ATTRIBUTES_LENGTH_MAX:
        raise InvalidInput(f"An instance's attributes can have {ATTRIBUTES_LENGTH_MAX} characters at most")
    if ALIAS in attributes:
        if service.routing != "WEIGHTED":
            raise InvalidInput(f"{ALIAS} is for services with the routing policy WEIGHTED")
        if any(each.startswith("AWS_INSTANCE_") for each in attributes):
            raise InvalidInput(f"{ALIAS} can't be specified together with AWS_INSTANCE attributes")
        if service.health_check is not None or any(kind not in ("A", "AAAA") for kind, _ in service.records):
            raise InvalidInput(f"{ALIAS} is for services with records A or AAAA and without HealthCheckConfig")
    else:
        for kind, _ in service.records:
            missing = [each for each in NEEDED[kind] if each not in attributes]
            if missing:
                raise InvalidInput(f"The attribute {missing[0]} is required for a service with a record of type {kind}")
            if kind == "SRV" and not {IPV4, IPV6} & attributes.keys():
                raise InvalidInput(f"{IPV4} or {IPV6} is required for a service with a record of type SRV")
    if attributes.get(INIT_HEALTH, HEALTHY) not in (HEALTHY, UNHEALTHY):
        raise InvalidInput(f"{INIT_HEALTH} is HEALTHY or UNHEALTHY")
    if PORT in attributes and not (attributes[PORT].isdigit() and 1 <= int(attributes[PORT]) <= 65535):
        raise InvalidInput(f"{PORT} is no port: {attributes[PORT]}")
    for attribute, address in ((IPV4, ipaddress.IPv4Address), (IPV6, ipaddress.IPv6Address)):
        if attribute in attributes:
            try:
                address(attributes[attribute])
            except ValueError:
                raise InvalidInput(f"{attribute} is no address: {attributes[attribute]}") from None
    if CNAME in attributes and not attributes[CNAME]:
        raise InvalidInput(f"{CNAME} is empty")

"""Services: what is found in a namespace under one name."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire
from kunren.services.servicediscovery.api.base import Base, check_tags, paged, passes
from kunren.services.servicediscovery.errors import (
    InvalidInput,
    NamespaceNotFound,
    ResourceInUse,
    ServiceAlreadyExists,
    ServiceAttributesLimitExceededException,
)
from kunren.services.servicediscovery.model import (
    DNS_PRIVATE,
    HTTP,
    Namespace,
    Service,
    View,
    instances_of,
    under_way,
)

ATTRIBUTES_MAX = 30
_DNS_LABELS = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?", re.IGNORECASE)


class ServiceOperations(Base):
    """Handlers."""

    def create_service(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        dns = params.get("DnsConfig") or {}
        id = params.get("NamespaceId") or dns.get("NamespaceId")
        if not id:
            raise InvalidInput("NamespaceId is required")
        tags = tags_from_wire(params.get("Tags"))
        check_tags(tags, params["Name"])
        with self._store.write() as tx:
            namespace = self._namespace(tx, ctx, id)
            if namespace.ending:
                raise NamespaceNotFound(f"{id}")
            _check(namespace, params)
            for each in tx.list(Service, ctx.account, ctx.region):
                if each.namespace == namespace.id and each.name.lower() == params["Name"].lower():
                    if each.request is not None and each.request == params.get("CreatorRequestId"):
                        return {"Service": service_shape(tx, each)}
                    raise ServiceAlreadyExists(
                        "Service already exists.", ServiceId=each.id, ServiceArn=each.arn,
                        CreatorRequestId=each.request or "",
                    )  # fmt: skip
            made = Service(
                account=ctx.account, region=ctx.region, id=self._id("srv"), name=params["Name"],
                namespace=namespace.id, description=params.get("Description"),
                records=tuple((each["Type"], each["TTL"]) for each in dns.get("DnsRecords") or ()),
                routing=dns.get("RoutingPolicy") or "MULTIVALUE", by_http_only=params.get("Type") == "HTTP",
                health_check=_health_check(params), custom_health=params.get("HealthCheckCustomConfig") is not None,
                request=params.get("CreatorRequestId"), created_at=self._clock.now(), tags=tags,
            )  # fmt: skip
            tx.put(made)
            return {"Service": service_shape(tx, made)}

    def get_service(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return {"Service": service_shape(snapshot, self._service(snapshot, ctx, params["Id"]))}

    def list_services(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = [
            each
            for each in snapshot.list(Service, ctx.account, ctx.region)
            if passes(params.get("Filters"), {"NAMESPACE_ID": each.namespace, "RESOURCE_OWNER": "SELF"})
        ]
        part, more = paged(found, params, lambda each: each.id)
        shapes = [service_shape(snapshot, each) for each in part]
        for each in shapes:
            each.pop("NamespaceId"), each.pop("CreatorRequestId", None)
        return {"Services": shapes, **more}

    def update_service(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """What is omitted is deleted (UpdateService); instances get their health checks anew where these change."""
        told = params["Service"]
        with self._store.write() as tx:
            found = self._service(tx, ctx, params["Id"])
            namespace = self._namespace(tx, ctx, found.namespace)
            if namespace.type == HTTP:
                raise InvalidInput("Services in an HTTP namespace can't be updated")
            records = tuple((each["Type"], each["TTL"]) for each in (told.get("DnsConfig") or {}).get("DnsRecords", ()))
            kinds = [each for each, _ in records]
            if len(set(kinds)) != len(kinds) or not set(kinds) <= {each for each, _ in found.records}:
                raise InvalidInput("DNS records can't be added to a service")
            check = _health_check(told)
            if check is not None and (found.custom_health or namespace.type == DNS_PRIVATE):
                raise InvalidInput("HealthCheckConfig can't be specified for this service")
            changed = msgspec.structs.replace(
                found, description=told.get("Description", found.description), records=records, health_check=check
            )
            tx.put(changed)
            return self._operation(
                tx, ctx, "UPDATE_SERVICE", found.namespace, {"SERVICE": found.id},
                leftover=" ".join(self._unchecked(tx, found)) if check != found.health_check else "",
            )  # fmt: skip

    def _unchecked(self, tx: Tx, service: Service) -> list[str]:
        """Its instances lose their health checks; which those were."""
        checked = [each for each in instances_of(tx, service) if each.health_check]
        for each in checked:
            tx.put(msgspec.structs.replace(each, health_check=""))
        return [each.health_check for each in checked]

    def delete_service(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._service(tx, ctx, params["Id"])
            if instances_of(tx, found) or any(
                each.targets.get("SERVICE") == found.id
                for each in under_way(tx, ctx.account, ctx.region, found.namespace)
            ):
                raise ResourceInUse(
                    "Service contains registered instances; delete the instances before deleting the service"
                )
            tx.delete(found)

    # --- attributes -----------------------------------------------------------------------------------------------

    def get_service_attributes(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._service(self._store.snapshot(), ctx, params["ServiceId"])
        told = {"ServiceArn": found.arn, "ResourceOwner": found.account, "Attributes": found.attributes}
        return {"ServiceAttributes": told}

    def update_service_attributes(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._service(tx, ctx, params["ServiceId"])
            attributes = {**found.attributes, **params["Attributes"]}
            if len(attributes) > ATTRIBUTES_MAX:
                raise ServiceAttributesLimitExceededException(f"A service can have {ATTRIBUTES_MAX} attributes at most")
            tx.put(msgspec.structs.replace(found, attributes=attributes))

    def delete_service_attributes(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._service(tx, ctx, params["ServiceId"])
            left = {key: each for key, each in found.attributes.items() if key not in params["Attributes"]}
            tx.put(msgspec.structs.replace(found, attributes=left))


def _check(namespace: Namespace, params: dict[str, Any]) -> None:
    """Raises InvalidInput."""
    dns = params.get("DnsConfig")
    if dns is not None and namespace.type == HTTP:
        raise InvalidInput("DnsConfig can't be specified for a service in an HTTP namespace")
    if dns is not None and params.get("Type") == "HTTP":
        raise InvalidInput("DnsConfig can't be specified for a service of type HTTP")
    if params.get("HealthCheckConfig") is not None and params.get("HealthCheckCustomConfig") is not None:
        raise InvalidInput("Specify either HealthCheckConfig or HealthCheckCustomConfig, not both")
    if params.get("HealthCheckConfig") is not None and namespace.type == DNS_PRIVATE:
        raise InvalidInput("HealthCheckConfig can't be specified for a service in a private DNS namespace")
    _health_check(params)
    types = [each["Type"] for each in (dns or {}).get("DnsRecords") or ()]
    if len(set(types)) != len(types) or ("CNAME" in types and len(types) > 1):
        raise InvalidInput("A service can have one record of each type, and CNAME by itself alone")
    if "CNAME" in types and dns is not None and dns.get("RoutingPolicy") != "WEIGHTED":
        raise InvalidInput("A service with a CNAME record must have the routing policy WEIGHTED")
    if types and not _DNS_LABELS.fullmatch(params["Name"]):
        raise InvalidInput(f"The name {params['Name']} is no name that DNS could have")


def _health_check(params: dict[str, Any]) -> dict[str, Any] | None:
    """HealthCheckConfig as Route 53's HealthCheckConfig has it. Raises InvalidInput."""
    told = params.get("HealthCheckConfig")
    if told is None:
        return None
    if told["Type"] == "TCP" and told.get("ResourcePath"):
        raise InvalidInput("ResourcePath can't be specified for a TCP health check")
    found = {"Type": told["Type"], "FailureThreshold": told.get("FailureThreshold") or 1, "RequestInterval": 30}
    return found if told["Type"] == "TCP" else {**found, "ResourcePath": told.get("ResourcePath") or "/"}


def service_shape(view: View, service: Service) -> dict[str, Any]:
    told: dict[str, Any] = {
        "Id": service.id, "Arn": service.arn, "ResourceOwner": service.account, "Name": service.name,
        "NamespaceId": service.namespace, "InstanceCount": len(instances_of(view, service)),
        "CreateDate": service.created_at, "CreatedByAccount": service.account,
    }  # fmt: skip
    namespace = view.get(Namespace, service.account, service.region, service.namespace)
    by_http = service.by_http_only or namespace is None or namespace.type == HTTP
    told["Type"] = "HTTP" if by_http else "DNS_HTTP"
    if service.description is not None:
        told["Description"] = service.description
    if service.request is not None:
        told["CreatorRequestId"] = service.request
    if service.records:
        records = [{"Type": kind, "TTL": ttl} for kind, ttl in service.records]
        told["DnsConfig"] = {
            "NamespaceId": service.namespace, "RoutingPolicy": service.routing, "DnsRecords": records
        }  # fmt: skip
    if service.health_check is not None:
        shown = ("Type", "ResourcePath", "FailureThreshold")
        told["HealthCheckConfig"] = {key: each for key, each in service.health_check.items() if key in shown}
    if service.custom_health:
        told["HealthCheckCustomConfig"] = {"FailureThreshold": 1}
    return told

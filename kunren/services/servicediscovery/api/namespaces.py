"""Namespaces, operations, tags."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.servicediscovery.api.base import Base, check_tags, paged, passes
from kunren.services.servicediscovery.errors import (
    DuplicateRequest,
    InvalidInput,
    NamespaceAlreadyExists,
    OperationNotFound,
    ResourceInUse,
    ResourceLimitExceeded,
    ResourceNotFoundException,
)
from kunren.services.servicediscovery.model import (
    DNS_PRIVATE,
    DNS_PUBLIC,
    HTTP,
    Namespace,
    Operation,
    Service,
    View,
    services_of,
)

NAMESPACES_MAX = 50
"""AWS Cloud Map quotas: "Namespaces per Region"."""
_DNS_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.IGNORECASE)


class NamespaceOperations(Base):
    """Handlers."""

    def create_http_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create(ctx, params, HTTP)

    async def create_private_dns_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = {"VpcIds": [params["Vpc"]]}
        try:
            await self._call(ctx.account, ctx.region, "ec2", "DescribeVpcs", wanted)
        except AwsError:
            raise InvalidInput(
                f"The VPC {params['Vpc']} in region {ctx.region} that you provided is not authorized to make the "
                "association."
            ) from None
        return self._create(ctx, params, DNS_PRIVATE)

    def create_public_dns_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create(ctx, params, DNS_PUBLIC)

    def _create(self, ctx: RequestContext, params: dict[str, Any], type: str) -> dict[str, Any]:
        name = params["Name"].rstrip(".")
        if type != HTTP and not _DNS_NAME.fullmatch(name):
            raise InvalidInput(f"The name {params['Name']} is no domain name")
        tags = tags_from_wire(params.get("Tags"))
        check_tags(tags, name)
        with self._store.write() as tx:
            others = tx.list(Namespace, ctx.account, ctx.region)
            request = params.get("CreatorRequestId")
            for each in others:
                if request is not None and each.request == request:
                    told = self._first_operation(tx, ctx, each.id)
                    if (each.name, each.type) == (name, type):
                        return {"OperationId": told}
                    raise DuplicateRequest("The request was used before", DuplicateOperationId=told)
                if each.name == name and (each.type, each.vpc) == (type, params.get("Vpc", "")):
                    raise NamespaceAlreadyExists(
                        f"Namespace already exists: {name}", NamespaceId=each.id, CreatorRequestId=each.request or ""
                    )
            if len(others) >= NAMESPACES_MAX:
                raise ResourceLimitExceeded(f"The quota of {NAMESPACES_MAX} namespaces is reached")
            made = Namespace(
                account=ctx.account, region=ctx.region, id=self._id("ns"), name=name, type=type,
                description=params.get("Description"), vpc=params.get("Vpc", ""), soa_ttl=_soa(params) or 15,
                request=request, created_at=self._clock.now(), tags=tags,
            )  # fmt: skip
            tx.put(made)
            return self._operation(tx, ctx, "CREATE_NAMESPACE", made.id, {"NAMESPACE": made.id}, request=request)

    @staticmethod
    def _first_operation(tx: Tx, ctx: RequestContext, namespace: str) -> str:
        found = [each for each in tx.list(Operation, ctx.account, ctx.region) if each.namespace == namespace]
        return min(found, key=lambda each: each.created_at).id if found else ""

    def get_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._namespace(snapshot, ctx, params["Id"])
        request = {"CreatorRequestId": found.request} if found.request else {}
        return {"Namespace": {**namespace_shape(snapshot, found), **request}}

    def list_namespaces(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = [
            each
            for each in snapshot.list(Namespace, ctx.account, ctx.region)
            if each.ready
            and passes(
                params.get("Filters"),
                {"TYPE": each.type, "NAME": each.name, "HTTP_NAME": each.name, "RESOURCE_OWNER": "SELF"},
            )
        ]
        part, more = paged(found, params, lambda each: each.id)
        return {"Namespaces": [namespace_shape(snapshot, each) for each in part], **more}

    def delete_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._namespace(tx, ctx, params["Id"])
            if services_of(tx, found):
                raise ResourceInUse("Namespace has associated services")
            if found.ending:
                raise DuplicateRequest("The namespace is being deleted")
            tx.put(msgspec.structs.replace(found, ending=True))
            return self._operation(tx, ctx, "DELETE_NAMESPACE", found.id, {"NAMESPACE": found.id})

    def _update(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        told = params["Namespace"]
        with self._store.write() as tx:
            found = self._namespace(tx, ctx, params["Id"])
            changed = msgspec.structs.replace(
                found, description=told.get("Description", found.description), soa_ttl=_soa(told) or found.soa_ttl
            )
            tx.put(changed)
            return self._operation(tx, ctx, "UPDATE_NAMESPACE", found.id, {"NAMESPACE": found.id})

    def update_http_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update(ctx, params)

    def update_private_dns_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update(ctx, params)

    def update_public_dns_namespace(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update(ctx, params)

    # --- operations -----------------------------------------------------------------------------------------------

    def get_operation(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().get(Operation, ctx.account, ctx.region, params["OperationId"])
        if found is None:
            raise OperationNotFound(f"Operation not found: {params['OperationId']}")
        told: dict[str, Any] = {
            "Id": found.id, "OwnerAccount": found.account, "Type": found.type, "Status": found.status,
            "CreateDate": found.created_at, "UpdateDate": found.updated_at, "Targets": found.targets,
        }  # fmt: skip
        if found.error_code is not None:
            told |= {"ErrorCode": found.error_code, "ErrorMessage": found.error_message}
        return {"Operation": told}

    def list_operations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = [
            each
            for each in self._store.snapshot().list(Operation, ctx.account, ctx.region)
            if passes(
                params.get("Filters"),
                {
                    "NAMESPACE_ID": each.targets.get("NAMESPACE"), "SERVICE_ID": each.targets.get("SERVICE"),
                    "STATUS": each.status, "TYPE": each.type, "UPDATE_DATE": each.updated_at,
                },
            )
        ]  # fmt: skip
        part, more = paged(found, params, lambda each: each.id)
        return {"Operations": [{"Id": each.id, "Status": each.status} for each in part], **more}

    # --- tags -----------------------------------------------------------------------------------------------------

    def _tagged(self, view: View, ctx: RequestContext, arn: str) -> Namespace | Service:
        key = (ctx.account, ctx.region, arn.rpartition("/")[2])
        found = view.get(Namespace, *key) or view.get(Service, *key)
        if found is not None and found.arn == arn:
            return found
        raise ResourceNotFoundException(f"The resource {arn} can't be found")

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceARN"])
            tags = {**found.tags, **tags_from_wire(params["Tags"])}
            check_tags(tags, params["ResourceARN"])
            tx.put(msgspec.structs.replace(found, tags=tags))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceARN"])
            left = {key: value for key, value in found.tags.items() if key not in params["TagKeys"]}
            tx.put(msgspec.structs.replace(found, tags=left))

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": tags_to_wire(self._tagged(self._store.snapshot(), ctx, params["ResourceARN"]).tags)}


def _soa(params: dict[str, Any]) -> int | None:
    told = ((params.get("Properties") or {}).get("DnsProperties") or {}).get("SOA") or {}
    return told.get("TTL")


def namespace_shape(view: View, namespace: Namespace) -> dict[str, Any]:
    properties: dict[str, Any] = {"HttpProperties": {"HttpName": namespace.name}}
    if namespace.zone:
        properties["DnsProperties"] = {"HostedZoneId": namespace.zone, "SOA": {"TTL": namespace.soa_ttl}}
    told = {
        "Id": namespace.id, "Arn": namespace.arn, "ResourceOwner": namespace.account, "Name": namespace.name,
        "Type": namespace.type, "ServiceCount": len(services_of(view, namespace)), "Properties": properties,
        "CreateDate": namespace.created_at,
    }  # fmt: skip
    return {**told, **({"Description": namespace.description} if namespace.description is not None else {})}

"""Cloud Map: AWS::ServiceDiscovery::… Namespaces and instances are there when the operations that make
them are over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, pairs, tagging
from kunren.services.cloudformation.work import Failed, Work

_SERVICE = "servicediscovery"
_ZONE = {"HostedZoneId": "Properties.DnsProperties.HostedZoneId"}


async def _over(work: Work, operation: str) -> Mapping[str, str]:
    """The targets of an operation that has succeeded. Raises Failed where it did not."""

    async def ended() -> Mapping[str, Any] | None:
        found: Mapping[str, Any] = (await work.read(_SERVICE, "GetOperation", {"OperationId": operation}))["Operation"]
        return found if found["Status"] in ("SUCCESS", "FAIL") else None

    told = await work.until(ended)
    if told["Status"] == "FAIL":
        raise Failed(f"{told.get('ErrorMessage')} (Service: ServiceDiscovery, HandlerErrorCode: NotStabilized)")
    targets: Mapping[str, str] = told["Targets"]
    return targets


class Namespace(Declared):
    """`kind` is how its operations call it."""

    def __init__(self, kind: str, properties: str, gives: Mapping[str, str]) -> None:
        self._kind = kind
        super().__init__(
            f"AWS::ServiceDiscovery::{kind}",
            _SERVICE,
            create=f"Create{kind}",
            takes=f"Name {properties}",
            key="Id",
            describe="GetNamespace",
            item="Namespace",
            gives={"Arn": "Arn", "Id": "Id", **gives},
            tags=tagging("ResourceARN", "Arn"),
            delete="DeleteNamespace",
            updates="Description Properties",
            await_end=True,
        )

    async def create(self, work: Work) -> None:
        tags = {"Tags": pairs(work.tags)} if work.tags else {}
        params = {**work.pick(*self.takes), **tags, "CreatorRequestId": work.token}
        operation = await work.write(_SERVICE, self.create_operation, params, "OperationId")
        work.known((await _over(work, operation))["NAMESPACE"])
        await self.settle(work)

    async def update(self, work: Work) -> None:
        if work.changed("Description", "Properties"):
            told = {"Description": work.get("Description") or "", **work.pick("Properties")}
            params = {"Id": work.physical, "Namespace": told}
            await _over(work, await work.write(_SERVICE, f"Update{self._kind}", params, "OperationId"))
        await super().update(work)


class Instance(Kind):
    """Its id is the user's, or the stack's own."""

    type = "AWS::ServiceDiscovery::Instance"
    properties = frozenset({"InstanceAttributes", "InstanceId", "ServiceId"})

    async def create(self, work: Work) -> None:
        if (name := work.get("InstanceId")) is not None:
            at = {"ServiceId": work.get("ServiceId"), "InstanceId": name}
            await work.must_be_free(name, _SERVICE, "GetInstance", at)
        work.known(work.get("InstanceId") or work.name())
        await self._register(work)

    async def update(self, work: Work) -> None:
        await self._register(work)

    async def _register(self, work: Work) -> None:
        params = {
            "ServiceId": work.get("ServiceId"), "InstanceId": work.physical,
            "Attributes": {key: str(value) for key, value in (work.get("InstanceAttributes") or {}).items()},
            "CreatorRequestId": work.token,
        }  # fmt: skip
        await _over(work, await work.write(_SERVICE, "RegisterInstance", params, "OperationId"))

    async def delete(self, work: Work) -> None:
        params = {"ServiceId": work.get("ServiceId"), "InstanceId": work.physical}
        operation = await work.write(_SERVICE, "DeregisterInstance", params, "OperationId", missing_ok=True)
        if operation is not None:
            await _over(work, operation)


def _service(work: Work) -> Mapping[str, Any]:
    told = {"Description": work.get("Description") or "", **work.pick("HealthCheckConfig")}
    if (dns := work.get("DnsConfig")) is not None:
        told["DnsConfig"] = {"DnsRecords": dns["DnsRecords"]}
    return {"Id": work.physical, "Service": told}


KINDS: tuple[Kind, ...] = (
    Namespace("HttpNamespace", "Description", {}),
    Namespace("PrivateDnsNamespace", "Description Properties Vpc", _ZONE),
    Namespace("PublicDnsNamespace", "Description Properties", _ZONE),
    Declared(
        "AWS::ServiceDiscovery::Service",
        _SERVICE,
        create="CreateService",
        takes="NamespaceId Type HealthCheckCustomConfig Description DnsConfig HealthCheckConfig",
        extra=lambda work: {"CreatorRequestId": work.token},
        name="Name",
        made="Service.Id",
        key="Id",
        describe="GetService",
        item="Service",
        gives={"Arn": "Arn", "Id": "Id", "Name": "Name"},
        settings=[
            Setting("UpdateService", "Description DnsConfig HealthCheckConfig", _service, on_create=False),
            Setting(
                "UpdateServiceAttributes",
                "ServiceAttributes",
                lambda work: {"ServiceId": work.physical, "Attributes": work.get("ServiceAttributes") or {}},
            ),
        ],
        tags=tagging("ResourceARN", "Arn"),
        delete="DeleteService",
    ),
    Instance(),
)

"""Around networks: key pairs, flow logs, interfaces, endpoint services, and signed zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.ec2_parts import called, tags
from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, change, pairs
from kunren.services.cloudformation.work import Failed, Work


class KeyPair(Kind):
    """A key that is made here is kept as the parameter `/ec2/keypair/<id>`, as on AWS."""

    type = "AWS::EC2::KeyPair"
    properties = frozenset({"KeyFormat", "KeyName", "KeyType", "PublicKeyMaterial", "Tags"})
    attributes = frozenset({"KeyFingerprint", "KeyPairId"})

    async def create(self, work: Work) -> None:
        name = work.properties["KeyName"]
        params: dict[str, Any] = {"KeyName": name}
        if work.tags:
            params["TagSpecifications"] = [{"ResourceType": "key-pair", "Tags": pairs(work.tags)}]

        def kept(answer: Mapping[str, Any]) -> dict[str, Any]:
            return {key: answer.get(key, "") for key in ("KeyPairId", "KeyFingerprint", "KeyMaterial")}

        if material := work.get("PublicKeyMaterial"):
            made = await work.write("ec2", "ImportKeyPair", {**params, "PublicKeyMaterial": material.encode()}, kept)
        else:
            made = await work.write("ec2", "CreateKeyPair", {**params, **work.pick("KeyFormat", "KeyType")}, kept)
            work.known(name)  # it goes again where its secret can't be kept
            work.attributes = {key: made[key] for key in self.attributes}
            secret = {
                "Name": f"/ec2/keypair/{made['KeyPairId']}",
                "Type": "SecureString",
                "Value": made["KeyMaterial"],
                "Overwrite": True,
            }
            await work.write("ssm", "PutParameter", secret)
        work.known(name)
        work.attributes = {key: made[key] for key in self.attributes}

    async def update(self, work: Work) -> None:
        raise Failed("Update to resource type AWS::EC2::KeyPair is not supported.")

    async def delete(self, work: Work) -> None:
        if not work.get("PublicKeyMaterial"):
            name = f"/ec2/keypair/{work.attributes.get('KeyPairId', '')}"
            await work.write("ssm", "DeleteParameter", {"Name": name}, missing_ok=True)
        await work.write("ec2", "DeleteKeyPair", {"KeyName": work.physical}, missing_ok=True)


class PlacementGroup(Kind):
    type = "AWS::EC2::PlacementGroup"
    properties = frozenset({"PartitionCount", "SpreadLevel", "Strategy", "Tags"})
    attributes = frozenset({"GroupName"})

    async def create(self, work: Work) -> None:
        params = {"GroupName": work.name(255), **work.pick("PartitionCount", "SpreadLevel", "Strategy")}
        if work.tags:
            params["TagSpecifications"] = [{"ResourceType": "placement-group", "Tags": pairs(work.tags)}]
        await work.write("ec2", "CreatePlacementGroup", params)
        work.known(params["GroupName"])
        work.attributes = {"GroupName": params["GroupName"]}

    async def delete(self, work: Work) -> None:
        await work.write("ec2", "DeletePlacementGroup", {"GroupName": work.physical}, missing_ok=True)


class EndpointServicePermissions(Kind):
    type = "AWS::EC2::VPCEndpointServicePermissions"
    properties = frozenset({"AllowedPrincipals", "ServiceId"})

    async def create(self, work: Work) -> None:
        work.known(work.properties["ServiceId"])
        await self._change(work, [], work.get("AllowedPrincipals") or [])

    async def update(self, work: Work) -> None:
        await self._change(work, work.before.get("AllowedPrincipals") or [], work.get("AllowedPrincipals") or [])

    async def delete(self, work: Work) -> None:
        await self._change(work, work.get("AllowedPrincipals") or [], [])

    async def _change(self, work: Work, old: list[str], new: list[str]) -> None:
        params: dict[str, Any] = {"ServiceId": work.properties["ServiceId"]}
        if added := [each for each in new if each not in old]:
            params["AddAllowedPrincipals"] = added
        if gone := [each for each in old if each not in new]:
            params["RemoveAllowedPrincipals"] = gone
        if len(params) > 1:
            await work.write("ec2", "ModifyVpcEndpointServicePermissions", params, missing_ok=True)


class ZoneSigning(Kind):
    """It is complete when answers are signed, and gone when they are not."""

    type = "AWS::Route53::DNSSEC"
    properties = frozenset({"HostedZoneId"})

    async def create(self, work: Work) -> None:
        work.known(work.properties["HostedZoneId"])
        await work.write("route53", "EnableHostedZoneDNSSEC", {"HostedZoneId": work.physical})
        await self._until(work, "SIGNING")

    async def update(self, work: Work) -> None:
        return

    async def delete(self, work: Work) -> None:
        await work.write("route53", "DisableHostedZoneDNSSEC", {"HostedZoneId": work.physical}, missing_ok=True)
        await self._until(work, "NOT_SIGNING")

    async def _until(self, work: Work, wanted: str) -> None:
        async def there() -> bool | None:
            shown = await work.read("route53", "GetDNSSEC", {"HostedZoneId": work.physical})
            return True if shown["Status"]["ServeSignature"] == wanted else None

        await work.until(there)


class KeySigningKey(Kind):
    """Only an inactive one can be deleted."""

    type = "AWS::Route53::KeySigningKey"
    properties = frozenset({"HostedZoneId", "KeyManagementServiceArn", "Name", "Status"})

    def _at(self, work: Work) -> dict[str, Any]:
        return work.pick("HostedZoneId", "Name")

    async def create(self, work: Work) -> None:
        params = {**work.properties, "CallerReference": work.token}
        await work.write("route53", "CreateKeySigningKey", params)
        work.known(f"{work.properties['HostedZoneId']}|{work.properties['Name']}")

    async def update(self, work: Work) -> None:
        verb = "Activate" if work.get("Status") == "ACTIVE" else "Deactivate"
        await work.write("route53", f"{verb}KeySigningKey", self._at(work))

    async def delete(self, work: Work) -> None:
        await work.write("route53", "DeactivateKeySigningKey", self._at(work), missing_ok=True)
        await work.write("route53", "DeleteKeySigningKey", self._at(work), missing_ok=True)


KINDS: tuple[Kind, ...] = (
    KeyPair(),
    PlacementGroup(),
    EndpointServicePermissions(),
    ZoneSigning(),
    KeySigningKey(),
    Declared(
        "AWS::EC2::FlowLog",
        "ec2",
        create="CreateFlowLogs",
        takes="DeliverLogsPermissionArn LogDestination LogDestinationType LogFormat LogGroupName "
        "MaxAggregationInterval ResourceType TrafficType",
        extra=lambda work: {"ResourceIds": [work.properties["ResourceId"]], "ClientToken": work.token},
        also="ResourceId",
        made="FlowLogIds[0]",
        key="FlowLogIds[]",
        describe="DescribeFlowLogs",
        item="FlowLogs[0]",
        gives={"Id": "FlowLogId"},
        tags=tags("vpc-flow-log"),
        delete="DeleteFlowLogs",
    ),
    Declared(
        "AWS::EC2::NetworkInterface",
        "ec2",
        **called("NetworkInterface"),
        takes="Description GroupSet=Groups Ipv6AddressCount Ipv6Addresses PrivateIpAddress PrivateIpAddresses "
        "SecondaryPrivateIpAddressCount SubnetId",
        gives={"Id": "NetworkInterfaceId", "PrimaryPrivateIpAddress": "PrivateIpAddress", "VpcId": "VpcId"},
        settings=[
            Setting(
                "ModifyNetworkInterfaceAttribute",
                "SourceDestCheck",
                lambda work: {
                    "NetworkInterfaceId": work.physical,
                    "SourceDestCheck": {"Value": bool(work.get("SourceDestCheck", True))},
                },
            ),
            Setting(
                "ModifyNetworkInterfaceAttribute",
                "GroupSet",
                lambda work: {"NetworkInterfaceId": work.physical, "Groups": work.get("GroupSet") or []},
                on_create=False,
            ),
            Setting(
                "ModifyNetworkInterfaceAttribute",
                "Description",
                lambda work: {
                    "NetworkInterfaceId": work.physical,
                    "Description": {"Value": work.get("Description", "")},
                },
                on_create=False,
            ),
        ],
        tags=tags("network-interface"),
    ),
    Declared(
        "AWS::EC2::VPCEndpointService",
        "ec2",
        create="CreateVpcEndpointServiceConfiguration",
        takes="AcceptanceRequired NetworkLoadBalancerArns PrivateDnsName SupportedIpAddressTypes",
        extra=lambda work: {"ClientToken": work.token},
        made="ServiceConfiguration.ServiceId",
        key="ServiceIds[]",
        describe="DescribeVpcEndpointServiceConfigurations",
        item="ServiceConfigurations[0]",
        ready="ServiceState == 'Available'",
        gives={"ServiceId": "ServiceId"},
        settings=[change("ModifyVpcEndpointServiceConfiguration", "ServiceId", "AcceptanceRequired PrivateDnsName")],
        tags=tags("vpc-endpoint-service"),
        delete="DeleteVpcEndpointServiceConfigurations",
    ),
)

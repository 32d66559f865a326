"""Networks: the types and settings that a row can't say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Tagging, pairs
from kunren.services.cloudformation.work import Failed, Work


def called(noun: str) -> dict[str, Any]:
    """The part of a row that the usual names of EC2 say: `Create…`, `Describe…s` by ids, `Delete…` by id."""
    return {
        "create": f"Create{noun}",
        "made": f"{noun}.{noun}Id",
        "key": f"{noun}Id",
        "describe": f"Describe{noun}s",
        "by": f"{noun}Ids[]",
        "item": f"{noun}s[0]",
        "delete": f"Delete{noun}",
    }


def tags(resource_type: str) -> Tagging:
    def given(work: Work) -> Mapping[str, Any]:
        return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": pairs(work.tags)}]} if work.tags else {}

    return Tagging(given, _change_tags)


def _change_tags(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    id = work.attributes.get("AllocationId", work.physical)  # an Elastic IP's Ref is its address
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if removed:
        calls.append(("DeleteTags", {"Resources": [id], "Tags": [{"Key": key} for key in removed]}))
    if added:
        calls.append(("CreateTags", {"Resources": [id], "Tags": pairs(added)}))
    return calls


def attribute(operation: str, key: str, property: str) -> Setting:
    """A property with an attribute operation of its own, whose default is false."""
    return Setting(
        operation, property, lambda work: {key: work.physical, property: {"Value": bool(work.get(property))}}
    )


def _rule(work: Work, properties: Mapping[str, Any], peer: str) -> dict[str, Any]:
    """An IpPermission from a rule as CloudFormation writes it; `peer` is "Source" or "Destination"."""
    described = {"Description": properties["Description"]} if "Description" in properties else {}
    found: dict[str, Any] = {"IpProtocol": properties["IpProtocol"]}
    found |= {key: properties[key] for key in ("FromPort", "ToPort") if key in properties}
    group = {
        wire: properties[name]
        for wire, name in (
            ("GroupId", f"{peer}SecurityGroupId"),
            ("GroupName", f"{peer}SecurityGroupName"),
            ("UserId", f"{peer}SecurityGroupOwnerId"),
        )
        if name in properties
    }
    if "CidrIp" in properties:
        found["IpRanges"] = [{"CidrIp": properties["CidrIp"], **described}]
    if "CidrIpv6" in properties:
        found["Ipv6Ranges"] = [{"CidrIpv6": properties["CidrIpv6"], **described}]
    if f"{peer}PrefixListId" in properties:
        found["PrefixListIds"] = [{"PrefixListId": properties[f"{peer}PrefixListId"], **described}]
    if group:
        found["UserIdGroupPairs"] = [{**group, **described}]
    return found


_ALL_OUT = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
_WAYS = (("SecurityGroupIngress", "Source", "Ingress"), ("SecurityGroupEgress", "Destination", "Egress"))


class SecurityGroup(Declared):
    """Rules are part of it; without egress rules it has AWS's default one, that lets all out."""

    def __init__(self) -> None:
        super().__init__(
            "AWS::EC2::SecurityGroup",
            "ec2",
            create="CreateSecurityGroup",
            takes="GroupDescription=Description VpcId",
            extra=lambda work: {"GroupName": work.get("GroupName") or work.name(255)},
            made="GroupId",
            key="GroupId",
            describe="DescribeSecurityGroups",
            by="GroupIds[]",
            item="SecurityGroups[0]",
            gives={"GroupId": "GroupId", "Id": "GroupId", "VpcId": "VpcId"},
            tags=tags("security-group"),
            delete="DeleteSecurityGroup",
            also="GroupName SecurityGroupIngress SecurityGroupEgress",
            updates="SecurityGroupIngress SecurityGroupEgress",
        )

    async def create(self, work: Work) -> None:
        await super().create(work)
        if "SecurityGroupEgress" in work.properties:
            await self._change(work, "RevokeSecurityGroupEgress", [_ALL_OUT])
        for name, peer, way in _WAYS:
            rules = [_rule(work, each, peer) for each in work.get(name) or ()]
            if rules:
                await self._change(work, f"AuthorizeSecurityGroup{way}", rules)

    async def update(self, work: Work) -> None:
        for name, peer, way in _WAYS:
            default = [_ALL_OUT] if name == "SecurityGroupEgress" else []
            old, new = (
                [_rule(work, each, peer) for each in found[name] or ()] if name in found else default
                for found in (work.before, work.properties)
            )
            if gone := [each for each in old if each not in new]:
                await self._change(work, f"RevokeSecurityGroup{way}", gone)
            if come := [each for each in new if each not in old]:
                await self._change(work, f"AuthorizeSecurityGroup{way}", come)
        await super().update(work)

    async def _change(self, work: Work, operation: str, rules: list[dict[str, Any]]) -> None:
        await work.write(
            "ec2",
            operation,
            {"GroupId": work.physical, "IpPermissions": rules},
            missing_ok=operation.startswith("Revoke"),
        )


class GroupRule(Kind):
    """A rule of a security group, as a resource of its own."""

    attributes = frozenset({"Id"})

    def __init__(self, way: str, peer: str) -> None:
        self.type = f"AWS::EC2::SecurityGroup{way}"
        self._way, self._peer = way, peer
        names = (
            "CidrIp",
            "CidrIpv6",
            "Description",
            "FromPort",
            "GroupId",
            "IpProtocol",
            "ToPort",
            f"{peer}PrefixListId",
            f"{peer}SecurityGroupId",
        )
        self.properties = frozenset({*names, "SourceSecurityGroupOwnerId"} if peer == "Source" else names)

    async def create(self, work: Work) -> None:
        rule = _rule(work, work.properties, self._peer)
        params = {"GroupId": work.properties["GroupId"], "IpPermissions": [rule]}
        await work.write(
            "ec2",
            f"AuthorizeSecurityGroup{self._way}",
            params,
            "SecurityGroupRules[0].SecurityGroupRuleId",
            physical=True,
        )
        work.attributes = {"Id": work.physical}

    async def update(self, work: Work) -> None:
        """Only the description changes without a new rule."""
        operation = f"UpdateSecurityGroupRuleDescriptions{self._way}"
        await work.write(
            "ec2",
            operation,
            {"GroupId": work.properties["GroupId"], "IpPermissions": [_rule(work, work.properties, self._peer)]},
        )

    async def delete(self, work: Work) -> None:
        params = {"GroupId": work.properties["GroupId"], "SecurityGroupRuleIds": [work.physical]}
        await work.write("ec2", f"RevokeSecurityGroup{self._way}", params, missing_ok=True)


class Route(Kind):
    type = "AWS::EC2::Route"
    _DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    _TARGETS = (
        "EgressOnlyInternetGatewayId",
        "GatewayId",
        "InstanceId",
        "NatGatewayId",
        "NetworkInterfaceId",
        "TransitGatewayId",
        "VpcEndpointId",
        "VpcPeeringConnectionId",
    )
    properties = frozenset({"RouteTableId", *_DESTINATIONS, *_TARGETS})
    attributes = frozenset({"CidrBlock"})

    async def create(self, work: Work) -> None:
        target = self._destination(work)
        await work.write("ec2", "CreateRoute", work.properties)
        work.physical = f"{work.properties['RouteTableId']}|{next(iter(target.values()))}"
        work.attributes = {"CidrBlock": next(iter(target.values()))}

    async def update(self, work: Work) -> None:
        await work.write("ec2", "ReplaceRoute", work.properties)

    async def delete(self, work: Work) -> None:
        await work.write(
            "ec2",
            "DeleteRoute",
            {"RouteTableId": work.properties["RouteTableId"], **self._destination(work)},
            missing_ok=True,
        )

    def _destination(self, work: Work) -> dict[str, str]:
        found = work.pick(*self._DESTINATIONS)
        if len(found) != 1:
            raise Failed("Exactly one of [" + ", ".join(self._DESTINATIONS) + "] must be specified and not empty")
        return found


class GatewayAttachment(Kind):
    type = "AWS::EC2::VPCGatewayAttachment"
    properties = frozenset({"InternetGatewayId", "VpcId"})

    async def create(self, work: Work) -> None:
        await work.write("ec2", "AttachInternetGateway", work.pick("InternetGatewayId", "VpcId"))
        work.physical = f"IGW|{work.properties['VpcId']}"

    async def update(self, work: Work) -> None:
        await work.write(
            "ec2",
            "DetachInternetGateway",
            {"InternetGatewayId": work.before["InternetGatewayId"], "VpcId": work.before["VpcId"]},
        )
        await work.write("ec2", "AttachInternetGateway", work.pick("InternetGatewayId", "VpcId"))

    async def delete(self, work: Work) -> None:
        params = work.pick("InternetGatewayId", "VpcId")
        await work.write("ec2", "DetachInternetGateway", params, missing_ok=True)


class NetworkAclEntry(Kind):
    type = "AWS::EC2::NetworkAclEntry"
    properties = frozenset(
        {
            "CidrBlock",
            "Egress",
            "Icmp",
            "Ipv6CidrBlock",
            "NetworkAclId",
            "PortRange",
            "Protocol",
            "RuleAction",
            "RuleNumber",
        }
    )
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        await work.write("ec2", "CreateNetworkAclEntry", self._entry(work))
        work.physical = work.name(128)
        work.attributes = {"Id": work.physical}

    async def update(self, work: Work) -> None:
        await work.write("ec2", "ReplaceNetworkAclEntry", self._entry(work))

    async def delete(self, work: Work) -> None:
        params = {"Egress": False, **work.pick("NetworkAclId", "RuleNumber", "Egress")}
        await work.write("ec2", "DeleteNetworkAclEntry", params, missing_ok=True)

    def _entry(self, work: Work) -> dict[str, Any]:
        found = {
            "Egress": False,
            **work.pick(
                "CidrBlock",
                "Egress",
                "Ipv6CidrBlock",
                "NetworkAclId",
                "PortRange",
                "RuleAction",
                "RuleNumber",
                "Icmp=IcmpTypeCode",
            ),
        }
        return {**found, "Protocol": str(work.properties["Protocol"])}


class SubnetNetworkAclAssociation(Kind):
    """AWS has no operation that takes one away: the subnet goes back to its VPC's default list."""

    type = "AWS::EC2::SubnetNetworkAclAssociation"
    properties = frozenset({"SubnetId", "NetworkAclId"})
    attributes = frozenset({"AssociationId"})

    async def create(self, work: Work) -> None:
        await self._associate(work, work.properties["NetworkAclId"])
        work.attributes = {"AssociationId": work.physical}

    async def delete(self, work: Work) -> None:
        shown = await work.read(
            "ec2", "DescribeSubnets", {"Filters": [{"Name": "subnet-id", "Values": [work.properties["SubnetId"]]}]}
        )
        for subnet in shown.get("Subnets", ()):
            filters = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}, {"Name": "default", "Values": ["true"]}]
            found = await work.read("ec2", "DescribeNetworkAcls", {"Filters": filters})
            await self._associate(
                work, found["NetworkAcls"][0]["NetworkAclId"], only_from=work.properties["NetworkAclId"]
            )

    async def _associate(self, work: Work, acl: str, only_from: str = "") -> None:
        subnet = work.properties["SubnetId"]
        found = await work.read(
            "ec2", "DescribeNetworkAcls", {"Filters": [{"Name": "association.subnet-id", "Values": [subnet]}]}
        )
        for each in found.get("NetworkAcls", ()):
            if only_from and each["NetworkAclId"] != only_from:
                return
            now = next(one["NetworkAclAssociationId"] for one in each["Associations"] if one["SubnetId"] == subnet)
            params = {"AssociationId": now, "NetworkAclId": acl}
            await work.write("ec2", "ReplaceNetworkAclAssociation", params, "NewAssociationId", physical=not only_from)


class DhcpAssociation(Kind):
    type = "AWS::EC2::VPCDHCPOptionsAssociation"
    properties = frozenset({"DhcpOptionsId", "VpcId"})

    async def create(self, work: Work) -> None:
        await work.write("ec2", "AssociateDhcpOptions", work.pick("DhcpOptionsId", "VpcId"))
        work.physical = f"{work.properties['DhcpOptionsId']}|{work.properties['VpcId']}"

    async def delete(self, work: Work) -> None:
        await work.write(
            "ec2",
            "AssociateDhcpOptions",
            {"DhcpOptionsId": "default", "VpcId": work.properties["VpcId"]},
            missing_ok=True,
        )


class VpcCidrBlock(Kind):
    type = "AWS::EC2::VPCCidrBlock"
    properties = frozenset({"VpcId", "CidrBlock", "AmazonProvidedIpv6CidrBlock"})
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        keep = "CidrBlockAssociation.AssociationId || Ipv6CidrBlockAssociation.AssociationId"
        await work.write("ec2", "AssociateVpcCidrBlock", work.properties, keep, physical=True)
        work.attributes = {"Id": work.physical}

    async def delete(self, work: Work) -> None:
        await work.write("ec2", "DisassociateVpcCidrBlock", {"AssociationId": work.physical}, missing_ok=True)


class Vpc(Declared):
    async def settle(self, work: Work) -> None:
        await super().settle(work)
        filters = [{"Name": "vpc-id", "Values": [work.physical]}]
        groups = await work.read(
            "ec2", "DescribeSecurityGroups", {"Filters": [*filters, {"Name": "group-name", "Values": ["default"]}]}
        )
        acls = await work.read(
            "ec2", "DescribeNetworkAcls", {"Filters": [*filters, {"Name": "default", "Values": ["true"]}]}
        )
        work.attributes["DefaultSecurityGroup"] = groups["SecurityGroups"][0]["GroupId"]
        work.attributes["DefaultNetworkAcl"] = acls["NetworkAcls"][0]["NetworkAclId"]

    def has_attribute(self, name: str) -> bool:
        return name in ("DefaultSecurityGroup", "DefaultNetworkAcl") or super().has_attribute(name)


class ElasticIp(Declared):
    """Ref gives the address, the operations take the allocation."""

    async def delete(self, work: Work) -> None:
        item = await self.item_of(work)
        if item is not None:
            work.attributes["AllocationId"] = item["AllocationId"]
            await super().delete(work)

    def id_params(self, work: Work) -> dict[str, Any]:
        return {"AllocationId": work.attributes["AllocationId"]}


def dhcp_configurations(work: Work) -> Mapping[str, Any]:
    names = {
        "DomainName": "domain-name",
        "DomainNameServers": "domain-name-servers",
        "NetbiosNameServers": "netbios-name-servers",
        "NetbiosNodeType": "netbios-node-type",
        "NtpServers": "ntp-servers",
    }
    return {
        "DhcpConfigurations": [
            {"Key": key, "Values": [str(each) for each in (value if isinstance(value, list) else [value])]}
            for name, key in names.items()
            if (value := work.get(name)) is not None
        ]
    }


def endpoint_change(work: Work) -> Mapping[str, Any]:
    """What is to be added and removed, as ModifyVpcEndpoint takes it."""
    found: dict[str, Any] = {"VpcEndpointId": work.physical}
    for name, part in (
        ("RouteTableIds", "RouteTableIds"),
        ("SubnetIds", "SubnetIds"),
        ("SecurityGroupIds", "SecurityGroupIds"),
    ):
        old, new = work.before.get(name) or [], work.get(name) or []
        found |= {
            f"Add{part}": [each for each in new if each not in old],
            f"Remove{part}": [each for each in old if each not in new],
        }
    return {
        **{key: value for key, value in found.items() if value},
        **work.pick("PrivateDnsEnabled", "IpAddressType", "DnsOptions"),
        **endpoint_policy(work),
    }


def endpoint_policy(work: Work) -> dict[str, Any]:
    policy = work.get("PolicyDocument")
    return {} if policy is None else {"PolicyDocument": policy if isinstance(policy, str) else json.dumps(policy)}

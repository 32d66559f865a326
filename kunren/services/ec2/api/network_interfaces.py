"""Network interfaces: create, describe, delete, attributes. Other services make theirs in `interfaces`."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import elastic_ips, errors, ids, interfaces, quota_errors, store, tagging
from kunren.services.ec2.api.base import Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.api.ipv6_addresses import Ipv6AddressOperations, wanted_addresses
from kunren.services.ec2.api.private_addresses import PrivateAddressOperations
from kunren.services.ec2.dns_names import private_dns_name, public_dns_name
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import InterfaceStatus, NatGateway, NetworkInterface, SecurityGroup, Subnet

_CREATE_NOT_YET = {
    "Ipv6Prefixes": "delegated prefixes",
    "Ipv6PrefixCount": "delegated prefixes",
    "EnablePrimaryIpv6": "primary IPv6 addresses",
    "Ipv4Prefixes": "delegated prefixes",
    "Ipv4PrefixCount": "delegated prefixes",
    "InterfaceType": "interface types other than the ordinary one",
    "ConnectionTrackingSpecification": "connection tracking timeouts of interfaces",
    "Operator": "managed network interfaces",
}
_MODIFY_NOT_YET = {
    "EnaSrdSpecification": "ENA Express",
    "EnablePrimaryIpv6": "primary IPv6 addresses",
    "ConnectionTrackingSpecification": "connection tracking timeouts of interfaces",
    "AssociatePublicIpAddress": "changing the public address of an interface",
    "AssociatedSubnetIds": "interfaces on several subnets",
}
_ATTRIBUTES = ("description", "groupSet", "sourceDestCheck", "attachment")
DESCRIPTION_MAX = 255


def is_live(reader: store.Reader, interface: NetworkInterface) -> bool:
    """Has the kernel the interface's address, as the data plane last reported."""
    status = reader.get(InterfaceStatus, interface.account, interface.region, interface.id)
    return status is not None and status.private_ip == interface.private_ip


def status_of(reader: store.Reader, interface: NetworkInterface) -> str:
    if interface.attachment is None:
        return "available"
    if interface.attachment in ("stopped", "hibernated"):
        return "in-use"
    return "in-use" if is_live(reader, interface) else "attaching"


def attachment_of(reader: store.Reader, interface: NetworkInterface) -> dict[str, Any] | None:
    if interface.attachment is None:
        return None
    return {
        "AttachmentId": interface.attachment_id,
        "AttachTime": interface.attach_time,
        "DeleteOnTermination": interface.delete_on_termination,
        "DeviceIndex": 0 if interface.attachment in ("workload", "stopped", "hibernated") else 1,
        "NetworkCardIndex": 0,
        "InstanceId": interface.instance_id,
        "InstanceOwnerId": interface.requester_id or interface.account,
        "Status": "attached" if status_of(reader, interface) == "in-use" else "attaching",
    }


def _association(
    reader: store.Reader, interface: NetworkInterface, public_ip: str | None, allocation_id: str | None
) -> dict[str, Any] | None:
    """The public address of one private address: Amazon's own, or an Elastic IP of the account."""
    if public_ip is None:
        return None
    name = public_dns_name(reader, interface, public_ip)
    if allocation_id is None:
        return {"IpOwnerId": "amazon", "PublicIp": public_ip, "PublicDnsName": name}
    address = elastic_ips.held(reader, interface, allocation_id)
    return {
        "AllocationId": address.id,
        "AssociationId": address.association_id,
        "IpOwnerId": address.account,
        "PublicIp": public_ip,
        "PublicDnsName": name,
    }


def _addresses(reader: store.Reader, interface: NetworkInterface) -> list[dict[str, Any]]:
    """The private addresses, the primary first."""
    held = [(interface.private_ip, interface.public_ip, interface.allocation_id)]
    held += [(each.private_ip, each.public_ip, each.allocation_id) for each in interface.secondary]
    return [
        {
            "Primary": number == 0,
            "PrivateIpAddress": private_ip,
            "PrivateDnsName": private_dns_name(reader, interface, private_ip),
            "Association": _association(reader, interface, public_ip, allocation_id),
        }
        for number, (private_ip, public_ip, allocation_id) in enumerate(held)
    ]


def groups_to_wire(reader: store.Reader, interface: NetworkInterface) -> list[dict[str, Any]]:
    found = (reader.get(SecurityGroup, interface.account, interface.region, each) for each in interface.groups)
    return [{"GroupId": each.id, "GroupName": each.name} for each in found if each is not None]


def interface_to_wire(reader: store.Reader, interface: NetworkInterface) -> dict[str, Any]:
    subnet = reader.get(Subnet, interface.account, interface.region, interface.subnet_id)
    addresses = _addresses(reader, interface)
    return {
        "NetworkInterfaceId": interface.id,
        "OwnerId": interface.account,
        "VpcId": interface.vpc_id,
        "SubnetId": interface.subnet_id,
        "AvailabilityZone": interface.availability_zone,
        "AvailabilityZoneId": subnet.availability_zone_id if subnet else None,
        "Description": interface.description,
        "InterfaceType": interface.interface_type,
        "MacAddress": interface.mac,
        "PrivateDnsName": private_dns_name(reader, interface),
        "PrivateIpAddress": interface.private_ip,
        "PrivateIpAddresses": addresses,
        "Association": addresses[0]["Association"],
        "Attachment": attachment_of(reader, interface),
        "Groups": groups_to_wire(reader, interface),
        "Ipv6Address": next(iter(interface.ipv6), None),
        "Ipv6Addresses": [{"Ipv6Address": each, "IsPrimaryIpv6": False} for each in interface.ipv6],
        "RequesterId": interface.requester_id,
        "RequesterManaged": interface.requester_managed,
        "SourceDestCheck": interface.source_dest_check,
        "Status": status_of(reader, interface),
        "Operator": {"Managed": False},
        "TagSet": tags_to_wire(interface.tags),
    }


def filters_for(reader: store.Reader) -> dict[str, Getter[NetworkInterface]]:
    def zone_id(each: NetworkInterface) -> str | None:
        subnet = reader.get(Subnet, each.account, each.region, each.subnet_id)
        return subnet.availability_zone_id if subnet else None

    def attachment(member: str) -> Getter[NetworkInterface]:
        return lambda each: (attachment_of(reader, each) or {}).get(member)

    def association(member: str, first_only: bool = True) -> Getter[NetworkInterface]:
        def values(each: NetworkInterface) -> list[str | None]:
            addresses = _addresses(reader, each)[: 1 if first_only else None]
            return [(address["Association"] or {}).get(member) for address in addresses]

        return values

    def nat_gateway(each: NetworkInterface) -> str | None:
        gateways = reader.list(NatGateway, each.account, each.region)
        return next((gateway.id for gateway in gateways if gateway.interface_id == each.id), None)

    table: dict[str, Getter[NetworkInterface]] = {
        "addresses.association.owner-id": association("IpOwnerId", first_only=False),
        "addresses.association.public-ip": association("PublicIp", first_only=False),
        "addresses.primary": lambda each: [str(address["Primary"]).lower() for address in _addresses(reader, each)],
        "addresses.private-ip-address": store.private_ips,
        "association.allocation-id": association("AllocationId"),
        "association.association-id": association("AssociationId"),
        "association.ip-owner-id": association("IpOwnerId"),
        "association.public-dns-name": association("PublicDnsName"),
        "association.public-ip": lambda each: each.public_ip,
        "attachment.attach-time": lambda each: None,
        "attachment.attachment-id": attachment("AttachmentId"),
        "attachment.delete-on-termination": attachment("DeleteOnTermination"),
        "attachment.device-index": attachment("DeviceIndex"),
        "attachment.instance-id": lambda each: each.instance_id,
        "attachment.instance-owner-id": attachment("InstanceOwnerId"),
        "attachment.nat-gateway-id": nat_gateway,
        "attachment.status": attachment("Status"),
        "availability-zone": lambda each: each.availability_zone,
        "availability-zone-id": zone_id,
        "description": lambda each: each.description,
        "group-id": lambda each: each.groups,
        "group-name": lambda each: [group["GroupName"] for group in groups_to_wire(reader, each)],
        "interface-type": lambda each: each.interface_type,
        "ipv6-addresses.ipv6-address": lambda each: each.ipv6,
        "mac-address": lambda each: each.mac,
        "network-interface-id": lambda each: each.id,
        "operator.managed": lambda each: False,
        "operator.principal": lambda each: None,
        "owner-id": lambda each: each.account,
        "private-dns-name": lambda each: private_dns_name(reader, each),
        "private-ip-address": store.private_ips,
        "requester-id": lambda each: each.requester_id,
        "requester-managed": lambda each: each.requester_managed,
        "source-dest-check": lambda each: each.source_dest_check,
        "status": lambda each: status_of(reader, each),
        "subnet-id": lambda each: each.subnet_id,
        "vpc-id": lambda each: each.vpc_id,
    }
    return table


class NetworkInterfaceOperations(PrivateAddressOperations, Ipv6AddressOperations):
    @operation
    def create_network_interface(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse(params, _CREATE_NOT_YET)
        tags = tagging.at_creation(params, "network-interface")
        description = _description(params.get("Description") or "")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, NetworkInterface)
            if made is not None:
                interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, made)
            else:
                interface = self._new_interface(tx, ctx, params, description, tags)
            return {
                "NetworkInterface": interface_to_wire(tx, interface),
                "ClientToken": params.get("ClientToken"),
            }

    def _new_interface(
        self, tx: Tx, ctx: RequestContext, params: Params, description: str, tags: dict[str, str]
    ) -> NetworkInterface:
        self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
        for each in params.get("Groups") or ():
            self.get(tx, ctx, ids.SECURITY_GROUP, each)
        if self.store.snapshot().count(NetworkInterface, ctx.account, ctx.region) >= self.limits.network_interfaces:
            raise quota_errors.NetworkInterfaceLimitExceeded()
        primary, secondary = _wanted_addresses(params)
        listed = [each.get("Ipv6Address") or "" for each in params.get("Ipv6Addresses") or ()]
        six = wanted_addresses(listed, params.get("Ipv6AddressCount"))
        interface = interfaces.create_interface(
            tx,
            self.entropy,
            self.spec,
            account=ctx.account,
            region=ctx.region,
            subnet_id=params["SubnetId"],
            groups=tuple(params.get("Groups") or ()),
            description=description,
            address=primary,
            ipv6=six or None if params.get("Ipv6AddressCount") != 0 else [],
            public=False,
            tags=tags,
        )
        interface = self.with_secondary(tx, interface, secondary)
        if token := token_of(params):
            interface = replace(interface, **token)
            tx.put(interface)
            store.remember_token(tx, interface)
        return interface

    @operation
    def describe_network_interfaces(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = chosen(snapshot, ctx, ids.NETWORK_INTERFACE, params, "NetworkInterfaceIds", filters_for(snapshot))
        page, token = paged(held, params, resource_id, "NetworkInterfaceIds")
        return {"NetworkInterfaces": [interface_to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def delete_network_interface(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            if interface.attachment is not None or interface.requester_managed:
                raise errors.InvalidParameterValue(f"Network interface '{interface.id}' is currently in use.")
            interfaces.delete_interface(tx, interface)

    @operation
    def modify_network_interface_attribute(self, ctx: RequestContext, params: Params) -> None:
        _refuse(params, _MODIFY_NOT_YET)
        asked = [each for each in ("Description", "SourceDestCheck", "Groups", "Attachment") if params.get(each)]
        if len(asked) > 1:
            raise errors.InvalidParameterCombination("Fields for multiple attribute types specified.")
        with self.store.write() as tx:
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            interfaces.check_users_own(interface)
            if not asked:
                raise errors.MissingParameterText("The request must contain an attribute to modify")
            changed = self._modified_interface(tx, ctx, interface, params)
            if changed != interface:
                tx.put(changed)

    def _modified_interface(
        self, tx: Tx, ctx: RequestContext, interface: NetworkInterface, params: Params
    ) -> NetworkInterface:
        if params.get("Description"):
            return replace(interface, description=_description(params["Description"].get("Value") or ""))
        if params.get("SourceDestCheck"):
            return replace(interface, source_dest_check=params["SourceDestCheck"].get("Value", False))
        if params.get("Groups"):
            for each in params["Groups"]:
                self.get(tx, ctx, ids.SECURITY_GROUP, each)
            groups = tuple(dict.fromkeys(params["Groups"]))
            vpc = store.find_vpc(tx, ctx.account, ctx.region, interface.vpc_id)
            interfaces.check_groups(tx, vpc, groups)
            return replace(interface, groups=groups)
        attachment = params["Attachment"]
        if attachment.get("EnaQueueCount") is not None or attachment.get("DefaultEnaQueueCount") is not None:
            raise errors.NotYet("ENA queues")
        if interface.attachment_id is None or attachment.get("AttachmentId") != interface.attachment_id:
            raise errors.AttachmentNotFound(attachment.get("AttachmentId") or "")
        return replace(interface, delete_on_termination=attachment.get("DeleteOnTermination", False))

    @operation
    def reset_network_interface_attribute(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            interfaces.check_users_own(interface)
            if not interface.source_dest_check:
                tx.put(replace(interface, source_dest_check=True))

    @operation
    def describe_network_interface_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        interface = self.get(snapshot, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
        attribute = params.get("Attribute")
        if attribute is None:
            raise errors.MissingParameter("attribute")
        if attribute == "associatePublicIpAddress":
            raise errors.NotYet("changing the public address of an interface")
        if attribute not in _ATTRIBUTES:
            raise errors.InvalidParameterValue(
                f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute."
            )
        answer: dict[str, Any] = {"NetworkInterfaceId": interface.id}
        if attribute == "description":
            answer["Description"] = {"Value": interface.description}
        elif attribute == "groupSet":
            answer["Groups"] = groups_to_wire(snapshot, interface)
        elif attribute == "sourceDestCheck":
            answer["SourceDestCheck"] = {"Value": interface.source_dest_check}
        else:
            answer["Attachment"] = attachment_of(snapshot, interface)
        return answer


def _refuse(params: Params, members: dict[str, str]) -> None:
    for member, what in members.items():
        if params.get(member):
            raise errors.NotYet(what)


def _description(text: str) -> str:
    if len(text) > DESCRIPTION_MAX:
        raise errors.InvalidParameterValue(
            f"Value ({text}) for parameter description is invalid. "
            f"The description must be at most {DESCRIPTION_MAX} characters."
        )
    return text


def _wanted_addresses(params: Params) -> tuple[str | None, list[str | None]]:
    """The primary private address that is asked for, in either form, and the secondary ones; None is any free one."""
    listed = params.get("PrivateIpAddresses") or []
    primary = [each.get("PrivateIpAddress") for each in listed if each.get("Primary")]
    secondary = [each.get("PrivateIpAddress") for each in listed if not each.get("Primary")]
    single: str | None = params.get("PrivateIpAddress")
    if len(primary) > 1:
        raise errors.InvalidParameterValue("Only one private IP address can be the primary one")
    if primary and single is not None:
        raise errors.InvalidParameterCombination(
            "The parameters privateIpAddress and privateIpAddresses cannot be used together"
        )
    count = params.get("SecondaryPrivateIpAddressCount") or 0
    if secondary and count:
        raise errors.InvalidParameterCombination(
            "The parameters privateIpAddresses and secondaryPrivateIpAddressCount cannot be used together"
        )
    return primary[0] if primary else single, secondary or [None] * count

"""Subnets: create, describe, delete, attributes, default subnets."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import (
    cidr,
    creation,
    default_vpc,
    errors,
    ids,
    ipv6,
    public_access,
    quota_errors,
    store,
    tagging,
)
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.api.subnet_blocks import association_to_wire
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.services.ec2.zones import Zone, zones_of
from kunren.world.spec import Region


def filters_for(reader: store.Reader) -> dict[str, Getter[Subnet]]:
    table: dict[str, Getter[Subnet]] = {
        "availability-zone": lambda subnet: subnet.availability_zone,
        "availability-zone-id": lambda subnet: subnet.availability_zone_id,
        "available-ip-address-count": lambda subnet: store.addresses_free(reader, subnet),
        "cidr-block": lambda subnet: subnet.cidr,
        "customer-owned-ipv4-pool": lambda subnet: None,
        "default-for-az": lambda subnet: subnet.default_for_az,
        "enable-dns64": lambda subnet: False,
        "enable-lni-at-device-index": lambda subnet: None,
        "ipv6-cidr-block-association.association-id": lambda subnet: subnet.cidr_v6_association_id,
        "ipv6-cidr-block-association.ipv6-cidr-block": lambda subnet: subnet.cidr_v6,
        "ipv6-cidr-block-association.state": lambda subnet: "associated" if subnet.cidr_v6 else None,
        "ipv6-native": lambda subnet: False,
        "map-customer-owned-ip-on-launch": lambda subnet: False,
        "map-public-ip-on-launch": lambda subnet: subnet.map_public_ip_on_launch,
        "outpost-arn": lambda subnet: None,
        "owner-id": lambda subnet: subnet.account,
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": (
            lambda subnet: subnet.resource_name_dns_a_record
        ),
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": lambda subnet: False,
        "private-dns-name-options-on-launch.hostname-type": lambda subnet: subnet.hostname_type,
        "state": lambda subnet: "available",
        "subnet-arn": subnet_arn,
        "subnet-id": lambda subnet: subnet.id,
        "vpc-id": lambda subnet: subnet.vpc_id,
    }
    older = {
        "availabilityZone": "availability-zone",
        "availabilityZoneId": "availability-zone-id",
        "cidr": "cidr-block",
        "cidrBlock": "cidr-block",
        "defaultForAz": "default-for-az",
    }
    return table | {name: table[now] for name, now in older.items()}


def subnet_arn(subnet: Subnet) -> str:
    return build_arn("ec2", subnet.region, subnet.account, f"subnet/{subnet.id}")


def subnet_to_wire(reader: store.Reader, subnet: Subnet) -> dict[str, Any]:
    return {
        "SubnetId": subnet.id,
        "SubnetArn": subnet_arn(subnet),
        "OwnerId": subnet.account,
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "AvailabilityZone": subnet.availability_zone,
        "AvailabilityZoneId": subnet.availability_zone_id,
        "AvailableIpAddressCount": store.addresses_free(reader, subnet),
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
        "MapCustomerOwnedIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": subnet.assign_ipv6,
        "Ipv6CidrBlockAssociationSet": [association_to_wire(subnet)] if subnet.cidr_v6 else [],
        "EnableDns64": False,
        "Ipv6Native": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": subnet.hostname_type,
            "EnableResourceNameDnsARecord": subnet.resource_name_dns_a_record,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "State": "available",
        "Tags": tags_to_wire(subnet.tags) or None,
    }


def find_zone(region: Region, name: str | None, zone_id: str | None) -> Zone | None:
    """The zone of that name or id, None where neither is asked for. Raises InvalidParameterValue."""
    if name is not None and zone_id is not None:
        raise errors.InvalidParameterCombination(
            "The parameters availabilityZone and availabilityZoneId cannot be used together"
        )
    zones = zones_of(region)
    if name is None and zone_id is None:
        return None
    found = next((each for each in zones if zone_id == each.id or name == each.name), None)
    if found is None:
        have = ", ".join(each.name if zone_id is None else each.id for each in zones)
        member = "availabilityZone" if zone_id is None else "availabilityZoneId"
        raise errors.InvalidParameterValue(
            f"Value ({name or zone_id}) for parameter {member} is invalid. "
            f"Subnets can currently only be created in the following availability zones: {have}."
        )
    return found


class SubnetOperations(Ec2Base):
    @operation
    def create_subnet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("Ipv6Native"):
            raise errors.NotYet(_IPV6_ONLY)
        if params.get("OutpostArn"):
            raise errors.NotYet("Outposts")
        if any(params.get(each) for each in _IPAM):
            raise errors.NotYet("IP address manager (IPAM)")
        text = params.get("CidrBlock")
        if text is None:
            raise errors.MissingParameter("cidrBlock")
        block = cidr.parse_v4(text)
        if block is None:
            raise errors.InvalidParameterValue(
                f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
            )
        region = self.ensure_region(ctx)
        zone = find_zone(region, params.get("AvailabilityZone"), params.get("AvailabilityZoneId"))
        tags = tagging.at_creation(params, "subnet")
        with self.store.write() as tx:
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if not cidr.possible_subnet(block, store.vpc_cidrs(vpc)):
                raise errors.InvalidSubnetRange(str(block))
            others = store.subnets_of(tx, vpc)
            if cidr.overlapping(block, (each.cidr for each in others)) is not None:
                raise errors.InvalidSubnetConflict(str(block))
            if len(others) >= self.limits.subnets_per_vpc:
                raise quota_errors.SubnetLimitExceeded()
            six = ipv6.subnet_block(tx, vpc, params["Ipv6CidrBlock"]) if params.get("Ipv6CidrBlock") else None
            subnet = creation.new_subnet(
                tx, self.entropy, vpc, cidr=str(block), zone=zone or zones_of(region)[0], tags=tags, cidr_v6=six
            )
            return {"Subnet": subnet_to_wire(tx, subnet)}

    @operation
    def create_default_subnet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("Ipv6Native"):
            raise errors.NotYet(_IPV6_ONLY)
        zone = find_zone(self.ensure_region(ctx), params.get("AvailabilityZone"), params.get("AvailabilityZoneId"))
        if zone is None:
            raise errors.MissingParameter("availabilityZone")
        with self.store.write() as tx:
            vpc = default_vpc.default_vpc(tx, ctx.account, ctx.region)
            if vpc is None:
                raise errors.DefaultVpcDoesNotExist()
            for each in store.subnets_of(tx, vpc):
                if each.default_for_az and each.availability_zone == zone.name:
                    raise errors.DefaultSubnetAlreadyExists(each.id, zone.name)
            subnet = default_vpc.new_default_subnet(tx, self.entropy, vpc, zone)
            return {"Subnet": subnet_to_wire(tx, subnet)}

    @operation
    def describe_subnets(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        subnets = chosen(snapshot, ctx, ids.SUBNET, params, "SubnetIds", filters_for(snapshot))
        page, token = paged(subnets, params, resource_id, "SubnetIds")
        return {"Subnets": [subnet_to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def delete_subnet(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            subnet = self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
            held = tx.list(NetworkInterface, ctx.account, ctx.region)
            if any(each.subnet_id == subnet.id for each in held):
                raise errors.DependencyViolation(f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
            _let_go(tx, subnet)
            store.forget_pool(tx, subnet)
            for each in store.reservations_of(tx, subnet):
                tx.delete(each)
            public_access.forget(tx, subnet.account, subnet.region, subnet_id=subnet.id)
            tx.delete(subnet)

    @operation
    def modify_subnet_attribute(self, ctx: RequestContext, params: Params) -> None:
        for member, what in _NOT_YET.items():
            value = params.get(member)
            if value is not None and (not isinstance(value, dict) or value.get("Value")):
                raise errors.NotYet(what)
        changes: dict[str, Any] = {}
        if params.get("MapPublicIpOnLaunch") is not None:
            changes["map_public_ip_on_launch"] = params["MapPublicIpOnLaunch"].get("Value", False)
        if params.get("PrivateDnsHostnameTypeOnLaunch") is not None:
            changes["hostname_type"] = params["PrivateDnsHostnameTypeOnLaunch"]
        if params.get("EnableResourceNameDnsARecordOnLaunch") is not None:
            changes["resource_name_dns_a_record"] = params["EnableResourceNameDnsARecordOnLaunch"].get("Value", False)
        if params.get("AssignIpv6AddressOnCreation") is not None:
            changes["assign_ipv6"] = params["AssignIpv6AddressOnCreation"].get("Value", False)
        if len(changes) > 1:
            raise errors.InvalidParameterCombination("Only one subnet attribute can be modified at a time")
        with self.store.write() as tx:
            subnet = self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
            if changes.get("assign_ipv6") and subnet.cidr_v6 is None:
                raise errors.InvalidParameterValue(
                    "Invalid value 'true' for assignIpv6AddressOnCreation. "
                    f"Subnet '{subnet.id}' does not have an IPv6 CIDR block associated with it."
                )
            changed = replace(subnet, **changes)
            if changed != subnet:
                tx.put(changed)


_IPV6_ONLY = "subnets with IPv6 alone"
_IPAM = ("Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6IpamPoolId", "Ipv6NetmaskLength")
_NOT_YET = {
    "EnableDns64": "DNS64",
    "EnableResourceNameDnsAAAARecordOnLaunch": "names of instances",
    "MapCustomerOwnedIpOnLaunch": "Outposts",
    "CustomerOwnedIpv4Pool": "Outposts",
    "EnableLniAtDeviceIndex": "Outposts",
    "DisableLniAtDeviceIndex": "Outposts",
}


def _let_go(tx: Tx, subnet: Subnet) -> None:
    """End the subnet's associations with its route table and network ACL."""
    vpc = store.find_vpc(tx, subnet.account, subnet.region, subnet.vpc_id)
    for table in store.route_tables_of(tx, vpc):
        if subnet.id in table.associations.values():
            left = {id: each for id, each in table.associations.items() if each != subnet.id}
            tx.put(replace(table, associations=left))
    for acl in store.acls_of(tx, vpc):
        if subnet.id in acl.associations.values():
            left = {id: each for id, each in acl.associations.items() if each != subnet.id}
            tx.put(replace(acl, associations=left))

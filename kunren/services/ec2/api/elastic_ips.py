"""Elastic IPs: allocate, associate, disassociate, release, describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import elastic_ips, errors, ids, interfaces, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import ElasticIp, InterfacePermission, NetworkInterface

AMAZON = "amazon"  # the pool of all addresses that are not the customer's own range
_NOT_YET = {
    "Address": "recovering an Elastic IP",
    "CustomerOwnedIpv4Pool": "Outposts",
    "IpamPoolId": "IP address manager (IPAM)",
}


def filters_for(reader: store.Reader) -> dict[str, Getter[ElasticIp]]:
    def owner(address: ElasticIp) -> str | None:
        found = elastic_ips.interface_of(reader, address)
        return found.account if found is not None else None

    def instance(address: ElasticIp) -> str | None:
        found = elastic_ips.interface_of(reader, address)
        return found.instance_id if found is not None else None

    return {
        "allocation-id": lambda address: address.id,
        "association-id": lambda address: address.association_id,
        "domain": lambda address: "vpc",
        "instance-id": instance,
        "network-border-group": lambda address: address.region,
        "network-interface-id": lambda address: address.interface_id,
        "network-interface-owner-id": owner,
        "private-ip-address": lambda address: address.private_ip,
        "public-ip": lambda address: address.public_ip,
    }


class ElasticIpOperations(Ec2Base):
    @operation
    def allocate_address(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        for member, what in _NOT_YET.items():
            if params.get(member):
                raise errors.NotYet(what)
        if params.get("PublicIpv4Pool", AMAZON) != AMAZON:
            raise errors.NotYet("address ranges of one's own (BYOIP)")
        if params.get("NetworkBorderGroup", ctx.region) != ctx.region:
            raise errors.NotYet("local zones")
        if params.get("Domain") == "standard":
            raise errors.InvalidParameterValue("Value (standard) for parameter domain is invalid.")
        tags = tagging.at_creation(params, "elastic-ip")
        with self.store.write() as tx:
            if len(tx.list(ElasticIp, ctx.account, ctx.region)) >= self.limits.elastic_ips:
                raise quota_errors.AddressLimitExceeded()
            allocation_id = self.entropy.resource_id("eipalloc")
            public_ip = store.take_public(tx, self.spec, ctx.region, allocation_id)
            tx.put(ElasticIp(account=ctx.account, region=ctx.region, id=allocation_id, public_ip=public_ip, tags=tags))
        return {
            "AllocationId": allocation_id,
            "PublicIp": public_ip,
            "PublicIpv4Pool": AMAZON,
            "NetworkBorderGroup": ctx.region,
            "Domain": "vpc",
        }

    @operation
    def release_address(self, ctx: RequestContext, params: Params) -> None:
        if not params.get("AllocationId"):
            if params.get("PublicIp"):
                raise errors.InvalidParameterValue(
                    "You must specify an allocation id when releasing a VPC elastic IP address"
                )
            raise errors.MissingParameter("allocationId")
        with self.store.write() as tx:
            address = self.get(tx, ctx, ids.ELASTIC_IP, params["AllocationId"])
            if address.reverse_name is not None:
                raise errors.AddressLocked(address.id)
            if address.association_id is not None:
                if not self._in_default_vpc(tx, address):
                    raise errors.InvalidIpAddressInUse(address.public_ip)
                self._users_own(tx, address)
                elastic_ips.disassociate(tx, address)
            store.release_public(tx, ctx.region, address.public_ip)
            tx.delete(address)

    @operation
    def associate_address(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("InstanceId"):
            instance = self.get(self.store.snapshot(), ctx, ids.INSTANCE, params["InstanceId"])
            if instance.wanted == "terminated":
                raise errors.InstanceNotFound(instance.id)
            params = {**params, "NetworkInterfaceId": instance.interface_id}
        if not params.get("NetworkInterfaceId"):
            raise errors.MissingParameterText("Either instance ID or network interface id must be specified")
        with self.store.write() as tx:
            address = self._named(tx, ctx, params)
            interface = self._associable(tx, ctx, params["NetworkInterfaceId"])
            interfaces.check_users_own(interface)
            private_ip = params.get("PrivateIpAddress") or interface.private_ip
            if private_ip not in store.private_ips(interface):
                raise errors.InvalidParameterValue(
                    f"The private IP address {private_ip} is not assigned to network interface {interface.id}"
                )
            if (address.interface_id, address.private_ip) != (interface.id, private_ip):
                address = self._moved(tx, address, interface, private_ip, params.get("AllowReassociation"))
        return {"AssociationId": address.association_id}

    def _associable(self, tx: Tx, ctx: RequestContext, id: str) -> NetworkInterface:
        """An interface of the account, or of one that lets it associate addresses."""
        for each in tx.every(InterfacePermission):
            if (each.interface_id, each.grantee, each.permission) == (id, ctx.account, "EIP-ASSOCIATE"):
                return store.find_interface(tx, each.account, each.region, id)
        return self.get(tx, ctx, ids.NETWORK_INTERFACE, id)

    def _moved(
        self, tx: Tx, address: ElasticIp, interface: NetworkInterface, private_ip: str, may_move: bool | None
    ) -> ElasticIp:
        """The address on that private one. Both are taken from where they were unless the caller says no."""
        if address.association_id is not None:
            if may_move is False:
                raise errors.AlreadyAssociated(address.id, address.association_id)
            self._users_own(tx, address)
            elastic_ips.disassociate(tx, address)
            interface = store.find_interface(tx, interface.account, interface.region, interface.id)
        there = elastic_ips.of_address(tx, interface, private_ip)
        if there is not None and there.association_id is not None and may_move is False:
            raise errors.AlreadyAssociated(interface.id, there.association_id)
        free = replace(address, association_id=None, interface_id=None, private_ip=None)
        elastic_ips.associate(tx, self.entropy, free, interface, private_ip)
        return elastic_ips.find(tx, address.account, address.region, address.id)

    @operation
    def disassociate_address(self, ctx: RequestContext, params: Params) -> None:
        wanted = params.get("AssociationId")
        if not wanted and not params.get("PublicIp"):
            raise errors.MissingParameterText("Either public IP or association id must be specified")
        with self.store.write() as tx:
            held = tx.list(ElasticIp, ctx.account, ctx.region)
            if wanted:
                address = next((each for each in held if each.association_id == wanted), None)
                if address is None:
                    ids.EIP_ASSOCIATION.check(wanted)
                    raise errors.AssociationNotFound(wanted)
            else:
                address = self._named(tx, ctx, params)
            if address.association_id is not None:
                self._users_own(tx, address)
                elastic_ips.disassociate(tx, address)

    @operation
    def describe_addresses(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        found = chosen(snapshot, ctx, ids.ELASTIC_IP, params, "AllocationIds", filters_for(snapshot))
        if wanted := params.get("PublicIps"):
            everything = snapshot.list(ElasticIp, ctx.account, ctx.region)
            if missing := sorted(set(wanted) - {each.public_ip for each in everything}):
                raise errors.AddressNotFound(*missing)
            found = [each for each in found if each.public_ip in wanted]
        return {"Addresses": [_to_wire(snapshot, each) for each in found]}

    @operation
    def describe_addresses_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """Those that have a reverse name, or are to have one: Terraform takes one that is listed to be named still."""
        asked = chosen(self.store.snapshot(), ctx, ids.ELASTIC_IP, params, "AllocationIds", {})
        found = [each for each in asked if each.reverse_name is not None or each.asked_name is not None]
        page, token = paged(found, params, resource_id)
        return {"Addresses": [_names_to_wire(each) for each in page], "NextToken": token}

    @operation
    def modify_address_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """Asks for a reverse name; `ReverseNames` looks whether it leads here."""
        name = (params.get("DomainName") or "").rstrip(".").lower()
        if not name:
            raise errors.MissingParameter("domainName")
        with self.store.write() as tx:
            address = self.get(tx, ctx, ids.ELASTIC_IP, params["AllocationId"])
            if name != address.reverse_name:
                address = replace(address, asked_name=name, asked_at=self.clock.now())
                tx.put(address)
        return {"Address": _names_to_wire(address)}

    @operation
    def reset_address_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            address = self.get(tx, ctx, ids.ELASTIC_IP, params["AllocationId"])
            address = replace(address, reverse_name=None, asked_name=None, asked_at=None)
            tx.put(address)
        return {"Address": _names_to_wire(address)}

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _named(self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any]) -> ElasticIp:
        """The address by its allocation or by itself."""
        if params.get("AllocationId"):
            return self.get(tx, ctx, ids.ELASTIC_IP, params["AllocationId"])
        wanted = params.get("PublicIp")
        if not wanted:
            raise errors.MissingParameter("allocationId")
        for address in tx.list(ElasticIp, ctx.account, ctx.region):
            if address.public_ip == wanted:
                return address
        raise errors.AddressNotFound(wanted)

    def _in_default_vpc(self, tx: Tx, address: ElasticIp) -> bool:
        interface = elastic_ips.interface_of(tx, address)
        return (
            interface is not None
            and store.find_vpc(tx, interface.account, interface.region, interface.vpc_id).is_default
        )

    def _users_own(self, tx: Tx, address: ElasticIp) -> None:
        """Raises AuthFailure where the address is a NAT gateway's or a load balancer's."""
        interface = elastic_ips.interface_of(tx, address)
        if interface is not None:
            interfaces.check_users_own(interface)


def _names_to_wire(address: ElasticIp) -> dict[str, Any]:
    update = None
    if address.asked_name is not None:
        waits = address.asked_at is not None
        reason = None if waits else "The forward DNS record of the domain name does not point to the address."
        update = {"Value": f"{address.asked_name}.", "Status": "PENDING" if waits else "FAILED", "Reason": reason}
    return {
        "PublicIp": address.public_ip,
        "AllocationId": address.id,
        "PtrRecord": f"{address.reverse_name}." if address.reverse_name is not None else None,
        "PtrRecordUpdate": update,
    }


def _to_wire(reader: store.Reader, address: ElasticIp) -> dict[str, Any]:
    interface = elastic_ips.interface_of(reader, address)
    return {
        "AllocationId": address.id,
        "PublicIp": address.public_ip,
        "PublicIpv4Pool": AMAZON,
        "NetworkBorderGroup": address.region,
        "Domain": "vpc",
        "AssociationId": address.association_id,
        "NetworkInterfaceId": address.interface_id,
        "InstanceId": interface.instance_id if interface is not None else None,
        "NetworkInterfaceOwnerId": interface.account if interface is not None else None,
        "SubnetId": interface.subnet_id if interface is not None else None,
        "PrivateIpAddress": address.private_ip,
        "Tags": tags_to_wire(address.tags),
    }

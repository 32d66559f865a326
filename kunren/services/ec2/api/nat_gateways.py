"""NAT gateways: create, delete, describe. Each is a namespace of its own on its subnet that translates what is routed
to it; its states are what the data plane reports."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import elastic_ips, errors, ids, interfaces, nat_addresses, quota_errors, store, tagging
from kunren.services.ec2.api.base import Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.api.nat_gateway_addresses import NatGatewayAddressOperations
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import InterfaceStatus, NatGateway, NetworkInterface, Subnet

SHOWN_FOR_S = 3600.0  # a deleted or failed gateway is seen for about an hour
REQUESTER = "amazon-aws"


def state_of(reader: store.Reader, gateway: NatGateway) -> str:
    """`pending` until the kernel has its address, `deleting` until the kernel has it no more."""
    if gateway.failure_code is not None:
        return "failed"
    status = reader.get(InterfaceStatus, gateway.account, gateway.region, gateway.interface_id or "")
    if gateway.deleted_at is not None:
        return "deleted" if status is None else "deleting"
    return "pending" if status is None else "available"


def filters_for(reader: store.Reader) -> dict[str, Getter[NatGateway]]:
    return {
        "nat-gateway-id": lambda gateway: gateway.id,
        "state": lambda gateway: state_of(reader, gateway),
        "subnet-id": lambda gateway: gateway.subnet_id,
        "vpc-id": lambda gateway: gateway.vpc_id,
    }


class NatGatewayOperations(NatGatewayAddressOperations):
    @operation
    def create_nat_gateway(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("AvailabilityMode", "zonal") != "zonal" or params.get("AvailabilityZoneAddresses"):
            raise errors.NotYet("regional NAT gateways")
        if not params.get("SubnetId"):
            raise errors.MissingParameter("subnetId")
        public = params.get("ConnectivityType", "public") == "public"
        if public and not params.get("AllocationId"):
            raise errors.MissingParameter("allocationId")
        if not public and params.get("AllocationId"):
            raise errors.InvalidParameterCombination(
                "AllocationId cannot be specified for a NAT gateway with private connectivity"
            )
        _check_secondary(public, params)
        tags = tagging.at_creation(params, "natgateway")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, NatGateway)
            gateway = self.get(tx, ctx, ids.NAT_GATEWAY, made) if made else self._new_nat(tx, ctx, params, tags)
            shown = nat_to_wire(tx, gateway)
        if not made:  # a failure too is seen only afterwards
            shown |= {"State": "pending", "FailureCode": None, "FailureMessage": None}
        return {"NatGateway": shown, "ClientToken": params.get("ClientToken")}

    def _new_nat(self, tx: Tx, ctx: RequestContext, params: Params, tags: dict[str, str]) -> NatGateway:
        self._sweep(tx, ctx)
        subnet = self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
        if params.get("AllocationId"):
            self.get(tx, ctx, ids.ELASTIC_IP, params["AllocationId"])
        zone = [
            each
            for each in tx.list(NatGateway, ctx.account, ctx.region)
            if each.availability_zone == subnet.availability_zone and not _over(each)
        ]
        if len(zone) >= self.limits.nat_gateways_per_zone:
            raise quota_errors.NatGatewayLimitExceeded(self.limits.nat_gateways_per_zone)
        gateway = NatGateway(
            account=ctx.account,
            region=ctx.region,
            id=self.entropy.resource_id("nat"),
            vpc_id=subnet.vpc_id,
            subnet_id=subnet.id,
            availability_zone=subnet.availability_zone,
            connectivity=params.get("ConnectivityType", "public"),
            allocation_id=params.get("AllocationId"),
            created_at=self.clock.now(),
            tags=tags,
            **token_of(params),
        )
        failure = _failure(tx, subnet, gateway, params.get("PrivateIpAddress"))
        gateway = replace(gateway, **failure) if failure else self._placed(tx, gateway, params)
        tx.put(gateway)
        if not failure:
            gateway = self._with_secondary(tx, ctx, gateway, params)
        store.remember_token(tx, gateway)
        return gateway

    def _placed(self, tx: Tx, gateway: NatGateway, params: Params) -> NatGateway:
        """The gateway with its interface, and its Elastic IP bound to that."""
        interface = interfaces.create_interface(
            tx,
            self.entropy,
            self.spec,
            account=gateway.account,
            region=gateway.region,
            subnet_id=gateway.subnet_id,
            groups=(),
            description=f"Interface for NAT Gateway {gateway.id}",
            attachment="nat",
            address=params.get("PrivateIpAddress"),
            public=False,
            interface_type="nat_gateway",
            requester_managed=True,
            requester_id=REQUESTER,
            attach_time=gateway.created_at,
        )
        tx.put(replace(interface, source_dest_check=False))
        gateway = replace(gateway, interface_id=interface.id, private_ip=interface.private_ip)
        if gateway.allocation_id is None:
            return gateway
        interface = store.find_interface(tx, gateway.account, gateway.region, interface.id)
        interface = interfaces.bind_elastic_ip(tx, self.entropy, interface, gateway.allocation_id)
        address = elastic_ips.find(tx, gateway.account, gateway.region, gateway.allocation_id)
        return replace(gateway, public_ip=interface.public_ip, association_id=address.association_id)

    def _with_secondary(self, tx: Tx, ctx: RequestContext, gateway: NatGateway, params: Params) -> NatGateway:
        addresses = params.get("SecondaryPrivateIpAddresses") or []
        if gateway.connectivity == "public":
            return self.with_elastic_ips(tx, ctx, gateway, params.get("SecondaryAllocationIds") or [], addresses)
        wanted = addresses or [None] * (params.get("SecondaryPrivateIpAddressCount") or 0)
        return self.with_private_addresses(tx, gateway, wanted)

    @operation
    def delete_nat_gateway(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            gateway = self.get(tx, ctx, ids.NAT_GATEWAY, params["NatGatewayId"])
            if gateway.deleted_at is not None:
                raise errors.NatGatewayNotFound(gateway.id)
            interface = tx.get(NetworkInterface, ctx.account, ctx.region, gateway.interface_id or "")
            if interface is not None:
                interfaces.delete_interface(tx, interface)
            store.forget_token(tx, gateway)
            tx.put(replace(gateway, deleted_at=self.clock.now(), secondary=(), failure_code=None, failure_message=None))
        return {"NatGatewayId": gateway.id}

    @operation
    def describe_nat_gateways(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            self._sweep(tx, ctx)
        snapshot = self.store.snapshot()
        asked = {**params, "Filters": params.get("Filter")}
        found = chosen(snapshot, ctx, ids.NAT_GATEWAY, asked, "NatGatewayIds", filters_for(snapshot))
        page, token = paged(found, params, resource_id, "NatGatewayIds")
        return {"NatGateways": [nat_to_wire(snapshot, each) for each in page], "NextToken": token}

    def _sweep(self, tx: Tx, ctx: RequestContext) -> None:
        """Forget what ended more than an hour ago."""
        for gateway in tx.list(NatGateway, ctx.account, ctx.region):
            ended = gateway.deleted_at or (gateway.created_at if gateway.failure_code is not None else None)
            if ended is not None and self.clock.now() - ended > SHOWN_FOR_S:
                tx.delete(gateway)


def _check_secondary(public: bool, params: Params) -> None:
    """Elastic IPs for public gateways, for private ones addresses or their number."""
    if public and params.get("SecondaryPrivateIpAddressCount"):
        raise errors.InvalidParameterCombination(
            "SecondaryPrivateIpAddressCount cannot be specified for a NAT gateway with public connectivity"
        )
    if not public and params.get("SecondaryAllocationIds"):
        raise errors.InvalidParameterCombination(
            "SecondaryAllocationIds cannot be specified for a NAT gateway with private connectivity"
        )
    if params.get("SecondaryPrivateIpAddresses") and params.get("SecondaryPrivateIpAddressCount"):
        raise errors.InvalidParameterCombination(
            "SecondaryPrivateIpAddresses and SecondaryPrivateIpAddressCount cannot be used together"
        )


def _over(gateway: NatGateway) -> bool:
    return gateway.deleted_at is not None or gateway.failure_code is not None


def _failure(tx: Tx, subnet: Subnet, gateway: NatGateway, wanted: str | None) -> dict[str, str]:
    """Why it cannot be made, in the words of "NAT gateway creation fails"; empty where it can."""
    vpc = store.find_vpc(tx, subnet.account, subnet.region, subnet.vpc_id)
    if gateway.connectivity == "public" and store.gateway_of(tx, vpc) is None:
        return _failed("Gateway.NotAttached", f"Network {vpc.id} has no Internet gateway attached")
    if gateway.allocation_id is not None:
        address = elastic_ips.find(tx, gateway.account, gateway.region, gateway.allocation_id)
        if address.association_id is not None:
            return _failed("Resource.AlreadyAssociated", f"Elastic IP address {address.id} is already associated")
    if wanted is None and store.addresses_free(tx, subnet) < 1:
        text = "Subnet has insufficient free addresses to create this NAT gateway"
        return _failed("InsufficientFreeAddressesInSubnet", text)
    return {}


def _failed(code: str, message: str) -> dict[str, str]:
    return {"failure_code": code, "failure_message": message}


def nat_to_wire(reader: store.Reader, gateway: NatGateway) -> dict[str, Any]:
    state = state_of(reader, gateway)
    address = {
        "AllocationId": gateway.allocation_id,
        "AssociationId": gateway.association_id,
        "NetworkInterfaceId": gateway.interface_id,
        "PrivateIp": gateway.private_ip,
        "PublicIp": gateway.public_ip,
        "IsPrimary": True,
        "Status": {"pending": "associating", "failed": "failed"}.get(state, "succeeded"),
    }
    return {
        "NatGatewayId": gateway.id,
        "VpcId": gateway.vpc_id,
        "SubnetId": gateway.subnet_id,
        "ConnectivityType": gateway.connectivity,
        "AvailabilityMode": "zonal",
        "State": state,
        "CreateTime": gateway.created_at,
        "DeleteTime": gateway.deleted_at,
        "FailureCode": gateway.failure_code,
        "FailureMessage": gateway.failure_message,
        "NatGatewayAddresses": [address, *(nat_addresses.to_wire(reader, gateway, each) for each in gateway.secondary)],
        "Tags": tags_to_wire(gateway.tags),
    }

"""Secondary addresses of NAT gateways: Elastic IPs of public ones, private addresses of private ones."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, ids, nat_addresses, quota_errors
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.model import NatGateway

DRAIN_S = 350  # MaxDrainDurationSeconds where it is not given


class NatGatewayAddressOperations(Ec2Base):
    @operation
    def associate_nat_gateway_address(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            gateway = self._living_nat(tx, ctx, params, "public")
            before = len(gateway.secondary)
            gateway = self.with_elastic_ips(
                tx, ctx, gateway, params.get("AllocationIds") or [], params.get("PrivateIpAddresses") or []
            )
            return _told(tx, gateway, {each.private_ip for each in gateway.secondary[before:]})

    @operation
    def assign_private_nat_gateway_address(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted, count = params.get("PrivateIpAddresses") or [], params.get("PrivateIpAddressCount")
        if bool(wanted) == bool(count):
            raise errors.InvalidParameterCombination(
                "Exactly one of PrivateIpAddresses and PrivateIpAddressCount must be specified"
            )
        with self.store.write() as tx:
            gateway = self._living_nat(tx, ctx, params, "private")
            before = len(gateway.secondary)
            gateway = self.with_private_addresses(tx, gateway, wanted or [None] * (count or 0))
            return _told(tx, gateway, {each.private_ip for each in gateway.secondary[before:]})

    @operation
    def disassociate_nat_gateway_address(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            gateway = self._living_nat(tx, ctx, params, "public")
            held = {each.association_id: each.private_ip for each in gateway.secondary}
            for each in params["AssociationIds"]:
                if each == gateway.association_id:
                    raise errors.InvalidParameterValue("You cannot disassociate the primary EIP of a NAT gateway.")
                if each not in held:
                    ids.EIP_ASSOCIATION.check(each)
                    raise errors.AssociationNotFound(each)
            return self._drain(tx, gateway, {held[each] for each in params["AssociationIds"]}, params)

    @operation
    def unassign_private_nat_gateway_address(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            gateway = self._living_nat(tx, ctx, params, "private")
            gone = set(params["PrivateIpAddresses"])
            if gateway.private_ip in gone:
                raise errors.InvalidParameterValue("You cannot unassign the primary private IP of a NAT gateway.")
            if unknown := gone - {each.private_ip for each in gateway.secondary}:
                raise errors.InvalidParameterValue(
                    f"Some of the specified addresses are not assigned to interface {gateway.interface_id}: "
                    f"{', '.join(sorted(unknown))}"
                )
            return self._drain(tx, gateway, gone, params)

    # -- for CreateNatGateway too ------------------------------------------------------------------------------------

    def with_elastic_ips(
        self, tx: Tx, ctx: RequestContext, gateway: NatGateway, allocations: list[str], addresses: list[str]
    ) -> NatGateway:
        """The gateway with these Elastic IPs more, on these private addresses or on any."""
        if addresses and len(addresses) != len(allocations):
            raise errors.InvalidParameterCombination(
                "The number of private IP addresses must match the number of allocation IDs"
            )
        if 1 + len(gateway.secondary) + len(allocations) > self.limits.elastic_ips_per_nat_gateway:
            raise quota_errors.NatGatewayAddressLimitExceeded(self.limits.elastic_ips_per_nat_gateway)
        for each in allocations:
            self.get(tx, ctx, ids.ELASTIC_IP, each)
        before = len(gateway.secondary)
        gateway = nat_addresses.add(tx, gateway, addresses or [None] * len(allocations))
        for address, allocation in zip(gateway.secondary[before:], allocations, strict=True):
            gateway = nat_addresses.bind(tx, self.entropy, gateway, address.private_ip, allocation)
        return gateway

    def with_private_addresses(self, tx: Tx, gateway: NatGateway, wanted: list[str | None]) -> NatGateway:
        if 1 + len(gateway.secondary) + len(wanted) > self.limits.addresses_per_nat_gateway:
            raise quota_errors.NatGatewayAddressLimitExceeded(self.limits.addresses_per_nat_gateway)
        return nat_addresses.add(tx, gateway, wanted)

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _living_nat(self, tx: Tx, ctx: RequestContext, params: Params, connectivity: str) -> NatGateway:
        gateway = self.get(tx, ctx, ids.NAT_GATEWAY, params["NatGatewayId"])
        if gateway.deleted_at is not None or gateway.failure_code is not None:
            raise errors.NatGatewayNotFound(gateway.id)
        if gateway.connectivity != connectivity:
            raise errors.InvalidParameterValue(
                f"This action is not supported for a NAT gateway with {gateway.connectivity} connectivity: {gateway.id}"
            )
        return gateway

    def _drain(self, tx: Tx, gateway: NatGateway, leaving: set[str], params: Params) -> dict[str, Any]:
        ends = self.clock.now() + params.get("MaxDrainDurationSeconds", DRAIN_S)
        gateway = replace(
            gateway,
            secondary=tuple(
                replace(each, leaves_at=each.leaves_at or ends) if each.private_ip in leaving else each
                for each in gateway.secondary
            ),
        )
        tx.put(gateway)
        return _told(tx, gateway, leaving)


def _told(tx: Tx, gateway: NatGateway, chosen: set[str]) -> dict[str, Any]:
    shown = [each for each in gateway.secondary if each.private_ip in chosen]
    return {
        "NatGatewayId": gateway.id,
        "NatGatewayAddresses": [nat_addresses.to_wire(tx, gateway, each) for each in shown],
    }

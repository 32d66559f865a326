"""Secondary private addresses of network interfaces: assign and unassign."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import elastic_ips, errors, ids, interfaces, quota_errors, store
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.model import NetworkInterface, SecondaryAddress, Subnet


class PrivateAddressOperations(Ec2Base):
    @operation
    def assign_private_ip_addresses(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("Ipv4Prefixes") or params.get("Ipv4PrefixCount"):
            raise errors.NotYet("delegated prefixes")
        wanted, count = params.get("PrivateIpAddresses") or [], params.get("SecondaryPrivateIpAddressCount")
        if wanted and count is not None:
            raise errors.InvalidParameterCombination(
                "The parameters privateIpAddresses and secondaryPrivateIpAddressCount cannot be used together"
            )
        if not wanted and not count:
            raise errors.MissingParameterText(
                "The request must contain privateIpAddresses or secondaryPrivateIpAddressCount"
            )
        with self.store.write() as tx:
            interface = self._own_interface(tx, ctx, params)
            if params.get("AllowReassignment"):
                self._take_from_others(tx, interface, wanted)
            before = len(interface.secondary)
            interface = self.with_secondary(tx, interface, wanted or [None] * (count or 0))
            added = interface.secondary[before:]
        return {
            "NetworkInterfaceId": interface.id,
            "AssignedPrivateIpAddresses": [{"PrivateIpAddress": each.private_ip} for each in added],
        }

    @operation
    def unassign_private_ip_addresses(self, ctx: RequestContext, params: Params) -> None:
        if params.get("Ipv4Prefixes"):
            raise errors.NotYet("delegated prefixes")
        wanted = params.get("PrivateIpAddresses") or []
        if not wanted:
            raise errors.MissingParameter("privateIpAddress")
        with self.store.write() as tx:
            interface = self._own_interface(tx, ctx, params)
            held = {each.private_ip for each in interface.secondary}
            if unknown := [each for each in wanted if each not in held]:
                raise errors.InvalidParameterValue(
                    f"Some of the specified addresses are not assigned to interface {interface.id}: "
                    f"{', '.join(unknown)}"
                )
            self._without(tx, interface, set(wanted))

    def with_secondary(self, tx: Tx, interface: NetworkInterface, wanted: list[str | None]) -> NetworkInterface:
        """The interface with these addresses more, None being any free one. Raises what `take_private` does."""
        if 1 + len(interface.secondary) + len(wanted) > self.limits.addresses_per_interface:
            raise quota_errors.PrivateAddressLimitExceeded()
        subnet = store.find(tx, Subnet, interface.account, interface.region, interface.subnet_id, errors.SubnetNotFound)
        taken = tuple(
            SecondaryAddress(private_ip=store.take_private(tx, subnet, interface.id, each)) for each in wanted
        )
        if taken:
            interface = replace(interface, secondary=(*interface.secondary, *taken))
            tx.put(interface)
        return interface

    def _own_interface(self, tx: Tx, ctx: RequestContext, params: Params) -> NetworkInterface:
        interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
        interfaces.check_users_own(interface)
        return interface

    def _without(self, tx: Tx, interface: NetworkInterface, gone: set[str]) -> None:
        for private_ip in gone:
            address = elastic_ips.of_address(tx, interface, private_ip)
            if address is not None:
                interface = elastic_ips.disassociate(tx, address)
            store.release_private(tx, interface, private_ip)
        tx.put(replace(interface, secondary=tuple(each for each in interface.secondary if each.private_ip not in gone)))

    def _take_from_others(self, tx: Tx, interface: NetworkInterface, wanted: list[str]) -> None:
        """Take away secondary addresses that other interfaces of the subnet have."""
        for other in tx.list(NetworkInterface, interface.account, interface.region):
            if other.id != interface.id and other.subnet_id == interface.subnet_id:
                gone = {each.private_ip for each in other.secondary} & set(wanted)
                if gone:
                    self._without(tx, other, gone)

"""IPv6 addresses of network interfaces: assign and unassign."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, ids, interfaces, ipv6
from kunren.services.ec2.api.base import Ec2Base, Params, operation

PREFIXES = "delegated prefixes"


class Ipv6AddressOperations(Ec2Base):
    @operation
    def assign_ipv6_addresses(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("Ipv6Prefixes") or params.get("Ipv6PrefixCount"):
            raise errors.NotYet(PREFIXES)
        wanted = wanted_addresses(params.get("Ipv6Addresses") or [], params.get("Ipv6AddressCount"))
        if not wanted:
            raise errors.MissingParameterText("The request must contain ipv6Addresses or ipv6AddressCount")
        with self.store.write() as tx:
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            interfaces.check_users_own(interface)
            before = interface.ipv6
            interface = ipv6.take(tx, self.entropy, interface, interfaces.subnet_of(tx, interface), wanted)
        return {
            "NetworkInterfaceId": interface.id,
            "AssignedIpv6Addresses": [each for each in interface.ipv6 if each not in before],
        }

    @operation
    def unassign_ipv6_addresses(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("Ipv6Prefixes"):
            raise errors.NotYet(PREFIXES)
        wanted = params.get("Ipv6Addresses") or []
        if not wanted:
            raise errors.MissingParameter("ipv6Addresses")
        with self.store.write() as tx:
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            interfaces.check_users_own(interface)
            gone = [ipv6.canonical(each) for each in wanted]
            if unknown := [each for each in gone if each not in interface.ipv6]:
                raise errors.InvalidParameterValue(
                    f"Some of the specified addresses are not assigned to interface {interface.id}: "
                    f"{', '.join(unknown)}"
                )
            tx.put(replace(interface, ipv6=tuple(each for each in interface.ipv6 if each not in gone)))
        return {"NetworkInterfaceId": interface.id, "UnassignedIpv6Addresses": gone}


def wanted_addresses(listed: list[str], count: int | None) -> list[str | None]:
    """Raises InvalidParameterCombination."""
    if listed and count:
        raise errors.InvalidParameterCombination(
            "The parameters ipv6Addresses and ipv6AddressCount cannot be used together"
        )
    return [*listed] if listed else [None] * (count or 0)

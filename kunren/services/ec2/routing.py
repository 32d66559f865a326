"""Where routes lead: pure, and the same for what DescribeRouteTables says and for what the kernel gets.

A route whose target is gone, detached or not ready to carry anything is a `blackhole` ("Route table concepts").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kunren.services.ec2 import peerings, store
from kunren.services.ec2.ipv6_model import EgressOnlyInternetGateway
from kunren.services.ec2.model import (
    NatGateway,
    NetworkInterface,
    RouteTable,
    Vpc,
    VpcPeering,
)


class Hop(NamedTuple):
    """`kind` is "local", "internet", "egress" (what goes out, and its answers), "service" (AWS's own, behind a gateway
    endpoint), "peering" with the connection's id, "interface" with the private address that packets are handed to and
    the IPv6 one if it has any, or "dropped" where the interface's source/destination check lets none of them in."""

    kind: str
    to: str = ""
    to_v6: str = ""


HopOf = Callable[[str], Hop | None]


def hops(reader: store.Reader, vpc: Vpc) -> HopOf:
    """What leads on from a route's target in this VPC; None for a black hole."""
    gateway = store.gateway_of(reader, vpc)

    def hop(target: str) -> Hop | None:
        if target == "local":
            return Hop("local")
        if gateway is not None and target == gateway.id:
            return Hop("internet")
        if target.startswith("eigw-"):
            egress = reader.get(EgressOnlyInternetGateway, vpc.account, vpc.region, target)
            return Hop("egress") if egress is not None else None
        if target.startswith("nat-"):
            nat = reader.get(NatGateway, vpc.account, vpc.region, target)
            return _through(reader, vpc, nat.interface_id if nat is not None else None)
        if target.startswith("vpce-"):  # such a route goes with its endpoint
            return Hop("service")
        if target.startswith("pcx-"):
            peering = reader.get(VpcPeering, vpc.account, vpc.region, target)
            return Hop("peering", target) if peering is not None and peerings.connects(peering, vpc) else None
        return _through(reader, vpc, target) if target.startswith("eni-") else None

    return hop


def _through(reader: store.Reader, vpc: Vpc, interface_id: str | None) -> Hop | None:
    """Through an interface of the VPC that something answers on; a deleted NAT gateway's is gone."""
    if interface_id is None:
        return None
    interface = reader.get(NetworkInterface, vpc.account, vpc.region, interface_id)
    if interface is None or interface.vpc_id != vpc.id or interface.attachment not in ("nat", "workload"):
        return None
    if interface.source_dest_check:
        return Hop("dropped")
    return Hop("interface", interface.private_ip, next(iter(interface.ipv6), ""))


def state_of(reader: store.Reader, table: RouteTable, target: str) -> str:
    """As DescribeRouteTables has it."""
    vpc = store.find_vpc(reader, table.account, table.region, table.vpc_id)
    return "blackhole" if hops(reader, vpc)(target) is None else "active"

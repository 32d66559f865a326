"""Which interfaces VPC Block Public Access cuts off from the internet: pure, on a reader.

The account's mode in a region holds for every subnet but those that an exclusion names, or whose VPC one names ("Block
public access to VPCs and subnets"). Where only what goes out is allowed, that is what NAT gateways translate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kunren.control.store import Tx
from kunren.services.ec2 import store
from kunren.services.ec2.access_model import PublicAccess, PublicAccessExclusion
from kunren.services.ec2.model import (
    AppliedPrefixLists,
    NetworkInterface,
    Vpc,
)
from kunren.services.elbv2.model import LoadBalancer

OPTIONS_ID = "default"
OFF, BIDIRECTIONAL, INGRESS = "off", "block-bidirectional", "block-ingress"


def options_of(reader: store.Reader, account: str, region: str) -> PublicAccess | None:
    """None where the account never changed them."""
    return reader.get(PublicAccess, account, region, OPTIONS_ID)


def mode_of(reader: store.Reader, account: str, region: str) -> str:
    options = options_of(reader, account, region)
    return options.mode if options is not None else OFF


def exclusions_of(reader: store.Reader, vpc: Vpc) -> list[PublicAccessExclusion]:
    """Of the VPC, and of its subnets."""
    return [each for each in reader.list(PublicAccessExclusion, vpc.account, vpc.region) if each.vpc_id == vpc.id]


def blocked(reader: store.Reader, vpc: Vpc, interfaces: Iterable[NetworkInterface]) -> frozenset[str]:
    """The private addresses that the internet gateway does not carry packets of."""
    mode = mode_of(reader, vpc.account, vpc.region)
    if mode == OFF:
        return frozenset()
    excluded = {each.subnet_id: each.mode for each in exclusions_of(reader, vpc)}

    def is_cut_off(interface: NetworkInterface) -> bool:
        exclusion = excluded.get(interface.subnet_id, excluded.get(None))
        if exclusion is None and mode == BIDIRECTIONAL:
            return True
        return exclusion != "allow-bidirectional" and interface.attachment != "nat"

    cut_off = (each for each in interfaces if is_cut_off(each))
    return frozenset(private for each in cut_off for private in store.public_addresses(each).values())


class BlockedV6(NamedTuple):
    """The IPv6 addresses that the internet gateway carries nothing of, and those that the egress-only one carries
    nothing of either."""

    blocked6: frozenset[str]
    shut6: frozenset[str]


def blocked_v6(reader: store.Reader, vpc: Vpc, interfaces: Iterable[NetworkInterface]) -> BlockedV6:
    mode = mode_of(reader, vpc.account, vpc.region)
    denied = _denied(reader, vpc)
    if mode == OFF:
        return BlockedV6(denied, frozenset())
    excluded = {each.subnet_id: each.mode for each in exclusions_of(reader, vpc)}
    blocked6: set[str] = set(denied)
    shut6: set[str] = set()
    for interface in interfaces:
        exclusion = excluded.get(interface.subnet_id, excluded.get(None))
        if exclusion != "allow-bidirectional":
            blocked6.update(interface.ipv6)
            shut6.update(interface.ipv6 if exclusion is None and mode == BIDIRECTIONAL else ())
    return BlockedV6(frozenset(blocked6), frozenset(shut6))


def _denied(reader: store.Reader, vpc: Vpc) -> frozenset[str]:
    """The IPv6 addresses of load balancers that say so themselves, as internal ones do unless they are told otherwise
    ("Load balancer attributes")."""
    found: set[str] = set()
    for each in reader.list(LoadBalancer, vpc.account, vpc.region):
        if each.vpc_id == vpc.id and each.ip_address_type != "ipv4":
            internal = each.scheme == "internal" and each.type == "application"
            if each.attributes.get("ipv6.deny_all_igw_traffic", str(internal).lower()) == "true":
                found.update(node.ipv6 for node in each.zones if node.ipv6 is not None)
    return frozenset(found)


def wanted(reader: store.Reader, vpc: Vpc) -> tuple[str, ...]:
    """All that decides about the VPC, to be compared with what its network was made of."""
    rules = (f"{each.id}/{each.mode}" for each in exclusions_of(reader, vpc))
    return (mode_of(reader, vpc.account, vpc.region), *sorted(rules))


def is_applied(reader: store.Reader, vpc: Vpc) -> bool:
    """Has the VPC's network been made so; one that does not run has none."""
    applied = reader.get(AppliedPrefixLists, vpc.account, vpc.region, vpc.id)
    return applied is None or applied.public_access == wanted(reader, vpc)


def forget(tx: Tx, account: str, region: str, *, vpc_id: str | None = None, subnet_id: str | None = None) -> None:
    """The VPC, or the subnet, is deleted, and its exclusion with it."""
    for each in tx.list(PublicAccessExclusion, account, region):
        if (vpc_id is not None and each.vpc_id == vpc_id) or (subnet_id is not None and each.subnet_id == subnet_id):
            tx.delete(each)

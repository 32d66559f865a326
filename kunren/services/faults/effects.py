"""What the faults mean for a VPC's network and for the links between the world's sites. Pure, from a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kunren.control.store import Snapshot
from kunren.services.faults.model import Fault
from kunren.world.broken_links import BrokenLink
from kunren.world.network import Broken


def faults(snapshot: Snapshot) -> list[Fault]:
    """All there are, oldest first."""
    return sorted(snapshot.every(Fault), key=age)


def age(fault: Fault) -> tuple[float, str]:
    """What faults are sorted by."""
    return fault.since, fault.id


def broken_in_vpc(
    found: Iterable[Fault], vpc_id: str, region: str, zones: Mapping[str, str], peers: Mapping[str, str]
) -> tuple[Broken, ...]:
    """What is broken in a VPC: `zones` are the zones of its subnets by their ids, `peers` the regions on the other side
    of its peering connections by theirs."""
    broken = []
    for each in found:
        subnets, whole, peerings = _in_vpc(each, vpc_id, region, zones, peers)
        if (subnets or whole or peerings) and each.loss:
            broken.append(Broken(whole, subnets, peerings, each.loss))
    return tuple(broken)


def _in_vpc(
    fault: Fault, vpc_id: str, region: str, zones: Mapping[str, str], peers: Mapping[str, str]
) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """Its subnets, whether all of it, and its peering connections that a fault breaks."""
    match fault.what:
        case "zone":
            return tuple(sorted(id for id, zone in zones.items() if zone == fault.name)), False, ()
        case "subnet":
            return (fault.name,) if fault.name in zones else (), False, ()
        case "vpc":
            return (), fault.name == vpc_id, ()
        case "region":
            # Within the region as well: what is there is gone, not only out of reach.
            return (), fault.name == region, ()
        case "link" if fault.name == region:  # the other side need not lose the same packets once more
            return (), False, tuple(sorted(id for id, peer in peers.items() if peer == fault.other))
    return (), False, ()


def broken_between_sites(found: Iterable[Fault]) -> list[BrokenLink]:
    """What is broken of the links of places, edge locations and regions."""
    return [
        BrokenLink(each.what, each.name, each.other, each.loss, each.delay_ms)
        for each in found
        if each.what in ("place", "edge", "region", "link")
    ]

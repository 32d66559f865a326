"""Which of a load balancer's zones take part: not one that traffic is shifted away from, nor one whose node is cut off.

A shift takes the zone's address out of DNS; where targets are reached across zones, those of the zone get nothing new
either. Where they are not, the shift is left to DNS ("Zonal shift", both guides). A group with targets in that zone
alone is not shifted. A node is cut off when none of its probes gets through while another's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.services.arc_zonal_shift.effect import away_from
from kunren.services.arc_zonal_shift.model import Autoshift, ZonalShift
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.model import AvailabilityZone, LoadBalancer, NodeCutOff, TargetGroup

View: TypeAlias = Snapshot | Tx


def shifted_zone(view: View, balancer: LoadBalancer) -> str | None:
    """The name of the zone that the load balancer's traffic is shifted away from."""
    if balancer.attributes.get("zonal_shift.config.enabled") != "true":
        return None
    away = away_from(view, balancer.account, balancer.region, balancer.id)
    for node in balancer.zones if away is not None else ():
        subnet = view.get(Subnet, balancer.account, balancer.region, node.subnet_id)
        if subnet is not None and subnet.availability_zone_id == away:
            return node.zone_name
    return None


def given_out(view: View, balancer: LoadBalancer, nodes: Sequence[AvailabilityZone]) -> tuple[AvailabilityZone, ...]:
    """The nodes of those that clients may be sent to; all where none would be left."""
    away = shifted_zone(view, balancer)
    left = tuple(
        node
        for node in nodes
        if node.zone_name != away and view.get(NodeCutOff, balancer.account, balancer.region, node.interface_id) is None
    )
    return left or tuple(nodes)


def zone_without_traffic(snapshot: Snapshot, group: TargetGroup, zones: Iterable[str | None]) -> str | None:
    """The zone of `zones` (those of the group's targets) whose targets get nothing, for a group that is reached across
    zones."""
    if not any(each.status == "ACTIVE" for each in snapshot.every(ZonalShift)) and not any(
        each.ended is None for each in snapshot.every(Autoshift)
    ):
        return None
    for arn in group_users(snapshot, group.account, group.region).get(group.id, ()):
        balancer = snapshot.get(LoadBalancer, group.account, group.region, arn)
        away = shifted_zone(snapshot, balancer) if balancer is not None else None
        if away is not None and set(zones) - {away}:
            return away
    return None

"""Which zones of a load balancer have enough healthy targets to be given out in DNS.

A zone fails when any target group has fewer healthy targets there than its threshold: all the group's targets count for
every zone, or, where cross-zone load balancing is off, the zone's own. If all zones fail, all are given out.

"Target group health" in the Application Load Balancer guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kunren.control.store import Snapshot
from kunren.core.memo import by_identity
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.model import AvailabilityZone, TargetGroup


def in_dns(
    snapshot: Snapshot, groups: Iterable[TargetGroup], nodes: Sequence[AvailabilityZone]
) -> tuple[AvailabilityZone, ...]:
    """The nodes whose addresses the load balancer's name has."""
    groups = tuple(groups)
    well = tuple(node for node in nodes if all(serves(snapshot, group, node.zone_name) for group in groups))
    return well or tuple(nodes)


@by_identity(64)
def serves(snapshot: Snapshot, group: TargetGroup, zone: str) -> bool:
    """Whether the group has as many healthy targets for the zone as its DNS failover thresholds ask for. Functions
    have no thresholds."""
    if group.target_type == "lambda":
        return True
    active = [each for each in group.targets if each.draining_since is None]
    if targets.keeps_zones(group):
        active = [each for each in active if targets.zone_of(snapshot, group, each) in (zone, "all", None)]
    well = targets.serving(snapshot, group)
    healthy = sum((each.id, each.port) in well for each in active)
    return healthy >= targets.minimum_healthy(group, "dns_failover", len(active))

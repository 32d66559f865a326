"""From counts to the lines of a flow log. Pure. "Flow log records".

`start` and `end` are those of the aggregation interval: the kernel tells how much a flow had in it, not when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kunren.services.ec2.flow_logs.fields import names_in, version_of
from kunren.services.ec2.model import FlowLog, NetworkInterface, Subnet
from kunren.world.flow_counts import EGRESS, INGRESS, Count, Counts, Flow

ACCEPT, REJECT = "ACCEPT", "REJECT"
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Window:
    """An aggregation interval, in AWS time."""

    start: float
    end: float


def difference(before: Counts, now: Counts) -> Counts:
    """What was counted between two readings. A flow that has less now is counted anew."""

    def more(was: Mapping[Flow, Count], have: Mapping[Flow, Count]) -> dict[Flow, Count]:
        found = {flow: count.minus(was.get(flow, Count())) for flow, count in have.items()}
        return {flow: count for flow, count in found.items() if count.packets}

    return Counts(more(before.accepted, now.accepted), more(before.rejected, now.rejected), now.full)


def lines(log: FlowLog, interface: NetworkInterface, subnet: Subnet, counts: Counts, window: Window) -> list[str]:
    """The records of one interface: a NODATA record where there is none, a SKIPDATA record where flows found no room
    to be counted in."""
    names = names_in(log.format)
    fixed = {
        "version": str(version_of(names)),
        "account-id": log.account,
        "interface-id": interface.id,
        "start": str(int(window.start)),
        "end": str(int(window.end)),
    }
    placed = {
        "vpc-id": interface.vpc_id,
        "subnet-id": subnet.id,
        "region": log.region,
        "az-id": subnet.availability_zone_id,
        "log-status": "OK",
    }
    found = [
        _line(names, {**fixed, **placed, **_values(interface, flow, count), "action": action})
        for action, flow, count in _chosen(log.traffic_type, counts)
    ]
    if counts.full:
        found.append(_line(names, {**fixed, "log-status": "SKIPDATA"}))
    return found or [_line(names, {**fixed, "log-status": "NODATA"})]


def _chosen(traffic_type: str, counts: Counts) -> Iterator[tuple[str, Flow, Count]]:
    for action, flows in ((ACCEPT, counts.accepted), (REJECT, counts.rejected)):
        if traffic_type in (action, "ALL"):
            for flow in sorted(flows):
                yield action, flow, flows[flow]


def _values(interface: NetworkInterface, flow: Flow, count: Count) -> dict[str, str]:
    """The interface's own end is always told as its primary private address, or its IPv6 one; what the packets carried
    are pkt-srcaddr and pkt-dstaddr."""
    six = ":" in flow.source
    own = next(iter(interface.ipv6), _ABSENT) if six else interface.private_ip
    return {
        "type": "IPv6" if six else "IPv4",
        "srcaddr": own if flow.direction == EGRESS else flow.source,
        "dstaddr": own if flow.direction == INGRESS else flow.destination,
        "pkt-srcaddr": flow.source,
        "pkt-dstaddr": flow.destination,
        "srcport": str(flow.source_port),
        "dstport": str(flow.destination_port),
        "protocol": str(flow.protocol),
        "packets": str(count.packets),
        "bytes": str(count.bytes),
        "flow-direction": flow.direction,
    }


def _line(names: Sequence[str], values: Mapping[str, str]) -> str:
    return " ".join(values.get(each, _ABSENT) for each in names)

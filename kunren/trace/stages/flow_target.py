"""Where a Network Load Balancer sends a flow: zone, health, fail-open, weights, stickiness, whose address is seen.

Decided by the functions that make the kernel's tables and Envoy's endpoints. Of several targets a sticky flow's is
known, by the kernel's own hash; TCP flows are drawn, and a datagram's depends on a port that nobody knows before.
"""

from __future__ import annotations

import msgspec

from kunren.dataplane.flows.ruleset import sticky_target
from kunren.services.ec2.model import NetworkInterface
from kunren.services.ec2.verdicts import EPHEMERAL, Verdict, network_acl
from kunren.services.elbv2.dataplane import network
from kunren.services.elbv2.dataplane.network import Share, by_proxy
from kunren.services.elbv2.model import TargetHealth, target_health_id
from kunren.services.elbv2.network_attributes import crosses_zones
from kunren.services.elbv2.words import percent
from kunren.trace.course import Course
from kunren.trace.model import CONNECTED, REFUSED, TIMEOUT, Considered, Step, Target
from kunren.trace.stages.client_network import acl_of, group_verdict

STAGE = "target"


def stage(course: Course) -> Step | None:
    balancer, listener, node = course.balancer, course.listener, course.node
    if balancer is None or balancer.type != "network" or listener is None or node is None:
        return None
    behind = network.shares(course.snapshot, listener)
    proxied = by_proxy(listener, behind)
    chosen = {
        share.group.id: network.serving(course.snapshot, balancer, share.group, node.zone_name) for share in behind
    }
    drawn = [share for share in behind if chosen[share.group.id] or proxied]
    total = sum(share.weight for share in drawn)
    considered, reasons, possible = [], [], []
    for share in behind:
        group, served = share.group, chosen[share.group.id]
        reasons.append(_reason(course, share, len(served)))
        considered += _considered(course, share, served)
        possible += [
            Target(group=group.name, id=f"{address}:{port}", probability=share.weight / total / len(served))
            for address, port in served
        ]
    because = "; ".join([*reasons, *_ways(course, behind, len(possible))])
    if (known := None if proxied else _sticky(course, behind)) is not None:
        possible = [msgspec.structs.replace(each, probability=1.0) for each in possible if each.id == known]
    if not possible:
        outcome = CONNECTED if proxied else REFUSED if course.request.transport == "tcp" else TIMEOUT
        told = {CONNECTED: "none: connected, then closed", REFUSED: "none: reset", TIMEOUT: "none: dropped"}[outcome]
        if not course.request.is_flow:
            return course.ended(STAGE, told, because, tuple(considered), unsure="no target may get the connection")
        return course.ended(STAGE, told, because, tuple(considered), outcome=outcome)
    barred = [each for share in behind for each in _barred(course, share, proxied, possible)]
    considered += [Considered(what=f"way to {id}", taken=False, because=why.because) for id, why in barred]
    course.expected.targets = tuple(possible)
    _foretell(course, proxied, len(barred), considered)
    told = " or ".join(
        each.id + (f" ({percent(each.probability, 1)})" if each.probability < 1 else "") for each in possible
    )
    return course.ended(STAGE, told, because, tuple(considered))


def _sticky(course: Course, behind: list[Share]) -> str | None:
    """The one target that the client's address leads to."""
    balancer, listener, node = course.balancer, course.listener, course.node
    assert balancer is not None and listener is not None and node is not None
    if not course.request.source or not any(share.is_on("stickiness.enabled") for share in behind):
        return None
    flows = network.flows(course.snapshot, balancer, node, listener, behind, float)
    chosen = next((each for each in flows if each.protocol == course.request.transport and each.targets), None)
    if chosen is None:
        return None
    target = sticky_target(balancer.id, chosen, course.request.source)
    return f"{target.address}:{target.port}"


def _foretell(course: Course, proxied: bool, barred: int, considered: list[Considered]) -> None:
    expected, healthy = course.expected, [each.taken and each.because == "healthy" for each in considered]
    if not course.request.is_flow or course.request.transport == "udp":
        expected.unsure = "the target answers as it likes"
        expected.outcome = TIMEOUT if barred == len(expected.targets) and not proxied else None
    elif proxied:
        expected.outcome = CONNECTED  # by Envoy, whatever becomes of it behind
    elif barred == len(expected.targets):
        expected.outcome = TIMEOUT
    elif barred or sum(healthy) < len(expected.targets):
        expected.unsure = "not every target that may get the connection is known to accept one"
    else:
        expected.outcome = CONNECTED


def _reason(course: Course, share: Share, served: int) -> str:
    balancer, node, group = course.balancer, course.node, share.group
    assert balancer is not None and node is not None
    found = [each for each in network.places(course.snapshot, balancer, group, node.zone_name) if not each[3]]
    healthy = sum(each[2] for each in found)
    where = f"{node.zone_name} (cross-zone load balancing is off)"
    if crosses_zones(balancer, group):
        where = "all zones of the load balancer (cross-zone load balancing is on)"
    told = f"{healthy} of {len(found)} targets of {group.name} in {where} are healthy"
    wanted = network.wanted_healthy(group, len(found), "unhealthy_state_routing")
    return told + (f", and {wanted} must be: fails open, all {served} get flows" if healthy < wanted and served else "")


def _ways(course: Course, behind: list[Share], count: int) -> list[str]:
    told = []
    if count > 1 and any(share.is_on("stickiness.enabled") for share in behind):
        told.append("sticky: all flows of the client's address go to one, by a hash")
    elif count > 1 and course.request.transport == "udp":
        told.append("one is chosen by a hash of the flow's addresses and ports")
    elif count > 1:
        told.append("one is drawn for each connection")
    for share in behind:
        if share.is_on("proxy_protocol_v2.enabled"):
            told.append(f"targets of {share.group.name} read the client's address in a PROXY protocol header")
        seen = "the client's own address" if share.is_on("preserve_client_ip.enabled") else "the node's address"
        told.append(f"targets of {share.group.name} see {seen}")
    return told


def _considered(course: Course, share: Share, served: list[tuple[str, int]]) -> list[Considered]:
    balancer, node, group = course.balancer, course.node, share.group
    assert balancer is not None and node is not None
    found = []
    for address, port, _, drains in network.places(course.snapshot, balancer, group, node.zone_name):
        taken = (address, port) in served
        because = "draining" if drains else _state(course, share, address, port)
        found.append(Considered(what=f"{address}:{port} in {group.name}", taken=taken, because=because))
    elsewhere = len(group.targets) - len(found)
    if elsewhere > 0:
        because = f"not reached from {node.zone_name}"
        found.append(Considered(what=f"{elsewhere} more in {group.name}", taken=False, because=because))
    return found


def _state(course: Course, share: Share, address: str, port: int) -> str:
    group = share.group
    target = next((each for each in group.targets if each.id == address and each.port == port), None)
    if target is None:
        return "healthy" if group.target_type == "alb" else ""
    id = target_health_id(group.id, target)
    seen = course.snapshot.get(TargetHealth, group.account, group.region, id)
    return seen.state + (f" ({seen.reason})" if seen.reason else "") if seen is not None else "not probed"


def _barred(course: Course, share: Share, proxied: bool, possible: list[Target]) -> list[tuple[str, Verdict]]:
    """Targets of the group whose security groups or network ACL keep the flow out."""
    node, vpc = course.interface, course.vpc
    assert node is not None and vpc is not None
    peer = course.request.source if share.is_on("preserve_client_ip.enabled") else node.private_ip
    rows = course.snapshot.list(NetworkInterface, vpc.account, vpc.region)
    found = []
    for target in possible:
        address, _, port_text = target.id.rpartition(":")
        interface = next((each for each in rows if each.vpc_id == vpc.id and each.private_ip == address), None)
        if target.group != share.group.name or interface is None:
            continue
        port, protocol = int(port_text), course.request.transport
        verdicts = [group_verdict(course, interface, egress=False, port=port, peer=peer)]
        if interface.subnet_id != node.subnet_id:
            near, far = acl_of(course, node.subnet_id), acl_of(course, interface.subnet_id)
            verdicts += [
                network_acl(near, egress=True, ports=(port, port), peer=address, protocol=protocol),
                network_acl(far, egress=False, ports=(port, port), peer=peer, protocol=protocol),
                network_acl(far, egress=True, ports=EPHEMERAL, peer=peer, protocol=protocol),
                network_acl(near, egress=False, ports=EPHEMERAL, peer=address, protocol=protocol),
            ]
        verdict = next((each for each in verdicts if not each.allowed), None)
        if verdict is not None:
            found.append((target.id, verdict))
    return found

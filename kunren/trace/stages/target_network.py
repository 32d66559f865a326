"""From the load balancer's node to the target: security groups of both, and network ACLs between subnets."""

from __future__ import annotations

from kunren.services.ec2.model import NetworkInterface
from kunren.services.ec2.verdicts import EPHEMERAL, Verdict, network_acl
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, Considered, Step, Target
from kunren.trace.stages.client_network import acl_of, group_verdict

STAGE = "target network"
GATEWAY_TIMEOUT = 504


def stage(course: Course) -> Step | None:
    candidates = [each for each in course.expected.targets if not each.id.startswith("arn:")]
    if not candidates:
        return None
    considered, barred = [], []
    for each in candidates:
        verdict = _verdict(course, each)
        considered.append(Considered(what=f"node to {each.id}", taken=verdict.allowed, because=verdict.because))
        if not verdict.allowed:
            barred.append(each)
    if len(barred) == len(course.expected.targets):
        course.expected.targets = ()  # no request gets to any of them
        return course.ended(
            STAGE, f"dropped, so the answer is {GATEWAY_TIMEOUT}", considered[0].because, tuple(considered),
            outcome=ANSWER, statuses=(GATEWAY_TIMEOUT,), answered_by="load balancer",
        )  # fmt: skip
    if barred:
        course.expected.answered_by = None
        course.expected.unsure = f"a request that is given to {', '.join(each.id for each in barred)} gets 504"
    because = next(each.because for each in considered if each.taken)
    chosen = "passes" if not barred else f"passes to {len(candidates) - len(barred)} of {len(candidates)} targets"
    return Step(stage=STAGE, chosen=chosen, because=because, considered=tuple(considered))


def _verdict(course: Course, target: Target) -> Verdict:
    """The first thing that bars a connection to the target, or what lets it in."""
    node, network = course.interface, course.network
    assert node is not None and network is not None
    address, _, port_text = target.id.rpartition(":")
    port = int(port_text)
    out = group_verdict(course, node, egress=True, port=port, peer=address)
    if not out.allowed:
        return Verdict(False, f"out of the load balancer: {out.because}")
    interface = _interface(course, address)
    if interface is None:
        return Verdict(True, f"nothing of this VPC has {address}: whether anything answers there is not known")
    if interface.subnet_id != node.subnet_id:
        near, far = acl_of(course, node.subnet_id), acl_of(course, interface.subnet_id)
        crossing = [
            network_acl(near, egress=True, ports=(port, port), peer=address),
            network_acl(far, egress=False, ports=(port, port), peer=node.private_ip),
            network_acl(far, egress=True, ports=EPHEMERAL, peer=node.private_ip),
            network_acl(near, egress=False, ports=EPHEMERAL, peer=address),
        ]
        barrier = next((each for each in crossing if not each.allowed), None)
        if barrier is not None:
            return barrier
    return group_verdict(course, interface, egress=False, port=port, peer=node.private_ip)


def _interface(course: Course, address: str) -> NetworkInterface | None:
    assert course.vpc is not None
    rows = course.snapshot.list(NetworkInterface, course.vpc.account, course.vpc.region)
    return next((each for each in rows if each.vpc_id == course.vpc.id and each.private_ip == address), None)

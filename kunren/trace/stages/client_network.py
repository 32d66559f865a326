"""From the client to the address: network ACL, security group, listening or not, and the way back."""

from __future__ import annotations

from kunren.services.ec2 import prefix_lists
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.model import NetworkAcl, NetworkInterface, SecurityGroup, Subnet
from kunren.services.ec2.verdicts import EPHEMERAL, Verdict, network_acl, route, security_groups
from kunren.trace.course import Course
from kunren.trace.model import TIMEOUT, Considered, Step

STAGE = "client network"


def stage(course: Course) -> Step | None:
    interface, network = course.interface, course.network
    assert interface is not None and network is not None
    source, port, protocol = course.request.source, course.request.port, course.request.transport
    acl = acl_of(course, interface.subnet_id)
    verdicts = [
        ("network ACL, in", network_acl(acl, egress=False, ports=(port, port), peer=source, protocol=protocol)),
        ("security group, in", group_verdict(course, interface, egress=False, port=port, peer=source)),
        ("route back", _way_back(course, interface, source)),
        ("network ACL, back", network_acl(acl, egress=True, ports=EPHEMERAL, peer=source, protocol=protocol)),
    ]
    considered = tuple(Considered(what=what, taken=each.allowed, because=each.because) for what, each in verdicts)
    barred = next(((what, each) for what, each in verdicts if not each.allowed), None)
    if barred is not None:
        return course.ended(STAGE, "dropped", barred[1].because, considered, outcome=TIMEOUT)
    step = Step(stage=STAGE, chosen="passes", because=verdicts[1][1].because, considered=considered)
    if course.balancer is None:
        note = "a program of its own answers there, or none does"
        return course.ended(
            STAGE, "reaches the workload", f"{step.because}; {note}", considered, answered_by="target", unsure=note
        )
    return step


def acl_of(course: Course, subnet_id: str) -> NetworkAcl | None:
    assert course.vpc is not None
    acls = ec2.acls_of(course.snapshot, course.vpc)
    return next((each for each in acls if subnet_id in each.associations.values()), None)


def group_verdict(course: Course, interface: NetworkInterface, *, egress: bool, port: int, peer: str) -> Verdict:
    """The interface's security groups on the request's connection or datagram."""
    snapshot = course.snapshot
    found = (snapshot.get(SecurityGroup, interface.account, interface.region, each) for each in interface.groups)
    groups = [each for each in found if each is not None]
    assert course.vpc is not None
    lists = prefix_lists.cidrs(snapshot, course.state.spec, interface.account, interface.region)
    blocks: dict[str, list[str]] = {name: list(each) for name, each in lists.items()}
    for each in ec2.interfaces_of(snapshot, course.vpc):
        if each.attachment is not None:
            for group in each.groups:
                blocks.setdefault(group, []).extend(f"{address}/32" for address in ec2.private_ips(each))
    return security_groups(groups, blocks, egress=egress, port=port, peer=peer, protocol=course.request.transport)


def _way_back(course: Course, interface: NetworkInterface, source: str) -> Verdict:
    """Answers leave by the subnet's route table."""
    network = course.network
    assert network is not None
    subnet = next((each for each in network.subnets if each.id == interface.subnet_id), None)
    row = course.snapshot.get(Subnet, interface.account, interface.region, interface.subnet_id)
    name = row.tags.get("Name", row.id) if row is not None else interface.subnet_id
    found = route(subnet.routes, source) if subnet is not None else None
    if found is None:
        return Verdict(False, f"subnet {name} has no route to {source}")
    if found.target == "internet":
        return Verdict(True, f"subnet {name} routes {found.destination} to the internet gateway")
    what = "nowhere (a blackhole)" if found.target == "blackhole" else found.target
    return Verdict(False, f"subnet {name} routes {found.destination} to {what}, not to the internet gateway")

"""VPCs and subnets, which contain, and the workloads in them."""

from __future__ import annotations

from kunren.graph.draft import Draft, grouped
from kunren.graph.model import Node
from kunren.services.ec2.model import InterfaceStatus, NetworkInterface, SecurityGroup, Subnet, Vpc


def add(draft: Draft) -> None:
    """A default VPC, and a default subnet, is drawn where something is in it; those that somebody made always."""
    interfaces = grouped(draft.every(NetworkInterface), lambda each: each.vpc_id)
    subnets = grouped(draft.every(Subnet), lambda each: each.vpc_id)
    groups = {each.id: each.name for each in draft.every(SecurityGroup)}
    for vpc in draft.every(Vpc):
        inside = [each for each in interfaces.get(vpc.id, ()) if each.attachment is not None]
        if vpc.is_default and not inside:
            continue
        draft.add(
            Node(
                id=vpc.id, kind="vpc", name=vpc.tags.get("Name", vpc.id), account=vpc.account, region=vpc.region,
                details={"cidr": ", ".join((vpc.cidr, *vpc.secondary_cidrs)), "id": vpc.id},
            )
        )  # fmt: skip
        used = {each.subnet_id for each in inside}
        for subnet in sorted(subnets.get(vpc.id, ()), key=lambda each: (each.availability_zone, each.cidr)):
            if subnet.id in used or not subnet.default_for_az:
                draft.add(_subnet(subnet))
        for interface in inside:
            if interface.attachment == "workload":
                draft.add(_workload(draft, interface, groups))


def _subnet(subnet: Subnet) -> Node:
    return Node(
        id=subnet.id, kind="subnet", name=subnet.tags.get("Name", subnet.id), account=subnet.account,
        region=subnet.region, within=subnet.vpc_id,
        details={"cidr": subnet.cidr, "zone": subnet.availability_zone, "id": subnet.id},
    )  # fmt: skip


def _workload(draft: Draft, interface: NetworkInterface, groups: dict[str, str]) -> Node:
    details = {"address": interface.private_ip, "interface": interface.id}
    if interface.public_ip:
        details["public address"] = interface.public_ip
        draft.addresses[interface.public_ip] = interface.id
    details["security groups"] = ", ".join(groups.get(each, each) for each in interface.groups)
    return Node(
        id=interface.id, kind="workload", name=interface.description or interface.private_ip,
        account=interface.account, region=interface.region, within=interface.subnet_id, details=details,
        state=interface_state(draft, interface),
    )  # fmt: skip


def interface_state(draft: Draft, interface: NetworkInterface) -> str:
    """ "live" once the kernel has the address."""
    found = draft.snapshot.get(InterfaceStatus, interface.account, interface.region, interface.id)
    return "live" if found is not None else "pending"

"""VPCs and subnets, which contain, the workloads and gateways in them, and what leads out of them."""

from __future__ import annotations

from kunren.graph.draft import Draft, grouped
from kunren.graph.model import Node
from kunren.services.ec2 import endpoints, peerings
from kunren.services.ec2.api.nat_gateways import state_of
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.model import (
    InterfaceStatus,
    NatGateway,
    NetworkInterface,
    SecurityGroup,
    Subnet,
    Vpc,
    VpcEndpoint,
    VpcPeering,
)
from kunren.services.ecs.model import Task
from kunren.services.ecs.services.facts import deployment_of


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
    for gateway in draft.every(NatGateway):
        if gateway.deleted_at is None and gateway.subnet_id in draft.nodes:
            draft.add(_nat_gateway(draft, gateway))
    for endpoint in draft.every(VpcEndpoint):
        draft.add(
            Node(
                id=endpoint.id, kind="vpc-endpoint", name=endpoints.service_of(draft.snapshot, endpoint).name,
                account=endpoint.account,
                region=endpoint.region, within=endpoint.vpc_id, state=endpoints.state_of(draft.snapshot, endpoint),
                details={"type": endpoint.type, "id": endpoint.id},
            )
        )  # fmt: skip
    for peering in draft.every(VpcPeering):
        if peering.decision == "accepted":
            _add_peering(draft, peering)


def _nat_gateway(draft: Draft, gateway: NatGateway) -> Node:
    details = {"address": gateway.private_ip or "", "connectivity": gateway.connectivity, "id": gateway.id}
    if gateway.public_ip:
        details["public address"] = gateway.public_ip
        draft.addresses[gateway.public_ip] = gateway.id
    return Node(
        id=gateway.id, kind="nat-gateway", name=gateway.tags.get("Name", gateway.id), account=gateway.account,
        region=gateway.region, within=gateway.subnet_id, details=details, state=state_of(draft.snapshot, gateway),
    )  # fmt: skip


def _add_peering(draft: Draft, peering: VpcPeering) -> None:
    """One node in each of the two VPCs, that leads to the other."""
    state = peerings.code(draft.snapshot, peering, peering.expires_at)
    for here, there in (sides := peerings.sides(peering), sides[::-1]):
        id = f"{peering.id}/{here.vpc_id}"
        draft.add(
            Node(
                id=id, kind="peering", name=peering.id, account=here.account, region=here.region, within=here.vpc_id,
                state=state, details={"to": there.vpc_id, "account": there.account, "region": there.region},
            )
        )  # fmt: skip
        draft.join(id, there.vpc_id, "peering")


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
    if (task := _task(draft, interface)) is not None:
        details |= _connected(draft, task)
    details["security groups"] = ", ".join(groups.get(each, each) for each in interface.groups)
    return Node(
        id=interface.id, kind="workload", name=workload_name(draft, interface) or interface.private_ip,
        account=interface.account, region=interface.region, within=interface.subnet_id, details=details,
        state=interface_state(draft, interface),
    )  # fmt: skip


def workload_name(draft: Draft, interface: NetworkInterface) -> str:
    """What an instance is called (its Name tag, or its id), or a task (its service, or its definition), or what the
    interface's description says."""
    if interface.instance_id is None:
        task = _task(draft, interface)
        if task is None:
            return interface.description
        of = task.group.removeprefix("service:") if task.group.startswith("service:") else task.definition
        return f"{of} (task {task.id[:8]})"
    found = draft.snapshot.get(Instance, interface.account, interface.region, interface.instance_id)
    return found.tags.get("Name", found.id) if found is not None else interface.instance_id


def _task(draft: Draft, interface: NetworkInterface) -> Task | None:
    tasks = draft.snapshot.list(Task, interface.account, interface.region)
    return next((each for each in tasks if each.interface_id == interface.id), None)


def _connected(draft: Draft, task: Task) -> dict[str, str]:
    """What the task serves by Service Connect, and what it reaches there."""
    deployment = deployment_of(draft.snapshot, task) if task.proxy is not None else None
    if deployment is None or deployment.connect is None:
        return {}
    own = [f"{each.dns_name}:{each.port}" for each in deployment.connect.offers]
    others = [name for each in deployment.connect.known if (name := f"{each.dns_name}:{each.port}") not in own]
    found = {"serves": ", ".join(own), "reaches": ", ".join(others)}
    return {name: value for name, value in found.items() if value}


def interface_state(draft: Draft, interface: NetworkInterface) -> str:
    """ "live" once the kernel has the address."""
    found = draft.snapshot.get(InterfaceStatus, interface.account, interface.region, interface.id)
    return "live" if found is not None else "pending"

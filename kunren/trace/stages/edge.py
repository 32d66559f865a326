"""Who has the address: a load balancer's node behind the internet gateway, a workload, or nobody."""

from __future__ import annotations

from ipaddress import IPv4Address

from kunren.dataplane.dns.aws_names import endpoint_region
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.dataplane import vpc_network
from kunren.services.ec2.model import Entrance, InterfaceStatus, NetworkInterface, Vpc
from kunren.services.elbv2.model import LoadBalancer
from kunren.trace.course import Course
from kunren.trace.model import TIMEOUT, UNREACHABLE, Considered, Step
from kunren.trace.stages import api
from kunren.world.addresses import PUBLIC, api_endpoint

STAGE = "edge"


def stage(course: Course) -> Step | None:
    address = course.address
    assert address is not None
    region = endpoint_region(course.state.spec, address)
    if region is not None and address in map(api_endpoint, range(len(course.state.spec.regions))):
        return api.of_region(course, region)
    if region is not None:
        return course.ended(
            STAGE, f"service endpoint of {region}", f"{address} is where AWS's API answers",
            unsure="AWS's own API answers there",
        )  # fmt: skip
    interface = _interface(course, address)
    if interface is None:
        return _nobody(course, address)
    vpc = course.snapshot.get(Vpc, interface.account, interface.region, interface.vpc_id)
    assert vpc is not None
    course.vpc, course.interface = vpc, interface
    course.network = vpc_network(course.snapshot, course.state.spec, vpc)
    if not course.network.internet_gateway:
        return course.ended(
            STAGE, "nowhere", f"{vpc.id} has no internet gateway, so nothing translates {address}", outcome=TIMEOUT
        )
    private = course.network.arriving[address]
    if course.snapshot.get(InterfaceStatus, interface.account, interface.region, interface.id) is None:
        because = f"{address} is to be {private} of {interface.id}, but the kernel does not have it (yet)"
        return course.ended(STAGE, "nowhere", because, outcome=TIMEOUT)
    gateway = ec2.gateway_of(course.snapshot, vpc)
    via = f"internet gateway {gateway.id if gateway else '?'} of {vpc.id} translates {address} to {private}"
    if entered := next((each for each in course.snapshot.every(Entrance) if each.id == address), None):
        via = f"accelerators enter {vpc.id} by {entered.interface_id}, which leads {address} to {private}"
    for balancer in course.snapshot.list(LoadBalancer, interface.account, interface.region):
        for node in balancer.zones:
            if node.interface_id == interface.id:
                course.balancer, course.node = balancer, node
                others = tuple(
                    Considered(what=f"node {each.public_ip or each.private_ip} in {each.zone_name}", taken=False,
                               because="its address was not the one chosen")
                    for each in balancer.zones if each.interface_id != interface.id
                )  # fmt: skip
                chosen = f"node of load balancer {balancer.name} in {node.zone_name} ({private})"
                return Step(stage=STAGE, chosen=chosen, because=via, considered=others)
    return Step(stage=STAGE, chosen=f"{interface.description or 'workload'} at {private} ({interface.id})", because=via)


def _interface(course: Course, address: str) -> NetworkInterface | None:
    entered = next((each for each in course.snapshot.every(Entrance) if each.id == address), None)
    for each in course.snapshot.every(NetworkInterface):
        if entered is not None and (each.vpc_id, each.private_ip) == (entered.vpc_id, entered.private_ip):
            return each
        if address in ec2.public_addresses(each):
            return each
    return None


def _nobody(course: Course, address: str) -> Step:
    owner = next((each for each in course.snapshot.every(NetworkInterface) if each.private_ip == address), None)
    if owner is not None:
        because = f"{address} is private to {owner.vpc_id}: no route leads there from outside"
        return course.ended(STAGE, "nowhere", because, outcome=UNREACHABLE)
    because = f"nobody in this world has {address}"
    if IPv4Address(address) in PUBLIC:  # silence or an answer, as the part of the plan it is in has it
        return course.ended(STAGE, "nowhere", because, unsure=because)
    return course.ended(STAGE, "nowhere", because, outcome=UNREACHABLE)

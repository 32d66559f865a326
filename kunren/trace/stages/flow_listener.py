"""A Network Load Balancer's listener, and whatever else a bare flow comes to."""

from __future__ import annotations

from kunren.services.elbv2.associations import listeners_of
from kunren.services.elbv2.dataplane.network import by_proxy, shares, transports
from kunren.services.elbv2.model import Listener
from kunren.trace.course import Course
from kunren.trace.model import CONNECTED, REFUSED, TIMEOUT, Considered, Step

STAGE = "listener"


def stage(course: Course) -> Step | None:
    balancer, request = course.balancer, course.request
    assert balancer is not None
    if balancer.type != "network" and not request.is_flow:
        return None
    listeners = sorted(listeners_of(course.snapshot, balancer), key=lambda each: each.port)
    considered = tuple(
        Considered(what=f"{each.protocol} :{each.port}", taken=_takes(course, each), because=_why_not(course, each))
        for each in listeners
    )
    chosen = next((each for each in listeners if _takes(course, each)), None)
    if balancer.type != "network":
        if request.transport == "udp":
            because = "an Application Load Balancer takes no datagrams"
            return course.ended(STAGE, "none", because, considered, unsure=because)
        outcome = CONNECTED if chosen is not None else REFUSED
        name = f"{chosen.protocol} :{chosen.port}" if chosen is not None else "none"
        because = "an Application Load Balancer chooses a target for a request, not for a connection"
        return course.ended(STAGE, name, because, considered, outcome=outcome)
    if chosen is None:
        because = f"load balancer {balancer.name} has no listener for {request.transport.upper()} {request.port}"
        return course.ended(STAGE, "dropped", because, considered, outcome=TIMEOUT)
    course.listener = chosen
    carried = "Envoy carries" if by_proxy(chosen, shares(course.snapshot, chosen)) else "the kernel passes on"
    because = f"it listens on port {request.port}; {carried} its flows"
    return Step(stage=STAGE, chosen=f"{chosen.protocol} :{chosen.port}", because=because, considered=considered)


def _takes(course: Course, listener: Listener) -> bool:
    return listener.port == course.request.port and not _why_not(course, listener)


def _why_not(course: Course, listener: Listener) -> str:
    if listener.port != course.request.port:
        return f"the flow goes to port {course.request.port}"
    protocols = transports(listener.protocol)
    return "" if course.request.transport in protocols else f"it takes no {course.request.transport.upper()}"

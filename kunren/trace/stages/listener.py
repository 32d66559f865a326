"""The listener: the one on the port that was asked for."""

from __future__ import annotations

from kunren.services.elbv2.associations import listeners_of
from kunren.services.elbv2.model import LoadBalancerStatus
from kunren.trace.course import Course
from kunren.trace.model import CLOSED, REFUSED, TLS_FAILURE, Considered, Step

STAGE = "listener"


def stage(course: Course) -> Step | None:
    balancer, request = course.balancer, course.request
    assert balancer is not None
    listeners = sorted(listeners_of(course.snapshot, balancer), key=lambda each: each.port)
    considered = tuple(
        Considered(
            what=f"{each.protocol} :{each.port}",
            taken=each.port == request.port,
            because="" if each.port == request.port else f"the request goes to port {request.port}",
        )
        for each in listeners
    )
    chosen = next((each for each in listeners if each.port == request.port), None)
    if chosen is None:
        because = f"load balancer {balancer.name} has no listener on port {request.port}"
        return course.ended(STAGE, "none", because, considered, outcome=REFUSED)
    course.listener = chosen
    name = f"{chosen.protocol} :{chosen.port}"
    if chosen.protocol not in ("HTTP", "HTTPS"):
        why = f"what a {chosen.protocol} listener does is not traced yet"
        return course.ended(STAGE, name, why, considered, unsure=why)
    status = course.snapshot.get(LoadBalancerStatus, balancer.account, balancer.region, balancer.id)
    if status is None or status.state != "active":
        why = f"load balancer {balancer.name} is not active yet"
        return course.ended(STAGE, name, why, considered, unsure=why)
    if request.scheme == "https" and chosen.protocol == "HTTP":
        because = f"{name} speaks no TLS, and the client begins with a handshake"
        return course.ended(STAGE, name, because, considered, outcome=TLS_FAILURE)
    if request.scheme == "http" and chosen.protocol == "HTTPS":
        because = f"{name} expects a TLS handshake, and the client sends plain HTTP"
        return course.ended(STAGE, name, because, considered, outcome=CLOSED, answered_by="load balancer")
    return Step(stage=STAGE, chosen=name, because=f"it listens on port {request.port}", considered=considered)

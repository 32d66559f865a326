"""The target: who is healthy, whether the group fails open, a cookie's wish, and the algorithm that draws the rest."""

from __future__ import annotations

from kunren.dataplane.envoy.resources import Endpoint
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.model import TargetGroup, TargetHealth, target_health_id
from kunren.services.elbv2.words import percent
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, Considered, Step, Target
from kunren.trace.stages.stickiness import sticky_target

STAGE = "target"
_ALGORITHMS = {
    "round_robin": "round robin takes the next in turn",
    "least_outstanding_requests": "the one with the fewest outstanding requests is taken",
    "weighted_random": "one is drawn at random, by weight",
}


def stage(course: Course) -> Step | None:
    groups = [(group, share) for group, share in course.groups if group.target_type != "lambda"]
    if not groups:
        return None
    considered: list[Considered] = []
    reasons, possible = [], []
    for group, share in groups:
        because, found = _group(course, group, share, considered)
        reasons.append(because)
        possible += found
    only = len(groups) == len(course.groups)
    course.expected.outcome = ANSWER
    because = "; ".join(reasons)
    if not possible and only:
        return course.ended(
            STAGE, "503", because, tuple(considered), statuses=(503,), answered_by="load balancer"
        )  # fmt: skip
    course.expected.targets = (*course.expected.targets, *possible)
    ends = {each.group for each in possible}
    course.expected.answered_by = "target" if only and len(ends) == len(groups) else None
    chosen = " or ".join(
        each.id + (f" ({percent(each.probability, 1)})" if each.probability < 1 else "") for each in possible
    )
    return Step(stage=STAGE, chosen=chosen or "none", because=because, considered=tuple(considered))


def _group(course: Course, group: TargetGroup, share: float, considered: list[Considered]) -> tuple[str, list[Target]]:
    """Why, and who of the group may answer; everyone in it is added to `considered`."""
    assert course.node is not None and course.listener is not None
    keeps = targets.keeps_zones(group)
    zone = course.node.zone_name if keeps else None
    endpoints = targets.endpoints(course.snapshot, group, zone, course.state.now)
    eligible = [each for each in endpoints if each.health == "HEALTHY"]
    opens = _note(course, group, endpoints, considered)
    where = f" in {zone} (cross-zone load balancing is off)" if keeps else ""
    if not eligible:
        return f"target group {group.name} has no target that may get requests{where}", []
    wish = sticky_target(course.state, course.listener, group, course.asked())
    if wish is not None and wish[0] in [_name(each) for each in eligible]:
        because = f"the cookie {wish[1]} keeps this client with {wish[0]}"
        return because, [Target(group=group.name, id=wish[0], probability=share)]
    weights = [float(getattr(each, "weight", 1) or 1) for each in eligible]
    algorithm = targets.attribute(group, "load_balancing.algorithm.type")
    possible = [
        Target(group=group.name, id=_name(each), probability=share * weight / sum(weights))
        for each, weight in zip(eligible, weights, strict=True)
    ]
    if opens:
        how = f"target group {group.name} has too few healthy targets and fails open: all {len(eligible)} get requests"
    else:
        how = f"{len(eligible)} of {len(endpoints)} targets of {group.name} are healthy{where}"
    if wish is not None:
        how += f"; the cookie {wish[1]} asks for {wish[0]}, which gets no requests now"
    if len(eligible) > 1:
        how += f"; {_ALGORITHMS.get(algorithm, algorithm)}"
    return how, possible


def _name(endpoint: Endpoint) -> str:
    return f"{endpoint.address}:{endpoint.port}"


def _note(
    course: Course, group: TargetGroup, endpoints: tuple[Endpoint, ...], considered: list[Considered]
) -> bool:  # fmt: skip
    """Add each target with its health; whether the group fails open."""
    by_name = {_name(each): each.health for each in endpoints}
    opens = False
    for target in group.targets:
        address, port = targets.address_of(course.snapshot, group, target)
        name = f"{address or target.id}:{port}"
        health = by_name.get(name)
        id = target_health_id(group.id, target)
        seen = course.snapshot.get(TargetHealth, group.account, group.region, id)
        state = "draining" if target.draining_since is not None else seen.state if seen is not None else "not probed"
        reason = f" ({seen.reason})" if seen is not None and seen.reason else ""
        taken = health == "HEALTHY"
        opens = opens or (taken and not targets.is_serving(course.snapshot, group, target))
        because = state + reason if health is not None else f"{state}{reason}; in another zone, or without an address"
        considered.append(Considered(what=f"{name} in {group.name}", taken=taken, because=because))
    return opens

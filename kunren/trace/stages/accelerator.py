"""An accelerator: the edge location that the client's packets reach, its listener, the endpoint group by distance, dial
and health, and the endpoint by weight and health.

Decided by the functions that make the edge locations' tables. The kernel draws by a hash of the flow's addresses and
ports, which nobody knows before; what is foretold is who may have the flow, and how probable each is. With affinity,
its own hash tells.
"""

from __future__ import annotations

import msgspec

from kunren.dataplane.anycast.ruleset import sticky_destination
from kunren.services.elbv2.words import percent
from kunren.services.globalaccelerator import endpoints
from kunren.services.globalaccelerator.dataplane import (
    custom_groups_of,
    edge_listeners,
    groups_of,
    listeners_of,
    routed,
)
from kunren.services.globalaccelerator.model import Accelerator, Endpoint, EndpointGroup, Listener
from kunren.services.globalaccelerator.port_mapping import mappings
from kunren.services.globalaccelerator.routing import GROUPS_TRIED, Group, shares
from kunren.services.globalaccelerator.words import ports
from kunren.trace.course import Course
from kunren.trace.model import TIMEOUT, Considered, Step, Target
from kunren.trace.stages import edge_location
from kunren.world.addresses import edge_address
from kunren.world.spec import Place


def edge(course: Course) -> Step | None:
    found = (each for each in course.snapshot.every(Accelerator) if course.address in each.addresses)
    course.accelerator = accelerator = next(found, None)
    if accelerator is None:
        return None
    if not accelerator.enabled:
        why = f"accelerator {accelerator.name} is disabled, so no edge location has {course.address}"
        return course.ended(edge_location.STAGE, "none", why, unsure=why)
    return edge_location.reached(course, f"an address of accelerator {accelerator.name}")


def listener(course: Course) -> Step | None:
    if course.accelerator is None:
        return None
    request = course.request
    if course.accelerator.custom:
        return _mapped(course, course.accelerator)
    known = listeners_of(course.snapshot, course.accelerator)
    considered = tuple(
        Considered(what=_name(each), taken=not _why_not(course, each), because=_why_not(course, each))
        for each in known
    )  # fmt: skip
    course.entrance = chosen = next((each for each in known if not _why_not(course, each)), None)
    if chosen is None:
        because = f"the accelerator has no listener for {request.transport.upper()} {request.port}: silence"
        return course.ended("accelerator", "dropped", because, considered, outcome=TIMEOUT)
    affinity = "its five addresses and ports"
    if chosen.client_affinity == "SOURCE_IP":
        affinity = "the client's address alone (affinity), so all its flows go to one endpoint"
    because = f"it listens on port {request.port}; a flow's endpoint follows from {affinity}"
    return Step(stage="accelerator", chosen=_name(chosen), because=because, considered=considered)


def _mapped(course: Course, accelerator: Accelerator) -> Step:
    """A custom routing accelerator: the address and port that the port stands for, where traffic is allowed."""
    port, protocol = course.request.port, course.request.transport.upper()
    for group in custom_groups_of(course.snapshot, accelerator):
        for endpoint in group.endpoints:
            for each in mappings(group.destinations, endpoint):
                if each.port != port:
                    continue
                where = f"{each.address}:{each.destination_port}"
                stands = f"port {port} stands for {where} in subnet {endpoint.id}"
                if protocol not in each.protocols:
                    because = f"{stands}, by {' and '.join(each.protocols)} only"
                    return course.ended("accelerator", "dropped", because, outcome=TIMEOUT)
                if not each.allowed:
                    because = f"{stands}, to where no traffic is allowed"
                    return course.ended("accelerator", "dropped", because, outcome=TIMEOUT)
                course.expected.targets = (Target(group=endpoint.id, id=where, probability=1.0),)
                unsure = "whatever has the address answers as it likes"
                return course.ended("accelerator", where, f"{stands}, to where traffic is allowed", unsure=unsure)
    because = f"no subnet of {accelerator.name} has port {port}: silence"
    return course.ended("accelerator", "dropped", because, outcome=TIMEOUT)


def _name(listener: Listener) -> str:
    return f"{listener.protocol} :{ports(listener.port_ranges)}"


def _why_not(course: Course, listener: Listener) -> str:
    request = course.request
    if listener.protocol.lower() != request.transport:
        return f"it takes no {request.transport.upper()}"
    if not any(each.first <= request.port <= each.last for each in listener.port_ranges):
        return f"the flow goes to port {request.port}"
    return ""


def group(course: Course) -> Step | None:
    if course.entrance is None or course.edge is None:
        return None
    rows = {each.id: each for each in groups_of(course.snapshot, course.entrance)}
    seen = sorted(
        routed(course.snapshot, list(rows.values()), course.state.spec, course.edge),
        key=lambda each: (each.round_trip_ms, each.id),
    )
    parts = shares(seen)
    by_group: dict[str, float] = {}
    for (id, _), share in parts.items():
        by_group[id] = by_group.get(id, 0.0) + share
    considered = tuple(
        Considered(what=f"{rows[each.id].group_region}, {each.round_trip_ms:.0f} ms away, dial {each.dial:g} %",
                   taken=each.id in by_group, because=_standing(each, by_group.get(each.id, 0.0)))
        for each in seen
    )  # fmt: skip
    if not parts:
        why = "no endpoint group has an endpoint with an address: silence"
        return course.ended("endpoint group", "none", why, considered, outcome=TIMEOUT)
    course.expected.endpoints = tuple(_endpoints(course, rows, parts))
    followed = _followed(course)
    because = _because(seen, by_group)
    chosen = followed.group if course.via is not None or len(by_group) == 1 else _drawn(rows, by_group)
    return Step(stage="endpoint group", chosen=chosen, because=because, considered=considered)


def _standing(group: Group, share: float) -> str:
    healthy = sum(each.healthy for each in group.endpoints)
    told = (
        f"{healthy} of {len(group.endpoints)} endpoints healthy" if group.endpoints else "no endpoint with an address"
    )
    return f"{told}, gets {percent(share, 1)} of the flows"


def _because(nearest: list[Group], by_group: dict[str, float]) -> str:
    served = [each for each in nearest if each.endpoints]
    told = ["the nearest group takes its dial's part of the flows, what is left goes on to the next"]
    if not any(each.dial for each in served):
        told = ["all dials are at zero, so the nearest group is asked"]
    ill = [each for each in served if not each.serves]
    if len(ill) == len(served):
        return "no group has a healthy endpoint, so every endpoint of the closest one gets flows"
    if ill:
        told.append(
            f"what is bound for a group without a healthy endpoint goes to the nearest of the {GROUPS_TRIED} closest "
            "that has one, whatever its dial"
        )
    return "; ".join(told)


def _drawn(rows: dict[str, EndpointGroup], by_group: dict[str, float]) -> str:
    ordered = sorted(by_group.items(), key=lambda each: -each[1])
    return " or ".join(f"{rows[id].group_region} ({percent(share, 1)})" for id, share in ordered)


def _endpoints(
    course: Course, rows: dict[str, EndpointGroup], parts: dict[tuple[str, str], float]
) -> list[Target]:  # fmt: skip
    """The addresses that the flow may be led to, each with its port and probability."""
    found = []
    for (group_id, endpoint_id), share in parts.items():
        row = rows[group_id]
        endpoint = next(each for each in row.endpoints if each.id == endpoint_id)
        reached = endpoints.addresses(course.snapshot, row, endpoint)
        port = _port(row, course.request.port)
        found += [
            Target(group=row.group_region, id=f"{address}:{port}", probability=share / len(reached))
            for address in reached
        ]
    sticky = _sticky(course)
    if sticky is not None:
        found = [msgspec.structs.replace(each, probability=1.0) for each in found if each.id.startswith(f"{sticky}:")]
    return sorted(found, key=lambda each: -each.probability)


def _sticky(course: Course) -> str | None:
    """The one address that flows from the client's address to this one are led to, where they go by these alone."""
    accelerator, entrance, edge, state = course.accelerator, course.entrance, course.edge, course.state
    assert accelerator is not None and entrance is not None and edge is not None and course.address is not None
    if entrance.client_affinity != "SOURCE_IP":
        return None
    made = edge_listeners(course.snapshot, accelerator, state.spec, edge)
    listeners = dict(zip((each.id for each in listeners_of(course.snapshot, accelerator)), made, strict=True))
    return sticky_destination(
        accelerator.id, listeners[entrance.id], course.request.source, course.address
    ).address  # fmt: skip


def _port(group: EndpointGroup, asked: int) -> int:
    return next((each.endpoint_port for each in group.port_overrides if each.listener_port == asked), asked)


def _followed(course: Course) -> Target:
    """The address that the course goes on to: the one that the kernel chose, else the likeliest."""
    possible = course.expected.endpoints
    return next((each for each in possible if each.id == course.via), possible[0])


def endpoint(course: Course) -> Step | None:
    if course.entrance is None or course.edge is None:
        return None
    followed = _followed(course)
    address, _, port = followed.id.rpartition(":")
    considered, chosen, told = [], "", ""
    for row in groups_of(course.snapshot, course.entrance):
        total = sum(each.weight for each in row.endpoints)
        for each in row.endpoints:
            reached = endpoints.addresses(course.snapshot, row, each)
            here = row.group_region == followed.group and address in reached
            state = endpoints.state(course.snapshot, row, each)
            name = each.id.rpartition("loadbalancer/")[2]
            because = f"{state}, weight {each.weight} ({percent(each.weight, total)} of its group)"
            considered.append(Considered(what=f"{name} in {row.group_region}", taken=here, because=because))
            if here:
                chosen, told = f"{followed.id} of {name}", _seen_as(course, course.edge, each, int(port))
    if course.via is not None:
        how = "the kernel of the edge location gave it this flow"
    elif len(course.expected.endpoints) > 1:
        how = f"one of {len(course.expected.endpoints)} addresses that may get it; this is the likeliest"
    else:
        how = "it is the only one that may get it"
    course.address = address
    return Step(stage="endpoint", chosen=chosen, because=f"{how}; {told}", considered=tuple(considered))


def _seen_as(course: Course, edge: Place, endpoint: Endpoint, port: int) -> str:
    """Whose address the endpoint sees; from here on, the request is what it sees."""
    source = (
        course.request.source if endpoint.preserve_client_ip else edge_address(course.state.spec.places.index(edge))
    )
    changed = f", and port {port} in place of {course.request.port}" if port != course.request.port else ""
    course.request = course.request.led_on(source, port)
    kept = "the client's own address (preserved)" if endpoint.preserve_client_ip else f"the edge's address {source}"
    return f"it sees {kept}{changed}"

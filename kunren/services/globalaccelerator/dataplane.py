"""From accelerators to what each edge location does with new flows. Pure: snapshot → listeners of an edge."""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.dataplane.anycast.port_map import Port
from kunren.dataplane.anycast.table import AnycastListener, Destination
from kunren.services.globalaccelerator import endpoints
from kunren.services.globalaccelerator.model import Accelerator, CustomGroup, EndpointGroup, Listener
from kunren.services.globalaccelerator.port_mapping import mappings
from kunren.services.globalaccelerator.routing import Candidate, Group, shares
from kunren.world.geography import between_ms
from kunren.world.spec import Place, WorldSpec


def listeners_of(snapshot: Snapshot, accelerator: Accelerator) -> list[Listener]:
    return [each for each in snapshot.list(Listener, accelerator.account, "") if each.accelerator_arn == accelerator.id]


def groups_of(snapshot: Snapshot, listener: Listener) -> list[EndpointGroup]:
    return [each for each in snapshot.list(EndpointGroup, listener.account, "") if each.listener_arn == listener.id]


def edge_listeners(
    snapshot: Snapshot, accelerator: Accelerator, spec: WorldSpec, edge: Place, six: bool = False
) -> list[AnycastListener]:
    """What the edge location of that place does, `six` with IPv6."""
    if accelerator.custom:
        return _led_on(snapshot, accelerator)
    return [
        AnycastListener(
            protocol=listener.protocol.lower(),
            ranges=tuple((each.first, each.last) for each in listener.port_ranges),
            destinations=tuple(_destinations(snapshot, groups_of(snapshot, listener), spec, edge, six)),
            sticky=listener.client_affinity == "SOURCE_IP",
            ended=spec.distance is not None and not six and listener.protocol == "TCP",
        )
        for listener in listeners_of(snapshot, accelerator)
    ]


def _led_on(snapshot: Snapshot, accelerator: Accelerator) -> list[AnycastListener]:
    """A custom routing accelerator's ports, to the entrances of the subnets that they stand for."""
    return [
        AnycastListener(
            protocol=protocol,
            ranges=tuple((each.first, each.last) for each in endpoint.ports),
            destinations=(Destination(entrance.id, 1.0, preserve=True),),
        )
        for group in custom_groups_of(snapshot, accelerator)
        for endpoint in group.endpoints
        if (entrance := endpoints.entrance_of(snapshot, group, endpoint)) is not None
        for protocol in ("tcp", "udp")
    ]


def custom_groups_of(snapshot: Snapshot, accelerator: Accelerator) -> list[CustomGroup]:
    return [
        each for each in snapshot.list(CustomGroup, accelerator.account, "") if each.accelerator_arn == accelerator.id
    ]


def ports_in_vpcs(snapshot: Snapshot, accelerator: Accelerator) -> dict[str, dict[str, list[Port]]]:
    """VPC → entrance → where a custom routing accelerator's ports lead: to whom traffic is allowed."""
    found: dict[str, dict[str, list[Port]]] = {}
    for group in custom_groups_of(snapshot, accelerator):
        for endpoint in group.endpoints:
            entrance = endpoints.entrance_of(snapshot, group, endpoint)
            if entrance is not None:
                found.setdefault(entrance.vpc_id, {})[entrance.id] = [
                    Port(protocol.lower(), each.port, each.address, each.destination_port)
                    for each in mappings(group.destinations, endpoint)
                    if each.allowed
                    for protocol in each.protocols
                ]
    return found


def routed(
    snapshot: Snapshot, groups: list[EndpointGroup], spec: WorldSpec, edge: Place, six: bool = False
) -> list[Group]:
    """The endpoint groups as routing sees them from an edge location. An endpoint without an address can't be asked."""
    found = []
    for group in groups:
        region = spec.region(group.group_region)
        assert region is not None  # checked when the group was made
        reachable = [each for each in group.endpoints if endpoints.addresses(snapshot, group, each, six)]
        candidates = tuple(
            Candidate(each.id, each.weight, endpoints.state(snapshot, group, each) != endpoints.UNHEALTHY)
            for each in reachable
        )
        found.append(Group(group.id, between_ms(spec, edge, region), group.traffic_dial, candidates))
    return found


def _destinations(
    snapshot: Snapshot, groups: list[EndpointGroup], spec: WorldSpec, edge: Place, six: bool
) -> list[Destination]:
    by_id = {each.id: each for each in groups}
    found = []
    for (group_id, endpoint_id), share in shares(routed(snapshot, groups, spec, edge, six)).items():
        group = by_id[group_id]
        endpoint = next(each for each in group.endpoints if each.id == endpoint_id)
        reached = endpoints.addresses(snapshot, group, endpoint, six)
        ports = tuple((each.listener_port, each.endpoint_port) for each in group.port_overrides)
        found += [
            Destination(each, share / len(reached), endpoint.preserve_client_ip, ports, group.group_region)
            for each in reached
        ]
    return found

"""Accelerators: their addresses, listeners, endpoint groups with dials, and endpoints with weights and live health."""

from __future__ import annotations

from kunren.graph.draft import Draft, grouped
from kunren.graph.model import Node
from kunren.services.elbv2.words import percent
from kunren.services.globalaccelerator import endpoints
from kunren.services.globalaccelerator.model import (
    Accelerator,
    AcceleratorStatus,
    CustomGroup,
    Endpoint,
    EndpointGroup,
    Listener,
    health_id,
)
from kunren.services.globalaccelerator.words import ports


def add(draft: Draft) -> None:
    listeners = grouped(draft.worldwide(Listener), lambda each: each.accelerator_arn)
    groups = grouped(draft.worldwide(EndpointGroup), lambda each: each.listener_arn)
    custom_groups = grouped(draft.worldwide(CustomGroup), lambda each: each.listener_arn)
    for accelerator in draft.worldwide(Accelerator):
        _add_accelerator(draft, accelerator)
        for listener in listeners.get(accelerator.id, ()):
            _add_listener(draft, listener)
            for group in sorted(groups.get(listener.id, ()), key=lambda each: each.group_region):
                _add_group(draft, group)
            for custom in sorted(custom_groups.get(listener.id, ()), key=lambda each: each.group_region):
                _add_custom_group(draft, custom)


def _add_accelerator(draft: Draft, accelerator: Accelerator) -> None:
    status = draft.snapshot.get(AcceleratorStatus, accelerator.account, "", accelerator.id)
    deployed = status is not None and status.revision >= accelerator.revision
    details = {"addresses": ", ".join(accelerator.addresses), "dns name": accelerator.dns_name}
    if not accelerator.enabled:
        details["disabled"] = "yes"
    draft.names[accelerator.dns_name.lower()] = accelerator.id
    draft.addresses |= dict.fromkeys(accelerator.addresses, accelerator.id)
    draft.add(
        Node(
            id=accelerator.id, kind="accelerator", name=accelerator.name, arn=accelerator.id,
            account=accelerator.account, state="DEPLOYED" if deployed else "IN_PROGRESS", details=details,
        )
    )  # fmt: skip


def _add_listener(draft: Draft, listener: Listener) -> None:
    protocol = listener.protocol or "TCP and UDP"
    details = {"protocol": protocol, "ports": ports(listener.port_ranges)}
    details["affinity"] = "source address" if listener.client_affinity == "SOURCE_IP" else "none"
    draft.add(
        Node(
            id=listener.id, kind="accelerator-listener", name=f"{protocol} :{details['ports']}",
            arn=listener.id, account=listener.account, within=listener.accelerator_arn, details=details,
        )
    )  # fmt: skip
    draft.join(listener.accelerator_arn, listener.id, f":{details['ports']}")


def _add_group(draft: Draft, group: EndpointGroup) -> None:
    states = endpoints.states(draft.snapshot, group)
    healthy = sum(state == endpoints.HEALTHY for state in states.values())
    details = {"region": group.group_region, "dial": f"{group.traffic_dial:g} %"}
    details["healthy"] = f"{healthy} of {len(states)} healthy"
    if group.port_overrides:
        told = (f"{each.listener_port} → {each.endpoint_port}" for each in group.port_overrides)
        details["port overrides"] = ", ".join(told)
    draft.add(
        Node(
            id=group.id, kind="endpoint-group", name=group.group_region, arn=group.id, account=group.account,
            state=_group_state(list(states.values())), within=group.listener_arn, details=details,
        )
    )  # fmt: skip
    draft.join(group.listener_arn, group.id, f"dial {details['dial']}")
    total = sum(each.weight for each in group.endpoints)
    for each in group.endpoints:
        _add_endpoint(draft, group, each, states[each.id], total)


def _add_custom_group(draft: Draft, group: CustomGroup) -> None:
    """Its endpoints are subnets, whose health nobody asks about."""
    told = (f"{each.first}-{each.last} {'/'.join(each.protocols)}" for each in group.destinations)
    details = {"region": group.group_region, "destination ports": ", ".join(told)}
    draft.add(
        Node(
            id=group.id, kind="endpoint-group", name=group.group_region, arn=group.id, account=group.account,
            within=group.listener_arn, details=details,
        )
    )  # fmt: skip
    draft.join(group.listener_arn, group.id, "")
    for each in group.endpoints:
        id = health_id(group.id, each.id)
        subnet = draft.nodes.get(each.id)
        traffic = "allowed" if each.open else "denied"
        if each.exceptions:
            traffic += f", but for {len(each.exceptions)} ports"
        draft.add(
            Node(
                id=id, kind="endpoint", name=subnet.name if subnet is not None else each.id, account=group.account,
                region=group.group_region, within=group.id,
                details={"subnet": each.id, "cidr": each.cidr, "ports": ports(each.ports), "traffic": traffic},
            )
        )  # fmt: skip
        draft.join(group.id, id, f"ports {ports(each.ports)}")
        draft.join(id, each.id, "")


def _group_state(states: list[str]) -> str:
    if not states:
        return "empty"
    if endpoints.HEALTHY not in states:
        return "initial" if endpoints.INITIAL in states else "unhealthy"
    return "healthy" if set(states) == {endpoints.HEALTHY} else "degraded"


def _add_endpoint(draft: Draft, group: EndpointGroup, endpoint: Endpoint, state: str, total: int) -> None:
    id = health_id(group.id, endpoint.id)
    reached = endpoints.addresses(draft.snapshot, group, endpoint)
    details = {"weight": str(endpoint.weight), "share of the group": percent(endpoint.weight, total)}
    details["addresses"] = ", ".join(reached)
    details["client addresses"] = "preserved" if endpoint.preserve_client_ip else "the edge's"
    name = endpoint.id.rpartition("loadbalancer/")[2]
    found = draft.nodes.get(endpoint.id) or draft.nodes.get(draft.addresses.get(reached[0], "") if reached else "")
    draft.add(
        Node(
            id=id, kind="endpoint", name=found.name if found is not None else name, account=group.account,
            region=group.group_region, state=state, within=group.id, details=details,
        )
    )  # fmt: skip
    draft.join(group.id, id, f"weight {endpoint.weight}", endpoint.weight)
    if found is not None:
        draft.join(id, found.id, "")

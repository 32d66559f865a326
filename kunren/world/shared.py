"""Parts of the world that lie between VPCs: each links itself to them, and the last to leave ends them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from kunren.world import layout
from kunren.world.facts import Fact
from kunren.world.network import VpcNetwork, endpoint_side, service_side


class Shared(NamedTuple):
    """A part, by its name, and what makes it."""

    part: str
    make: Callable[[], list[Fact]]


def shared_parts(network: VpcNetwork) -> dict[str, Shared]:
    """What the VPC has links to, by the names of the links: peering connections, and joints of endpoints."""
    joints = {endpoint_side(each.id): each.id for each in network.links if each.joined}
    joints |= {service_side(each.id): each.id for each in network.served}
    found = {each: Shared(each, partial(layout.peering, each)) for each in network.peerings}
    return found | {name: Shared(service_side(id), partial(layout.joint, id)) for name, id in joints.items()}

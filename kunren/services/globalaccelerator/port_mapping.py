"""Which port of a custom routing accelerator stands for which address and port of a subnet. Pure.

Each address of a subnet that an instance may have (AWS keeps five) gets as many listener ports as the endpoint group
has destination ports. They are given away in order, as in the Developer Guide's example ("Example of how custom routing
works"), when the subnet is added, and do not change as long as it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Network
from typing import NamedTuple

from kunren.services.globalaccelerator.model import CustomGroup, Destination, PortRange, SubnetEndpoint

_RESERVED_FIRST, _RESERVED_LAST = 4, 1


class Mapping(NamedTuple):
    """`port` of the accelerator leads to `destination_port` of `address`, by these protocols, where it is `allowed`."""

    port: int
    address: str
    destination_port: int
    protocols: tuple[str, ...]
    allowed: bool


def destination_ports(destinations: Iterable[Destination]) -> list[tuple[int, tuple[str, ...]]]:
    """Each port with its protocols, in order."""
    found: dict[int, set[str]] = {}
    for each in destinations:
        for port in range(each.first, each.last + 1):
            found.setdefault(port, set()).update(each.protocols)
    return [(port, tuple(sorted(found[port]))) for port in sorted(found)]


def hosts(cidr: str) -> Sequence[str]:
    """The addresses of a subnet that something may have."""
    network = IPv4Network(cidr)
    first, last = int(network[0]) + _RESERVED_FIRST, int(network[-1]) - _RESERVED_LAST
    return [str(IPv4Network((number, 32))[0]) for number in range(first, last + 1)]


def given(ranges: Iterable[PortRange]) -> Iterator[int]:
    for each in ranges:
        yield from range(each.first, each.last + 1)


def free_ports(
    listener: Iterable[PortRange], groups: Iterable[CustomGroup], count: int
) -> tuple[PortRange, ...] | None:
    """The first ports of a listener that no endpoint of its groups has; None where too few are left."""
    taken = {port for group in groups for endpoint in group.endpoints for port in given(endpoint.ports)}
    found = [port for port in given(sorted(listener, key=lambda each: each.first)) if port not in taken][:count]
    if len(found) < count:
        return None
    return ranges(found)


def ranges(ports: Sequence[int]) -> tuple[PortRange, ...]:
    """Rising ports as ranges."""
    found: list[PortRange] = []
    for port in ports:
        if found and found[-1].last == port - 1:
            found[-1] = PortRange(first=found[-1].first, last=port)
        else:
            found.append(PortRange(first=port, last=port))
    return tuple(found)


@lru_cache(maxsize=64)
def mappings(destinations: tuple[Destination, ...], endpoint: SubnetEndpoint) -> tuple[Mapping, ...]:
    """All of a subnet's, by port."""
    exceptions = frozenset(endpoint.exceptions)
    wanted = ((address, *each) for address in hosts(endpoint.cidr) for each in destination_ports(destinations))
    return tuple(
        Mapping(port, address, destination_port, protocols, endpoint.open != (port in exceptions))
        for port, (address, destination_port, protocols) in zip(given(endpoint.ports), wanted, strict=True)
    )

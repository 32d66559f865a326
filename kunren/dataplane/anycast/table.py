"""What an edge location should do with new flows to a pair of anycast addresses, as plain values.

Addresses are text.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """An address that flows may go to, and its share of them. `preserve`: it sees the client's address, else the
    edge's. `ports` are the ports that differ from those the client asked for, as (asked, sent on). `region` is
    where it is."""

    address: str
    share: float
    preserve: bool = False
    ports: tuple[tuple[int, int], ...] = ()
    region: str = ""


@dataclass(frozen=True, slots=True)
class AnycastListener:
    """`ranges` are (first, last) ports. `sticky`: all flows of a client's address to one of the two addresses go to one
    destination, whatever their ports and protocol. `ended`: the edge location ends the connections (`carrier.py`)."""

    protocol: str  # "tcp" | "udp"
    ranges: tuple[tuple[int, int], ...]
    destinations: tuple[Destination, ...]
    sticky: bool = False
    ended: bool = False

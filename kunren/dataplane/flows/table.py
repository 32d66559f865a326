"""What the kernel of a VPC should do with new flows to a load balancer's nodes, as plain values.

A flow is a TCP connection or the datagrams of one pair of sockets. Addresses are text, times real seconds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class FlowTarget:
    """Where flows may go; `preserve`: it sees the client's address, else the node's. `server_id`: what the connection
    ids of its QUIC connections carry ("0x" and 16 digits)."""

    address: str
    port: int
    weight: int = 1
    preserve: bool = False
    server_id: str = ""


@dataclass(frozen=True, slots=True)
class FlowListener:
    """A port of a node. `sticky`: all flows of a client's address go to one target. `quic`: a flow that continues a
    connection goes to the target that its connection id names."""

    protocol: str  # "tcp" | "udp"
    port: int
    targets: tuple[FlowTarget, ...]
    idle_s: float
    sticky: bool = False
    quic: bool = False


@dataclass(frozen=True, slots=True)
class FlowNode:
    """A load balancer's address in one zone. `elsewhere` are ports (protocol, port) at which a proxy listens instead:
    all others are closed without a word. `returns`: that proxy speaks with its clients' addresses, so what targets
    answer is handed to it. `interface_id` tells the node's flows from those of other nodes. `entrances` are
    more addresses that stand for it when a packet arrives by the uplink; `secondary` are more that targets may see it
    as, so that there are more ports for flows to one of them."""

    interface_id: str
    address: str
    public: str | None
    subnet_cidr: str
    listeners: tuple[FlowListener, ...] = ()
    elsewhere: tuple[tuple[str, int], ...] = ()
    returns: bool = False
    entrances: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowTable:
    """One load balancer. `subnets` are the CIDRs of the VPC's subnets."""

    vpc_id: str
    nodes: tuple[FlowNode, ...]
    subnets: tuple[str, ...] = ()

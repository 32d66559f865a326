"""What a VPC's network should look like, as plain values.

The ec2 service translates its resources into one `VpcNetwork` per VPC; `kunren.world` makes namespaces, bridges,
routes, address translation and firewalls from it, comparing with what it made before. Addresses and CIDRs are text.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """Traffic that a security group lets pass. `protocol` is "tcp", "udp", "icmp", "icmpv6", a number, or "-1" for all.

    For tcp and udp the ports are a range; for icmp they are type and code (-1: any); otherwise they mean nothing.
    `cidrs` are the peers; security groups and prefix lists are resolved to addresses before they come here. `entered`:
    the peers are whoever comes by one of these entrances (`Entrance`), or what was sent to one of these load balancer
    nodes. `macs`: the peers are what nodes with these MAC addresses hand on (`handed_on.py`).
    """

    protocol: str
    from_port: int
    to_port: int
    cidrs: tuple[str, ...]
    entered: bool = False
    macs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Firewall:
    """The union of an interface's security groups: stateful, deny unless a rule matches."""

    ingress: tuple[FirewallRule, ...] = ()
    egress: tuple[FirewallRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a subnet's table. `target` is "local", "internet" (the attached internet gateway), "egress" (the
    egress-only one), "interface" (one of the VPC, by its address in `via`), "peering" (a connection, by its id in
    `via`), "service" (AWS's own addresses, through a gateway endpoint) or "blackhole"."""

    destination: str
    target: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class AclRule:
    """One rule of a network ACL: protocol and ports as a `FirewallRule` has them, and the peer's block."""

    allow: bool
    protocol: str
    from_port: int
    to_port: int
    cidr: str


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL: stateless, the first rule that matches decides, what none matches is dropped."""

    id: str
    ingress: tuple[AclRule, ...] = ()
    egress: tuple[AclRule, ...] = ()


@dataclass(frozen=True, slots=True)
class SubnetNetwork:
    """A bridge in the VPC's namespace; the router has the subnet's first address (.1). Without an ACL everything may
    cross the subnet's border."""

    id: str
    cidr: str
    availability_zone: str
    routes: tuple[Route, ...] = ()
    acl: Acl | None = None
    cidr6: str = ""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """An address on a subnet that a load balancer node answers on: it lives in the VPC's namespace itself. `mac` where
    targets are to know what it hands on; `secondary` are addresses that flows to targets come from."""

    id: str
    subnet_id: str
    address: str
    firewall: Firewall = Firewall()
    mac: str = ""
    secondary: tuple[str, ...] = ()
    address6: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.secondary)


@dataclass(frozen=True, slots=True)
class Workload:
    """A task, instance or `kunren exec --subnet`: a network namespace of its own, joined to the subnet's bridge.

    `id` is the network interface's id; the namespace is named by `workload_namespace(id)`.
    """

    id: str
    subnet_id: str
    address: str
    mac: str
    firewall: Firewall = Firewall()
    secondary: tuple[str, ...] = ()
    source_dest_check: bool = True
    ipv6: tuple[str, ...] = ()
    bridged: bool = False
    """Whether containers are behind it (`bridge.py`)."""
    silent: bool = False
    """Whether nothing passes, not even of connections that there are: its programs sleep."""


@dataclass(frozen=True, slots=True)
class NatGateway:
    """A NAT gateway's interface: a namespace of its own that translates what is routed to it. New flows share its
    addresses but for those that are `leaving`. The timeout is in real seconds."""

    id: str
    subnet_id: str
    address: str
    mac: str
    idle_timeout_s: int
    secondary: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointLink:
    """An interface endpoint to a customer's own service: a namespace of its own that hands what may come in on to the
    service's side. `guard` is the service's load balancer's firewall, which is asked too; not `joined`: nothing gets
    through."""

    id: str
    subnet_id: str
    address: str
    mac: str
    firewall: Firewall = Firewall()
    guard: Firewall | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """The other side of such a link, in the VPC of the service: what comes by it goes to a load balancer's node."""

    id: str
    node: str


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where accelerators' flows come in under their clients' addresses: what an edge location sends to `address` is for
    the private one, whatever the routes of its subnet; for whom a table of the accelerator's own says where there is
    none. `interface_id` is the managed interface that stands for it."""

    address: str
    private: str
    interface_id: str
    interface_address: str


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """What programs on a VPC's subnets find in resolv.conf: its DHCP options."""

    name_servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """What loses `loss` (0 to 1) of its packets: the whole VPC, subnets (by id), or links to peering connections."""

    whole: bool = False
    subnets: tuple[str, ...] = ()
    peerings: tuple[str, ...] = ()
    loss: float = 1.0


@dataclass(frozen=True, slots=True)
class VpcNetwork:
    """Everything of one VPC. `public` maps public addresses to private ones (one-to-one, by the internet gateway) and
    is empty while no internet gateway is attached. IPv6 addresses are public ones themselves."""

    id: str
    region: str
    cidrs: tuple[str, ...]
    subnets: tuple[SubnetNetwork, ...] = ()
    nodes: tuple[NodeAddress, ...] = ()
    workloads: tuple[Workload, ...] = ()
    nat_gateways: tuple[NatGateway, ...] = ()
    links: tuple[EndpointLink, ...] = ()
    served: tuple[ServedEndpoint, ...] = ()
    peerings: tuple[str, ...] = ()  # ids of the peering connections that link it with other VPCs
    internet_gateway: bool = False
    public: dict[str, str] = field(default_factory=dict)
    entrances: tuple[Entrance, ...] = ()  # none while no internet gateway is attached
    blocked: frozenset[str] = frozenset()  # private addresses of which the internet gateway carries nothing
    resolver: ResolverSettings = ResolverSettings()
    observed: frozenset[str] = frozenset()  # ids of the interfaces whose flows are counted
    flows_kept_s: int = 1200  # real seconds until an idle flow is forgotten
    broken: tuple[Broken, ...] = ()
    cidrs6: tuple[str, ...] = ()
    egress_gateway: bool = False
    blocked6: frozenset[str] = frozenset()  # IPv6 addresses of which the internet gateway carries nothing
    shut6: frozenset[str] = frozenset()  # and those of which the egress-only one carries nothing either

    @property
    def arriving(self) -> dict[str, str]:
        """Every address that is translated when a packet arrives by the uplink, with the private one it stands for."""
        return {**self.public, **{each.address: each.private for each in self.entrances if each.private}}


def vpc_namespace(vpc_id: str) -> str:
    """The name of the namespace that is the VPC's router and holds its load balancer nodes."""
    return vpc_id


def service_side(interface_id: str) -> str:
    """The namespace in which an endpoint's link meets the service's VPC."""
    return f"{interface_id}-service"


def endpoint_side(interface_id: str) -> str:
    """What the consumer's end of such a link is called."""
    return f"{interface_id}-endpoint"


def workload_namespace(interface_id: str) -> str:
    return interface_id

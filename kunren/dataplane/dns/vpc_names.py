"""What the resolver of a VPC answers of its own knowledge, before it asks anybody: a pure function.

Two sources, of which the closer to the name wins (developer guide, "Resolver rules: which is used"): the private
hosted zones associated with the VPC, and the domains that come with every VPC: the names of its addresses, forwards and
backwards. Neither falls through: a name that a private zone or an own domain covers and does not have does not exist,
whatever the internet says, unless the private zone has public DNS fallback. Both need the two DNS attributes ("DNS
attributes for your VPC"). A public name of an interface of the VPC has the private address here, and a name of AWS that
prefers the client's Availability Zone is answered by it; any other public name is the internet's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, NXDOMAIN, Answer, Note, answer, answer_of_name
from kunren.dataplane.dns.aws_names import soa
from kunren.dataplane.dns.ec2_names import address_in, internal_domain, private_name, public_domain, reversed_address
from kunren.dataplane.dns.policies import GLOBAL, Chance, Client
from kunren.dataplane.dns.zones import ANY, PTR, A, RRset, Zones

TTL_S = 60
# the reverse domains of the private ranges, which a VPC's resolver answers for whether or not it uses them
_REVERSE_DOMAINS = tuple(
    names.to_wire(f"{each}.in-addr.arpa")
    for each in ("10", *(f"{second}.172" for second in range(16, 32)), "168.192", "254.169")
)


@dataclass(frozen=True, slots=True)
class VpcNames:
    """A VPC as its resolver knows it. `hostnames`: both DNS attributes are on. `public` maps the public addresses of
    its interfaces to their private ones; `peers` does so for public names of VPCs that let this one resolve them.
    `zone_ids` maps the blocks of its subnets to the ids of their Availability Zones."""

    id: str
    region: str = "us-east-1"
    cidrs: tuple[str, ...] = ()
    hostnames: bool = True
    public: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[bytes, str] = field(default_factory=dict)
    zone_ids: Mapping[str, str] = field(default_factory=dict)

    def affinity(self, address: str) -> tuple[tuple[str, str], ...]:
        """The locations of Availability Zones that one of its addresses is in, the most specific first."""
        asked = ip_address(address)
        zone = next((each for block, each in self.zone_ids.items() if asked in ip_network(block)), None)
        wider = (("Region", self.region), ("Partition", "aws"), GLOBAL)
        if zone is None:
            return (GLOBAL,)
        return (("AvailabilityZone", zone), ("AvailabilityZoneGroup", f"{self.region}-zg-1"), *wider)


def vpc_answer(
    zones: Zones, vpc: VpcNames, name: bytes, rtype: int, client: Client, chance: Chance, note: Note | None = None
) -> Answer | None:
    """The VPC's own answer; None where the name is left to the internet."""
    if rtype == A and zones.is_near(name):
        return answer_of_name(zones, name, rtype, client, chance, note)
    if not vpc.hostnames:
        return None
    domain = _own_domain(vpc, name)
    zone = zones.private(vpc.id, name)
    if zone is not None and (domain is None or len(zone.name) >= len(domain)):
        reply = answer(zones, zone, name, rtype, client, chance, note)
        return None if zone.fallback and reply.rcode == NXDOMAIN and not reply.answer else reply
    if domain is not None:
        return _own(vpc, domain, name, rtype)
    address = address_in(name) if names.parent(name) == names.to_wire(public_domain(vpc.region)) else None
    private = vpc.public.get(str(address)) or vpc.peers.get(name)
    return _found(name, rtype, A, IPv4Address(private).packed, names.parent(name)) if private is not None else None


def _own_domain(vpc: VpcNames, name: bytes) -> bytes | None:
    """The domain of the VPC's own that covers the name."""
    internal = names.to_wire(internal_domain(vpc.region))
    if names.is_within(name, internal):
        return internal
    covering = next((each for each in _REVERSE_DOMAINS if names.is_within(name, each)), None)
    if covering is not None:
        return covering
    return names.parent(name) if _is_ours(vpc, reversed_address(name)) else None


def _own(vpc: VpcNames, domain: bytes, name: bytes, rtype: int) -> Answer:
    if (address := reversed_address(name)) is not None and _is_ours(vpc, address):
        return _found(name, rtype, PTR, names.to_wire(private_name(str(address), vpc.region)), domain)
    address = address_in(name)
    whole = address is not None and names.to_wire(private_name(str(address), vpc.region)) == name
    if address is not None and whole and _is_ours(vpc, address):
        return _found(name, rtype, A, address.packed, domain)
    return Answer(NOERROR if name == domain else NXDOMAIN, authority=(soa(domain),))


def _is_ours(vpc: VpcNames, address: IPv4Address | None) -> bool:
    return address is not None and any(address in IPv4Network(each) for each in vpc.cidrs)


def _found(name: bytes, asked: int, rtype: int, rdata: bytes, domain: bytes) -> Answer:
    if asked in (rtype, ANY):
        return Answer(NOERROR, answer=(RRset(name, rtype, TTL_S, (rdata,)),))
    return Answer(NOERROR, authority=(soa(domain),))

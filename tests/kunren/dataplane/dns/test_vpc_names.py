"""What a VPC's resolver answers of its own: private zones, the names of its addresses, and nothing of the internet's."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import ec2_names, names
from kunren.dataplane.dns.answer import NOERROR, NXDOMAIN
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.resolver import Resolver
from kunren.dataplane.dns.vpc_names import VpcNames
from kunren.dataplane.dns.zones import CNAME, NS, PTR, SOA, A, Alias, NameRecords, Node, Records, Zone, Zones
from kunren.world.spec import Region, WorldSpec

SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abc", 0, 0), Region("eu-west-1", "abc", 0, 0)))
n = names.to_wire
ONE, TWO, THREE = b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3"
SOA_RDATA = n("ns-1536.awsdns-00.co.uk") + n("h.amazon.com") + b"".join(x.to_bytes(4) for x in (1, 7200, 900, 1, 60))


def address(packed: bytes) -> Node:
    return {A: Records(300, (packed,))}


class Net:
    def __init__(self, vpc: VpcNames | None = None) -> None:
        self.zones = Zones()
        self.clock = SimClock()
        self.inside = self.resolver(vpc or VpcNames("vpc-1", "us-east-1", ("10.0.0.0/16",)))
        self.outside = self.resolver(None)

    def resolver(self, vpc: VpcNames | None) -> Resolver:
        return Resolver(lambda: self.zones, SPEC, self.clock, Entropy(1), vpc)

    def host(self, id: str, name: str, nodes: dict[str, Node], *vpcs: str) -> None:
        apex = {NS: Records(172800, (n("ns-520.awsdns-01.net"),)), SOA: Records(900, (SOA_RDATA,)), **nodes.pop("", {})}
        built = Zone.build(
            id,
            n(name),
            {n(name): apex, **{n(f"{each}.{name}"): node for each, node in nodes.items()}},
            addresses=frozenset() if vpcs else frozenset({"198.18.1.65"}),
            vpcs=frozenset(vpcs),
        )
        self.zones = self.zones.publish(id, {id: built})


def found(resolver: Resolver, name: str, rtype: int = A) -> list[str]:
    rdatas = [rdata for each in resolver.resolve(n(name), rtype).answer if each.rtype == rtype for rdata in each.rdatas]
    return [str(IPv4Address(each)) if rtype == A else names.to_text(each) for each in rdatas]


def rcode(resolver: Resolver, name: str, rtype: int = A) -> int:
    return resolver.resolve(n(name), rtype).rcode


def test_a_private_zone_hides_the_public_one_of_its_name_whole() -> None:
    net = Net()
    net.host("public", "example.com", {"www": address(ONE), "only": address(ONE)})
    net.host("private", "example.com", {"www": address(TWO)}, "vpc-1")
    assert found(net.inside, "www.example.com") == ["10.0.0.2"]
    assert found(net.outside, "www.example.com") == ["10.0.0.1"]
    # the name exists in public only: no fall-through ("Working with private hosted zones", "Considerations")
    assert rcode(net.inside, "only.example.com") == NXDOMAIN
    assert found(net.resolver(VpcNames("vpc-2")), "only.example.com") == ["10.0.0.1"]


def test_the_closest_private_zone_answers_without_a_delegation() -> None:
    net = Net()
    net.host("upper", "example.com", {"a.deep": address(ONE), "b": address(ONE)}, "vpc-1")
    net.host("lower", "deep.example.com", {"c": address(TWO)}, "vpc-1")
    assert found(net.inside, "c.deep.example.com") == ["10.0.0.2"]
    assert found(net.inside, "b.example.com") == ["10.0.0.1"]
    assert rcode(net.inside, "a.deep.example.com") == NXDOMAIN


def test_ns_records_in_a_private_zone_delegate_nothing() -> None:
    net = Net()
    net.host("public", "sub.example.com", {"www": address(ONE)})
    nodes: dict[str, Node] = {"sub": {NS: Records(60, (n("ns-520.awsdns-01.net"),))}, "www.sub": address(TWO)}
    net.host("private", "example.com", nodes, "vpc-1")
    assert found(net.inside, "www.sub.example.com") == ["10.0.0.2"]


def test_a_cname_leads_out_of_a_private_zone_and_into_one() -> None:
    net = Net()
    net.host("public", "example.net", {"out": address(ONE), "in": {CNAME: Records(60, (n("db.corp.test"),))}})
    net.host(
        "private", "corp.test", {"www": {CNAME: Records(60, (n("out.example.net"),))}, "db": address(TWO)}, "vpc-1"
    )
    assert found(net.inside, "www.corp.test") == ["10.0.0.1"]
    assert found(net.inside, "in.example.net") == ["10.0.0.2"]
    assert rcode(net.outside, "in.example.net") == NXDOMAIN


def test_a_changed_private_record_is_answered_at_once_with_its_whole_ttl() -> None:
    net = Net()
    net.host("private", "corp.test", {"www": address(ONE)}, "vpc-1")
    assert found(net.inside, "www.corp.test") == ["10.0.0.1"]
    net.clock.advance(10)
    net.host("private", "corp.test", {"www": address(THREE)}, "vpc-1")
    reply, until = net.inside.resolve_until(n("www.corp.test"), A)
    assert (reply.answer[0].ttl, reply.answer[0].rdatas, until) == (300, (THREE,), 0.0)


def test_without_both_dns_attributes_a_vpc_knows_no_private_names() -> None:
    net = Net(VpcNames("vpc-1", "us-east-1", ("10.0.0.0/16",), hostnames=False, public={"198.19.0.20": "10.0.0.5"}))
    net.host("public", "example.com", {"www": address(ONE)})
    net.host("private", "example.com", {"www": address(TWO)}, "vpc-1")
    assert found(net.inside, "www.example.com") == ["10.0.0.1"]
    assert rcode(net.inside, "ip-10-0-0-5.ec2.internal") == NXDOMAIN
    assert found(net.inside, "ec2-198-19-0-20.compute-1.amazonaws.com") == ["198.19.0.20"]


def test_names_of_addresses_in_the_oldest_region_and_in_others() -> None:
    net = Net(VpcNames("vpc-1", "us-east-1", ("10.0.0.0/16", "100.64.0.0/24"), public={"198.19.0.20": "10.0.0.5"}))
    assert found(net.inside, "ip-10-0-1-10.ec2.internal") == ["10.0.1.10"]
    assert found(net.inside, "10.1.0.10.in-addr.arpa", PTR) == ["ip-10-0-1-10.ec2.internal."]
    assert found(net.inside, "7.0.64.100.in-addr.arpa", PTR) == ["ip-100-64-0-7.ec2.internal."]
    assert found(net.inside, "ec2-198-19-0-20.compute-1.amazonaws.com") == ["10.0.0.5"]
    assert found(net.outside, "ec2-198-19-0-20.compute-1.amazonaws.com") == ["198.19.0.20"]
    assert found(net.inside, "ec2-198-19-0-21.compute-1.amazonaws.com") == ["198.19.0.21"]
    assert found(net.outside, "20.0.19.198.in-addr.arpa", PTR) == ["ec2-198-19-0-20.compute-1.amazonaws.com."]
    other = net.resolver(VpcNames("vpc-2", "eu-west-1", ("10.0.0.0/16",)))
    assert found(other, "ip-10-0-1-10.eu-west-1.compute.internal") == ["10.0.1.10"]
    assert rcode(other, "ip-10-0-1-10.ec2.internal") == NXDOMAIN


def test_addresses_outside_of_the_vpc_have_no_names() -> None:
    net = Net()
    for name in (
        "ip-10-1-0-1.ec2.internal",
        "ip-10-0-0-999.ec2.internal",
        "x.ip-10-0-0-1.ec2.internal",
        "no.ec2.internal",
    ):
        assert rcode(net.inside, name) == NXDOMAIN
    assert rcode(net.inside, "1.0.1.10.in-addr.arpa", PTR) == NXDOMAIN
    assert (rcode(net.inside, "ec2.internal"), rcode(net.inside, "10.in-addr.arpa", PTR)) == (NOERROR, NOERROR)
    assert rcode(net.inside, "ip-10-0-0-1.ec2.internal", PTR) == NOERROR


def test_a_private_zone_as_close_as_a_domain_of_the_vpc_wins_and_a_higher_one_does_not() -> None:
    net = Net()
    net.host("reverse", "0.10.in-addr.arpa", {"5.0": {PTR: Records(60, (n("db.corp.test"),))}}, "vpc-1")
    assert found(net.inside, "5.0.0.10.in-addr.arpa", PTR) == ["db.corp.test."]
    net.host("internal", "internal", {"db": address(TWO)}, "vpc-1")
    assert found(net.inside, "db.internal") == ["10.0.0.2"]
    assert found(net.inside, "ip-10-0-1-10.ec2.internal") == ["10.0.1.10"]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["us-east-1", "eu-west-1"]))
def test_every_name_of_an_address_spells_it(number: int, region: str) -> None:
    address = IPv4Address(number)
    for name in (ec2_names.private_name(str(address), region), ec2_names.public_name(str(address), region)):
        assert ec2_names.address_in(n(name)) == address
    assert ec2_names.reversed_address(n(ec2_names.reverse_name(str(address)))) == address
    vpc = VpcNames("vpc-1", region, (str(IPv4Network((number, 28), strict=False)),))
    assert found(Net(vpc).inside, ec2_names.private_name(str(address), region)) == [str(address)]


def test_a_name_that_prefers_the_client_s_zone_is_answered_by_it_in_a_vpc_and_whole_elsewhere() -> None:
    vpc = VpcNames(
        "vpc-1", "us-east-1", ("10.0.0.0/16",), False, zone_ids={"10.0.1.0/24": "use1-az1", "10.0.2.0/24": "use1-az2"}
    )
    net = Net(vpc)
    both = ("10.0.1.4", "10.0.2.4")
    near = (("use1-az1", both[:1]), ("use1-az2", both[1:]))
    name = "flows-1.elb.us-east-1.amazonaws.com"
    host = {"": {}, "www": {A: Alias(n(name), same_zone=False)}}
    net.host("Z1", "example.com", host)

    def asked(address: str, name: str = name) -> list[str]:
        client = Client(affinity=vpc.affinity(address))
        (rrset,) = net.inside.resolve(n(name), A, client).answer
        return sorted(str(IPv4Address(each)) for each in rrset.rdatas)

    net.zones = net.zones.publish_names("lb", {name: NameRecords(a=both, near=near)})
    assert asked("10.0.1.9") == ["10.0.1.4"]
    assert asked("10.0.2.9") == asked("10.0.2.9", "www.example.com") == ["10.0.2.4"]
    assert asked("10.0.3.9") == sorted(found(net.outside, name)) == list(both)
    net.zones = net.zones.publish_names("lb", {name: NameRecords(a=both[1:], near=near[1:])})
    assert asked("10.0.1.9") == ["10.0.2.4"], "its own zone is not well"
    net.zones = net.zones.publish_names("lb", {name: NameRecords(a=both, near=near, near_share=85)})
    own = sum(asked("10.0.1.9") == ["10.0.1.4"] for _ in range(1000))
    assert 800 < own < 900
    assert sorted(found(net.outside, name)) == list(both)

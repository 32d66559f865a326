from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, NXDOMAIN, SERVFAIL
from kunren.dataplane.dns.aws_names import name_server, name_server_address
from kunren.dataplane.dns.geography import Geography
from kunren.dataplane.dns.policies import LATENCY, WEIGHTED, Client
from kunren.dataplane.dns.resolver import Resolver
from kunren.dataplane.dns.zones import CNAME, NS, SOA, A, NameRecords, Node, Option, Records, Routed, Zone, Zones
from kunren.world.spec import Region, WorldSpec
from kunren.world.worldfile import DEFAULT_WORLD

SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abcdef", 0, 0), Region("eu-west-1", "abc", 0, 0)))
n = names.to_wire
ONE, TWO = b"\x0a\0\0\1", b"\x0a\0\0\2"


class Internet:
    def __init__(self) -> None:
        self.zones = Zones()
        self.clock = SimClock()
        self.resolver = Resolver(lambda: self.zones, SPEC, self.clock, Entropy(1))

    def host(self, name: str, nodes: dict[str, Node], server: int = 8, id: str = "") -> None:
        soa = (
            n(name_server(server)) + n("h.amazon.com") + b"".join(x.to_bytes(4) for x in (1, 7200, 900, 1209600, 86400))
        )
        apex: Node = {NS: Records(172800, (n(name_server(server)),)), SOA: Records(900, (soa,)), **nodes.pop(name, {})}
        address = name_server_address(name_server(server))
        assert address is not None
        built = Zone.build(
            id or name,
            n(name),
            {n(name): apex, **{n(each): node for each, node in nodes.items()}},
            addresses=frozenset({address}),
        )
        self.zones = self.zones.publish(id or name, {id or name: built})

    def addresses(self, name: str) -> list[str]:
        return [
            str(IPv4Address(each))
            for rrset in self.resolver.resolve(n(name), A).answer
            if rrset.rtype == A
            for each in rrset.rdatas
        ]

    def rcode(self, name: str) -> int:
        return self.resolver.resolve(n(name), A).rcode


def test_an_answer_is_kept_for_its_ttl_which_counts_down() -> None:
    net = Internet()
    net.host("example.com", {"www.example.com": {A: Records(60, (ONE,))}})
    assert net.resolver.resolve(n("www.example.com"), A).answer[0].ttl == 60
    net.host("example.com", {"www.example.com": {A: Records(60, (TWO,))}})
    net.clock.advance(45.5)
    reply = net.resolver.resolve(n("www.example.com"), A)
    assert (reply.answer[0].ttl, reply.answer[0].rdatas) == (15, (ONE,))
    net.clock.advance(14.5)
    assert net.addresses("www.example.com") == ["10.0.0.2"]


def test_no_such_name_is_kept_for_the_negative_ttl_for_every_type() -> None:
    net = Internet()
    net.host("example.com", {})
    assert net.rcode("www.example.com") == NXDOMAIN
    net.host("example.com", {"www.example.com": {A: Records(60, (ONE,))}})
    assert net.resolver.resolve(n("www.example.com"), CNAME).rcode == NXDOMAIN
    net.clock.advance(899)
    assert net.resolver.resolve(n("www.example.com"), A).authority[0].ttl == 1
    net.clock.advance(1)
    assert net.addresses("www.example.com") == ["10.0.0.1"]


def test_a_cname_is_followed_across_zones_and_on_to_a_load_balancer() -> None:
    net = Internet()
    net.host("example.com", {"www.example.com": {CNAME: Records(300, (n("app.example.net"),))}})
    net.host("example.net", {"app.example.net": {CNAME: Records(30, (n("lb-1.us-east-1.elb.amazonaws.com"),))}}, 16)
    net.zones = net.zones.publish_names("elb", {"lb-1.us-east-1.elb.amazonaws.com": NameRecords(a=("198.19.0.16",))})
    reply = net.resolver.resolve(n("www.example.com"), A)
    assert [(each.rtype, each.ttl) for each in reply.answer] == [(CNAME, 300), (CNAME, 30), (A, 60)]


def test_a_cname_loop_across_zones_fails() -> None:
    net = Internet()
    net.host("example.com", {"a.example.com": {CNAME: Records(300, (n("a.example.net"),))}})
    net.host("example.net", {"a.example.net": {CNAME: Records(300, (n("a.example.com"),))}}, 16)
    assert net.rcode("a.example.com") == SERVFAIL


def test_a_zone_below_another_is_reached_only_by_delegation() -> None:
    net = Internet()
    net.host("sub.example.com", {"www.sub.example.com": {A: Records(60, (ONE,))}}, 16)
    assert net.addresses("www.sub.example.com") == ["10.0.0.1"]
    net.host("example.com", {})
    net.clock.advance(1000)
    assert net.rcode("www.sub.example.com") == NXDOMAIN
    net.host("example.com", {"sub.example.com": {NS: Records(60, (n(name_server(16)),))}})
    net.clock.advance(1000)
    assert net.addresses("www.sub.example.com") == ["10.0.0.1"]
    net.host("example.com", {"sub.example.com": {NS: Records(60, (n(name_server(24)),))}})
    net.clock.advance(1000)
    assert net.rcode("www.sub.example.com") == SERVFAIL


def test_forgetting_drops_what_lies_below_a_name_only() -> None:
    net = Internet()
    for rcode in (net.rcode("www.example.com"), net.rcode("www.example.net")):
        assert rcode == NXDOMAIN
    net.host("example.com", {"www.example.com": {A: Records(60, (ONE,))}})
    net.host("example.net", {"www.example.net": {A: Records(60, (ONE,))}}, 16)
    net.resolver.forget(n("example.com"))
    assert net.addresses("www.example.com") == ["10.0.0.1"]
    assert net.addresses("www.example.net") == []


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("sqs.us-east-1.amazonaws.com", ["198.19.0.2"]),
        ("sqs.eu-west-1.amazonaws.com", ["198.19.8.2"]),
        ("lambda.eu-west-1.api.aws", ["198.19.8.2"]),
        ("iam.amazonaws.com", ["198.19.0.2"]),
        ("bucket.s3.amazonaws.com", ["198.19.0.4"]),
        ("my.bucket.s3.eu-west-1.amazonaws.com", ["198.19.8.4"]),
        ("s3-eu-west-1.amazonaws.com", ["198.19.8.4"]),
        ("bucket.s3-website-us-east-1.amazonaws.com", ["198.19.0.6"]),
        ("bucket.s3-website.eu-west-1.amazonaws.com", ["198.19.8.6"]),
        ("dynamodb.us-east-1.amazonaws.com", ["198.19.0.5"]),
        ("ec2-198-19-0-20.compute-1.amazonaws.com", ["198.19.0.20"]),
        ("ec2-198-19-8-20.eu-west-1.compute.amazonaws.com", ["198.19.8.20"]),
        ("ns-520.awsdns-01.net", ["198.18.1.65"]),
        ("localhost", ["127.0.0.1"]),
    ],
)
def test_names_of_aws_itself_have_their_addresses(name: str, addresses: list[str]) -> None:
    assert Internet().addresses(name) == addresses


@pytest.mark.parametrize(
    "name",
    [
        "www.google.com",
        "sqs.mars-1.amazonaws.com",
        "nothing.us-east-1.elb.amazonaws.com",
        "2.0.19.198.in-addr.arpa",
        "ns-520.awsdns-02.net",
        "ec2-8-8-8-8.compute-1.amazonaws.com",
        "ec2-198-19-8-20.compute-1.amazonaws.com",
        "ip-10-0-0-5.ec2.internal",
    ],
)
def test_what_is_not_in_this_world_does_not_exist(name: str) -> None:
    assert Internet().rcode(name) == NXDOMAIN


def test_ancestors_of_names_and_validation_names_exist_without_records() -> None:
    net = Internet()
    net.host("example.com", {})
    for name in ("com", "_x.y.acm-validations.aws", "amazonaws.com"):
        reply = net.resolver.resolve(n(name), A)
        assert (reply.rcode, reply.answer) == (NOERROR, ())


def test_every_name_server_has_an_address_of_the_plan() -> None:
    for number in range(2048):
        assert (name_server_address(name_server(number)) or "").startswith("198.18.1.")
    assert name_server(8) == "ns-8.awsdns-01.com"
    assert name_server(1536) == "ns-1536.awsdns-00.co.uk"


GEOGRAPHY = Geography(DEFAULT_WORLD)
TOKYO, TOKYO_EDGE, LONDON = "198.18.65.0/24", "198.18.129.0/24", "198.18.67.0/24"


def from_subnet(net: Internet, name: str, subnet: str) -> tuple[list[bytes], int, bool]:
    reply = net.resolver.resolve(n(name), A, Client("198.18.0.2", subnet, GEOGRAPHY.of(subnet)))
    return list(reply.answer[-1].rdatas), reply.answer[-1].ttl, reply.located


def regional(one: bytes, two: bytes) -> Node:
    options = (
        Option(Records(60, (one,)), "near", region="ap-northeast-1"),
        Option(Records(60, (two,)), "far", region="eu-west-2"),
    )
    return {A: Routed(LATENCY, options)}


def test_an_answer_by_place_is_kept_for_its_subnet_alone() -> None:
    net = Internet()
    net.host("example.com", {"www.example.com": regional(ONE, TWO)})
    assert from_subnet(net, "www.example.com", TOKYO) == ([ONE], 60, True)
    net.clock.advance(20)
    assert from_subnet(net, "www.example.com", LONDON) == ([TWO], 60, True)
    net.host("example.com", {"www.example.com": regional(TWO, ONE)})
    net.clock.advance(20)
    assert from_subnet(net, "www.example.com", TOKYO) == ([ONE], 20, True), "the old answer for what is left of its TTL"
    assert from_subnet(net, "www.example.com", TOKYO_EDGE) == ([TWO], 60, True)
    net.clock.advance(20)
    assert from_subnet(net, "www.example.com", TOKYO) == ([TWO], 60, True)
    assert from_subnet(net, "www.example.com", LONDON) == ([TWO], 20, True)


def test_an_answer_for_everybody_is_kept_once() -> None:
    net = Internet()
    options = tuple(Option(Records(60, (each,)), weight=1) for each in (ONE, TWO))
    net.host("example.com", {"www.example.com": {A: Routed(WEIGHTED, options)}})
    first = from_subnet(net, "www.example.com", TOKYO)
    assert all(from_subnet(net, "www.example.com", LONDON) == first for _ in range(20)), "what was drawn stays its TTL"
    seen = set()
    for _ in range(20):
        net.clock.advance(60)
        seen.add(from_subnet(net, "www.example.com", LONDON)[0][0])
    assert seen == {ONE, TWO}


def test_what_lies_behind_a_cname_is_by_place_too() -> None:
    net = Internet()
    net.host("example.net", {"www.example.net": {CNAME: Records(300, (n("www.example.com"),))}}, 16)
    net.host("example.com", {"www.example.com": regional(ONE, TWO)})
    assert from_subnet(net, "www.example.net", TOKYO)[0] == [ONE]
    assert from_subnet(net, "www.example.net", LONDON)[0] == [TWO]
    assert from_subnet(net, "www.example.net", LONDON)[2], "the whole answer is for this subnet"

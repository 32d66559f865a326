from __future__ import annotations

import dns.name
import dns.rdatatype
import dns.zone
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, NXDOMAIN, Answer, Choice, Note, answer
from kunren.dataplane.dns.policies import FAILOVER, GEOLOCATION, MULTIVALUE, NEXT, WEIGHTED, Client
from kunren.dataplane.dns.zones import (
    AAAA,
    ANY,
    CNAME,
    DS,
    NS,
    SOA,
    TXT,
    A,
    Alias,
    NameRecords,
    Node,
    Option,
    Records,
    Routed,
    RRset,
    Zone,
    Zones,
)

n = names.to_wire
APEX = n("example.com")
SOA_RDATA = (
    n("ns-1.awsdns-00.com") + n("h.amazon.com") + b"".join(x.to_bytes(4) for x in (1, 7200, 900, 1209600, 86400))
)
APEX_NODE: Node = {NS: Records(172800, (n("ns-1.awsdns-00.com"),)), SOA: Records(900, (SOA_RDATA,))}
ELB = "lb-1.us-east-1.elb.amazonaws.com"


def weighted(*choices: tuple[int, Records | Alias]) -> Routed:
    return Routed(WEIGHTED, tuple(Option(record_set, weight=weight) for weight, record_set in choices))


ONE, TWO, THREE = b"\x0a\0\0\x01", b"\x0a\0\0\x02", b"\x0a\0\0\x03"


def ask(
    nodes: dict[str, Node],
    name: str,
    rtype: int,
    seed: int = 1,
    elb_healthy: bool = True,
    failing: tuple[str, ...] = (),
    note: Note | None = None,
) -> Answer:
    apex = {**APEX_NODE, **nodes.pop("example.com", {})}
    zone = Zone.build("Z", APEX, {APEX: apex, **{n(each): node for each, node in nodes.items()}})
    zones = Zones().publish("z", {"Z": zone})
    zones = zones.publish_names("elb", {ELB: NameRecords(a=("198.19.0.16", "198.19.0.17"), healthy=elb_healthy)})
    zones = zones.publish_unhealthy(frozenset(failing))
    return answer(zones, zone, n(name), rtype, Client(), Entropy(seed), note)


def rdatas(reply: Answer) -> set[bytes]:
    return set(reply.answer[-1].rdatas)


def test_no_such_name_carries_the_soa_for_900_seconds() -> None:
    reply = ask({}, "nope.example.com", A)
    assert reply.rcode == NXDOMAIN
    assert reply.authority[0][:3] == (APEX, SOA, 900)


def test_the_negative_ttl_is_the_soas_minimum_where_that_is_less() -> None:
    soa = Records(900, (SOA_RDATA[:-4] + (60).to_bytes(4),))
    assert ask({"example.com": {SOA: soa}}, "nope.example.com", A).authority[0].ttl == 60


def test_a_name_without_the_type_is_no_data_and_so_is_an_empty_non_terminal() -> None:
    nodes: dict[str, Node] = {"a.b.example.com": {A: Records(60, (ONE,))}}
    for name, rtype in (("a.b.example.com", AAAA), ("b.example.com", A)):
        reply = ask(dict(nodes), name, rtype)
        assert (reply.rcode, reply.answer, reply.authority[0].rtype) == (NOERROR, (), SOA)


def test_a_wildcard_covers_deeper_levels_and_loses_to_any_exact_name() -> None:
    nodes: dict[str, Node] = {
        "*.example.com": {A: Records(60, (ONE,))},
        "www.example.com": {TXT: Records(5, (b"\x01x",))},
    }
    assert rdatas(ask(dict(nodes), "a.b.example.com", A)) == {ONE}
    assert ask(dict(nodes), "www.example.com", A).answer == ()
    assert ask(dict(nodes), "a.www.example.com", A).rcode == NXDOMAIN


def test_a_cname_chain_is_followed_inside_the_zone_and_ends_with_no_such_name() -> None:
    nodes: dict[str, Node] = {
        "a.example.com": {CNAME: Records(10, (n("b.example.com"),))},
        "b.example.com": {CNAME: Records(20, (n("c.example.com"),))},
    }
    reply = ask(dict(nodes), "a.example.com", A)
    assert [each.ttl for each in reply.answer] == [10, 20]
    assert reply.rcode == NXDOMAIN
    assert len(ask(dict(nodes), "a.example.com", CNAME).answer) == 1


def test_a_cname_loop_ends() -> None:
    nodes: dict[str, Node] = {
        "a.example.com": {CNAME: Records(10, (n("b.example.com"),))},
        "b.example.com": {CNAME: Records(10, (n("a.example.com"),))},
    }
    assert len(ask(nodes, "a.example.com", A).answer) == 2


def test_names_below_a_delegation_are_referred_with_glue_and_without_authority() -> None:
    nodes: dict[str, Node] = {
        "sub.example.com": {NS: Records(300, (n("ns.sub.example.com"),)), DS: Records(300, (b"\0\1\1\1x",))},
        "ns.sub.example.com": {A: Records(300, (ONE,))},
    }
    reply = ask(dict(nodes), "www.sub.example.com", A)
    assert (reply.rcode, reply.authoritative, reply.answer) == (NOERROR, False, ())
    assert reply.authority[0][:2] == (n("sub.example.com"), NS)
    assert reply.additional[0].rdatas == (ONE,)
    assert ask(dict(nodes), "sub.example.com", DS).authoritative


def test_an_alias_at_the_apex_answers_with_its_load_balancers_addresses_and_ttl() -> None:
    reply = ask({"example.com": {A: Alias(n("dualstack." + ELB), same_zone=False)}}, "example.com", A)
    assert [(each.name, each.rtype, each.ttl) for each in reply.answer] == [(APEX, A, 60)]
    assert rdatas(reply) == {b"\xc6\x13\0\x10", b"\xc6\x13\0\x11"}


def test_an_alias_to_nothing_is_no_data() -> None:
    nodes: dict[str, Node] = {
        "a.example.com": {A: Alias(n("gone.us-east-1.elb.amazonaws.com"), same_zone=False)},
        "b.example.com": {A: Alias(n("b.example.com"), same_zone=True)},
    }
    assert ask(dict(nodes), "a.example.com", A).authority[0].rtype == SOA
    assert ask(dict(nodes), "b.example.com", A).answer == ()


def test_an_alias_to_a_record_of_the_zone_takes_its_ttl_under_the_own_name() -> None:
    nodes: dict[str, Node] = {
        "a.example.com": {A: Alias(n("b.example.com"), same_zone=True)},
        "b.example.com": {A: Records(77, (ONE,))},
    }
    assert ask(nodes, "a.example.com", A).answer[0] == RRset(n("a.example.com"), A, 77, (ONE,))


def test_weights_share_the_answers() -> None:
    node: Node = {A: weighted((3, Records(60, (ONE,))), (1, Records(60, (TWO,))), (0, Records(60, (THREE,))))}
    drawn = [ask({"w.example.com": node}, "w.example.com", A, seed).answer[0].rdatas[0] for seed in range(2000)]
    assert 1400 < drawn.count(ONE) < 1600
    assert THREE not in drawn


def test_zero_weight_record_is_answered_only_when_all_weights_are_zero() -> None:
    node: Node = {A: weighted((0, Records(60, (ONE,))), (0, Records(60, (TWO,))))}
    drawn = [ask({"w.example.com": node}, "w.example.com", A, seed).answer[0].rdatas[0] for seed in range(400)]
    assert 150 < drawn.count(ONE) < 250


def test_a_weighted_alias_whose_target_is_unhealthy_is_not_drawn_while_another_is_healthy() -> None:
    alias = Alias(n(ELB), same_zone=False, evaluate=True)
    node: Node = {A: weighted((255, alias), (0, Records(60, (ONE,))))}
    for seed in range(50):
        assert rdatas(ask({"w.example.com": node}, "w.example.com", A, seed, elb_healthy=False)) == {ONE}
        assert rdatas(ask({"w.example.com": node}, "w.example.com", A, seed)) != {ONE}
    alone: Node = {A: weighted((1, alias))}
    assert ask({"w.example.com": alone}, "w.example.com", A, elb_healthy=False).answer


def test_several_values_come_in_random_order() -> None:
    node: Node = {A: Records(60, (ONE, TWO, THREE))}
    orders = {ask({"m.example.com": node}, "m.example.com", A, seed).answer[0].rdatas for seed in range(100)}
    assert len(orders) == 6


def test_any_is_answered_minimally() -> None:
    node: Node = {A: Records(60, (ONE,)), TXT: Records(60, (b"\x01x",))}
    assert len(ask({"m.example.com": node}, "m.example.com", ANY).answer) == 1


def failover(primary: Records | Alias, secondary: Records | Alias) -> Routed:
    return Routed(FAILOVER, (Option(primary, "p", role="PRIMARY"), Option(secondary, "s", role="SECONDARY")))


def to(name: str, evaluate: bool = True, check: str | None = None) -> Alias:
    return Alias(n(name), same_zone=True, evaluate=evaluate, health_check=check)


def test_an_alias_is_as_healthy_as_any_record_of_its_target() -> None:
    """ "How health checks work in complex configurations": failover over two weighted groups."""
    nodes: dict[str, Node] = {
        "www.example.com": {A: failover(to("one.example.com"), to("two.example.com"))},
        "one.example.com": {A: weighted((1, Records(60, (ONE,), "c1")), (1, Records(60, (TWO,), "c2")))},
        "two.example.com": {A: Records(60, (THREE,), "c3")},
    }
    for failing, found in (
        ((), {ONE, TWO}),
        (("c1",), {TWO}),
        (("c1", "c2"), {THREE}),
        (("c1", "c2", "c3"), {ONE, TWO}),
        (("c3",), {ONE, TWO}),
    ):
        drawn = {
            rdata
            for seed in range(40)
            for rdata in rdatas(ask(dict(nodes), "www.example.com", A, seed, failing=failing))
        }
        assert drawn == found, failing


def test_a_branch_that_does_not_evaluate_hides_what_is_dead_behind_it() -> None:
    nodes: dict[str, Node] = {
        "www.example.com": {A: failover(to("one.example.com", evaluate=False), Records(60, (TWO,)))},
        "one.example.com": {A: Records(60, (ONE,), "c1")},
    }
    assert rdatas(ask(nodes, "www.example.com", A, failing=("c1",))) == {ONE}


def test_an_alias_with_a_health_check_needs_both_to_pass() -> None:
    nodes: dict[str, Node] = {
        "www.example.com": {A: failover(to("one.example.com", check="own"), Records(60, (TWO,)))},
        "one.example.com": {A: Records(60, (ONE,), "c1")},
    }
    assert rdatas(ask(dict(nodes), "www.example.com", A)) == {ONE}
    for failing in ("own", "c1"):
        assert rdatas(ask(dict(nodes), "www.example.com", A, failing=(failing,))) == {TWO}


def test_a_load_balancer_without_healthy_targets_fails_over_and_a_secondary_without_check_is_healthy() -> None:
    elb = Alias(n(ELB), same_zone=False, evaluate=True)
    nodes: dict[str, Node] = {"www.example.com": {A: failover(elb, Records(60, (TWO,)))}}
    assert rdatas(ask(dict(nodes), "www.example.com", A, elb_healthy=False)) == {TWO}
    both: dict[str, Node] = {"www.example.com": {A: failover(elb, Records(60, (TWO,), "c2"))}}
    assert rdatas(ask(both, "www.example.com", A, elb_healthy=False, failing=("c2",))) != {TWO}


def test_trees_of_aliases_are_followed_to_any_depth_and_loops_end() -> None:
    nodes: dict[str, Node] = {
        f"d{depth}.example.com": {A: failover(to(f"d{depth + 1}.example.com"), to(f"d{depth + 1}.example.com"))}
        for depth in range(40)
    }
    nodes["d40.example.com"] = {A: Records(60, (ONE,), "c1")}
    nodes["top.example.com"] = {A: failover(to("d0.example.com"), Records(60, (TWO,)))}
    assert rdatas(ask(dict(nodes), "top.example.com", A)) == {ONE}
    assert rdatas(ask(dict(nodes), "top.example.com", A, failing=("c1",))) == {TWO}
    loop: dict[str, Node] = {
        "a.example.com": {A: failover(to("b.example.com"), Records(60, (TWO,)))},
        "b.example.com": {A: to("a.example.com")},
    }
    assert ask(loop, "a.example.com", A).answer == (), "the primary is healthy by its own secondary, and leads nowhere"


def test_a_multivalue_answer_is_one_record_set_of_the_healthy_values() -> None:
    options = tuple(Option(Records(60 + at, (bytes((10, 0, 0, at)),), f"c{at}"), str(at)) for at in range(1, 12))
    node: Node = {A: Routed(MULTIVALUE, options)}
    reply = ask({"m.example.com": node}, "m.example.com", A, failing=tuple(f"c{at}" for at in range(3, 12)))
    assert [(each.ttl, set(each.rdatas)) for each in reply.answer] == [(61, {ONE, TWO})]
    assert len(ask({"m.example.com": node}, "m.example.com", A).answer[0].rdatas) == 8


def test_an_answer_that_depends_on_the_place_says_so_even_when_there_is_none() -> None:
    node: Node = {A: Routed(GEOLOCATION, (Option(Records(60, (ONE,)), "x", area="country JP"),))}
    reply = ask({"g.example.com": node}, "g.example.com", A)
    assert (reply.rcode, reply.answer, reply.authority[0].rtype, reply.located) == (NOERROR, (), SOA, True)
    assert not ask({"p.example.com": {A: Records(60, (ONE,))}}, "p.example.com", A).located


def test_every_choice_is_told_to_those_who_ask() -> None:
    told: list[Choice] = []
    nodes: dict[str, Node] = {
        "www.example.com": {A: failover(to("one.example.com"), to("two.example.com"))},
        "one.example.com": {A: Records(60, (ONE,), "c1")},
        "two.example.com": {A: weighted((1, Records(60, (TWO,))))},
    }
    ask(nodes, "www.example.com", A, failing=("c1",), note=told.append)
    assert [(each.name, each.policy) for each in told] == [
        (n("www.example.com"), "failover"),
        (n("two.example.com"), "weighted"),
    ]
    assert told[0].because == NEXT
    assert [(each.option.identifier, each.healthy, each.taken, each.merit) for each in told[0].considered] == [
        ("p", False, False, "primary"),
        ("s", True, True, "secondary"),
    ]


LABEL = st.sampled_from(["a", "b", "*", "c"])
OWNER = st.lists(LABEL, max_size=3).map(lambda labels: ".".join([*labels, "example.com"]))
DATA = st.one_of(
    st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), min_size=1, max_size=2, unique=True).map(lambda v: ("A", v)),
    st.just(("TXT", ['"x"'])),
    OWNER.map(lambda target: ("CNAME", [target + "."])),
)
QUESTION = st.tuples(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4), st.sampled_from(["A", "TXT", "CNAME"])
)


@given(st.dictionaries(OWNER, DATA, max_size=8), QUESTION)
def test_any_zone_answers_as_an_independent_reading_of_the_rfcs(
    records: dict[str, tuple[str, list[str]]], question: tuple[list[str], str]
) -> None:
    """The same zone, read by dnspython and searched node by node as RFC 1034 and RFC 4592 say, gives code and data."""
    records.pop("example.com", None)
    text = "@ 900 IN SOA ns. h. 1 7200 900 1209600 86400\n@ 900 IN NS ns.\n"
    nodes: dict[bytes, Node] = {APEX: APEX_NODE}
    for owner, (rtype, values) in records.items():
        text += "".join(f"{owner}. 60 IN {rtype} {value}\n" for value in values)
        number = int(dns.rdatatype.from_text(rtype))
        packed = tuple(_packed(rtype, value) for value in values)
        nodes[n(owner)] = {number: Records(60, packed)}
    model = dns.zone.from_text(text, origin="example.com.", relativize=False)
    qname, qtype = ".".join([*question[0], "example.com"]), question[1]
    zone = Zone.build("Z", APEX, nodes)
    reply = answer(Zones(), zone, n(qname), int(dns.rdatatype.from_text(qtype)), Client(), Entropy(1))
    expected_rcode, expected = _model(model, dns.name.from_text(qname), dns.rdatatype.from_text(qtype))
    found = [(names.to_text(each.name), each.rtype, set(each.rdatas)) for each in reply.answer]
    assert (reply.rcode, found) == (expected_rcode, expected)


def _packed(rtype: str, value: str) -> bytes:
    if rtype == "A":
        return bytes(int(each) for each in value.split("."))
    return b"\x01x" if rtype == "TXT" else n(value)


def _model(zone: dns.zone.Zone, name: dns.name.Name, rtype: int) -> tuple[int, list[tuple[str, int, set[bytes]]]]:
    chain: list[tuple[str, int, set[bytes]]] = []
    seen = set()
    existing = {name.split(depth)[1] for name in zone.nodes for depth in range(3, len(name) + 1)}
    while name not in seen:
        seen.add(name)
        source = name
        if name not in existing:
            encloser = name
            while encloser not in existing:
                encloser = encloser.parent()
            source = dns.name.Name((b"*", *encloser.labels))
            if source not in zone.nodes:
                return NXDOMAIN, chain
        node = zone.nodes.get(source)
        shown = name.to_text().replace("*", "\\052")
        for kind in (rtype, CNAME):
            rdataset = node.get_rdataset(1, kind) if node is not None else None
            if rdataset is not None:
                chain.append((shown, kind, {each.to_wire() for each in rdataset}))
                break
        else:
            return NOERROR, chain
        if kind == rtype:
            return NOERROR, chain
        name = rdataset[0].target
    return NOERROR, chain

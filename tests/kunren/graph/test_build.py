"""From the store's rows to nodes and edges."""

import time

import pytest

from kunren.graph.build import architecture
from kunren.graph.reach import UnknownName, reachable


@pytest.fixture
def graph(shop):
    return architecture(shop(balancers=2).store.snapshot())


def named(graph, kind):
    return {each.name: each for each in graph.nodes if each.kind == kind}


def ways(graph, source):
    ids = {each.id: each.name for each in graph.nodes}
    return sorted((ids[each.target], each.label, each.weight) for each in graph.edges if each.source == source.id)


def test_weighted_records_carry_their_share_and_lead_to_the_load_balancer(graph):
    zone = named(graph, "hosted-zone")["shop.test"]
    assert (zone.state, zone.arn) == ("INSYNC", "arn:aws:route53:::hostedzone/Z1")
    assert [way for way in ways(graph, zone) if way[2]] == [("shop.test", "A, 25 %", 1), ("shop.test", "A, 75 %", 3)]
    first = next(each for each in graph.nodes if each.details.get("set") == "s0")
    assert first.within == zone.id
    assert ways(graph, first) == [("lb0", "alias", None)]


def test_a_cname_leads_to_the_records_of_its_target(graph):
    www = named(graph, "record")["www.shop.test"]
    assert ways(graph, www) == [("shop.test", "CNAME", None)] * 2


def test_an_alias_whose_target_does_not_exist_leads_nowhere(graph):
    assert ways(graph, named(graph, "record")["gone.shop.test"]) == []


def test_the_load_balancer_stands_in_its_vpc_and_its_nodes_in_their_subnets(graph):
    balancer = named(graph, "load-balancer")["lb0"]
    assert (balancer.state, balancer.within) == ("active", "vpc-1")
    nodes = [each for each in graph.nodes if each.kind == "load-balancer-node" and each.id.startswith("eni-0")]
    assert [(each.name, each.within, each.state) for each in nodes] == [
        ("198.19.0.16", "subnet-0", "live"), ("198.19.1.16", "subnet-1", "live"),
    ]  # fmt: skip


def test_rules_say_in_words_what_they_ask_and_do(graph):
    rules = [each for each in graph.nodes if each.kind == "rule" and ":listener/app/lb0/" in each.id]
    told = [(each.details["priority"], each.details["conditions"], each.details["action"]) for each in rules]
    assert told == [
        ("1", "host is h0.shop.test", "forward"),
        ("2", "host is h1.shop.test", "forward"),
        ("default", "whatever no other rule takes", "fixed response 404"),
    ]


def test_targets_have_the_health_that_was_observed_and_the_reason(graph):
    group = named(graph, "target-group")["g0"]
    assert (group.state, group.details["healthy"]) == ("degraded", "2 of 3 healthy")
    sick = named(graph, "target")["10.0.0.100:8000"]
    assert (sick.state, sick.within, sick.details["reason"]) == (
        "unhealthy", "subnet-0", "Target.Timeout: Request timed out",
    )  # fmt: skip


def test_certificates_hang_on_the_listener(graph):
    listener = next(each for each in graph.nodes if each.kind == "listener")
    assert ("shop.test", "default certificate", None) in ways(graph, listener)


def test_only_what_one_name_reaches_is_kept_with_what_contains_it(graph):
    found = reachable(graph, "WWW.shop.test.")
    assert set(named(found, "load-balancer")) == {"lb0", "lb1"}
    only = reachable(graph, "lb1-1.us-east-1.elb.amazonaws.com")
    assert set(named(only, "load-balancer")) == {"lb1"}
    assert set(named(only, "vpc")) == {"shop"}
    assert not named(only, "hosted-zone")
    wild = reachable(graph, "anything.shop.test")
    assert set(named(wild, "load-balancer")) == {"lb0"}


def test_an_unknown_name_is_refused_with_those_there_are(graph):
    with pytest.raises(UnknownName, match=r"nobody\.test.*shop\.test, www\.shop\.test"):
        reachable(graph, "nobody.test")


def test_another_account_or_region_has_nothing(shop):
    snapshot = shop().store.snapshot()
    assert architecture(snapshot, account="999999999999").nodes == ()
    assert {each.kind for each in architecture(snapshot, region="eu-west-1").nodes} == {"hosted-zone", "record"}


def test_fifty_balancers_with_300_rules_in_all_take_less_than_a_second(shop):
    snapshot = shop(balancers=50, rules=6, targets=20).store.snapshot()
    start = time.process_time()
    graph = architecture(snapshot)
    assert time.process_time() - start < 1
    assert len(named(graph, "load-balancer")) == 50
    assert sum(each.kind == "rule" for each in graph.nodes) == 350


def test_a_group_of_an_alias_leads_to_it_and_on_to_the_versions_by_weight(shop, with_function):
    store = shop().store
    group = with_function(store)
    graph = architecture(store.snapshot())
    alias = named(graph, "function-alias")["pay:live"]
    assert ("pay:live", group) in {(alias.name, each.source) for each in graph.edges if each.target == alias.id}
    assert ways(graph, alias) == [("pay:1", "90 %", None), ("pay:2", "10 %", None)]
    assert {each.within for each in graph.nodes if each.kind == "function-version"} == {
        named(graph, "function")["pay"].id
    }

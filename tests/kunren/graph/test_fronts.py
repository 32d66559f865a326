"""Accelerators and distributions: as graph, tree and drawing."""

import pytest

from kunren.dataplane.dns import names
from kunren.graph.build import architecture
from kunren.graph.layout import picture
from kunren.graph.picture import boxes_of
from kunren.graph.reach import reachable
from kunren.graph.text import plain
from kunren.services.route53.model import AliasTarget, OwnerName, RecordSet
from kunren.services.s3.model import Bucket


@pytest.fixture
def graph(shop, with_fronts):
    store = shop().store
    with_fronts(store)
    return architecture(store.snapshot())


def ways(graph, name):
    """Where the nodes of that name lead: label, kind and name."""
    by_id = {each.id: each for each in graph.nodes}
    return {
        (edge.label, by_id[edge.target].kind, by_id[edge.target].name)
        for edge in graph.edges if by_id[edge.source].name == name
    }  # fmt: skip


def test_a_name_leads_over_an_accelerator_with_dial_weight_and_health_to_the_target(graph):
    found = reachable(graph, "ga.shop.test")
    assert ways(found, "ga.shop.test") == {("alias", "accelerator", "front")}
    assert ways(found, "front") == {(":443", "accelerator-listener", "TCP :443")}
    assert ways(found, "TCP :443") == {("dial 40 %", "endpoint-group", "us-east-1")}
    assert ways(found, "us-east-1") == {
        ("weight 96", "endpoint", "lb0"), ("weight 32", "endpoint", "eipalloc-1"),
    }  # fmt: skip
    states = {each.name: each.state for each in found.nodes if each.kind == "endpoint"}
    assert states == {"lb0": "HEALTHY", "eipalloc-1": "UNHEALTHY"}
    assert {each.kind for each in found.nodes} >= {"load-balancer", "target-group", "target"}
    assert reachable(graph, "a1.awsglobalaccelerator.com").nodes


def test_a_name_leads_over_a_distribution_its_behaviours_and_functions_to_its_origins(graph):
    found = reachable(graph, "cdn.shop.test")
    assert ways(found, "E1") == {
        ("/r/*", "behaviour", "/r/*"), ("*", "behaviour", "default"), ("certificate by SNI", "certificate", "shop.test"),
    }  # fmt: skip
    assert ways(found, "/r/*") == {("viewer-request", "edge-function", "turn"), ("", "origin-group", "both")}
    assert ways(found, "both") == {("primary", "origin", "web"), ("secondary", "origin", "reserve")}
    assert ways(found, "web") == {("", "load-balancer", "lb0")}
    assert ways(found, "reserve") == {("", "record", "gone.shop.test")}
    assert {each.name: each.state for each in found.nodes if each.kind == "distribution"} == {"E1": "InProgress"}
    assert {each.name for each in reachable(graph, "d1.cloudfront.net").nodes} >= {"E1", "web", "lb0"}


def test_the_tree_has_both(graph):
    text = plain(graph)
    for line in (
        "A ga.shop.test  alias → accelerator front",
        "front  198.19.200.1, 198.19.201.1  ● DEPLOYED",
        "endpoint group us-east-1  dial 40 %  ● degraded",
        "weight 96 (75 %)  → load balancer lb0  ● HEALTHY",
        "weight 32 (25 %)  → eipalloc-1  ● UNHEALTHY",
        "E1  cdn.shop.test  ● InProgress",
        "behaviour /r/*  allow-all  → both",
        "viewer-request  CloudFront Function turn",
        "origin group both  web then reserve  fails over on 500, 503",
        "origin web  http-only lb0-1.us-east-1.elb.amazonaws.com  → load balancer lb0",
    ):
        assert line in text, line


def test_they_are_drawn_between_names_and_load_balancers(graph):
    drawn = picture(graph)
    (accelerator, distribution) = sorted(
        (each for each in drawn.shapes if each.kind == "front"), key=lambda each: "distribution" in each.ids[0]
    )
    shown = {id for box in boxes_of(drawn.shapes) for id in box.ids} | {id for each in drawn.shapes for id in each.ids}
    kinds = ("endpoint", "behaviour", "origin", "origin-group", "edge-function", "accelerator", "distribution")
    assert [each.id for each in graph.nodes if each.kind in kinds and each.id not in shown] == []
    wires = {(wire.source.kind, wire.target.kind) for wire in drawn.wires}
    assert {("record", "front"), ("endpoint", "load-balancer"), ("origin", "load-balancer")} <= wires
    assert all(wire.source.x + wire.source.width < wire.target.x for wire in drawn.wires)
    for one, other in ((accelerator, distribution), (distribution, accelerator)):
        assert one.y + one.height <= other.y or other.y + other.height <= one.y


def test_a_name_leads_to_the_website_of_the_bucket_that_is_named_as_it(shop):
    store = shop().store
    store.register(Bucket)
    everything = {"RedirectAllRequestsTo": {"HostName": "new.test", "Protocol": "https"}}
    alias = AliasTarget(
        hosted_zone_id="Z3AQBSTGFYJSTF", dns_name="s3-website-us-east-1.amazonaws.com.", evaluate_target_health=False
    )  # fmt: skip
    with store.write() as tx:
        name = "old.shop.test."
        row = OwnerName(
            account="123456789012", region="Z1", id=names.sort_key(names.to_wire(name)),
            record_sets=(RecordSet(type="A", alias=alias),),
        )  # fmt: skip
        tx.put(row)
        tx.put(
            Bucket(
                id="old.shop.test", owner="123456789012", home="us-east-1", created=0.0,
                settings={"website": everything},
            )
        )  # fmt: skip
        tx.put(Bucket(id="files", owner="123456789012", home="us-east-1", created=0.0))
    graph = architecture(store.snapshot())
    assert ways(reachable(graph, "old.shop.test"), "old.shop.test") == {("alias", "website", "old.shop.test")}
    text = plain(graph)
    assert "A old.shop.test  alias → website of bucket old.shop.test" in text
    assert "old.shop.test  everything → https://new.test  in us-east-1" in text
    drawn = picture(graph)
    assert "files" not in text and drawn

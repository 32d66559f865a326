"""HTTP APIs: as graph, tree and drawing."""

import pytest

from kunren.control.store import Store
from kunren.graph.build import PARTS, architecture
from kunren.graph.layout import picture
from kunren.graph.picture import boxes_of
from kunren.graph.reach import reachable
from kunren.graph.text import plain
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName
from kunren.services.apigatewayv2.model import Api, Content, Deployment, Stage

HOME = {"account": "000000000000", "region": "us-east-1"}
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/gone"
TARGET = "d-abcdefghij.execute-api.us-east-1.amazonaws.com"


@pytest.fixture
def graph(shop):
    store: Store = shop().store
    store.register(Api, Stage, Deployment, DomainName, ApiMapping)
    content = Content(
        routes={
            "r1": {"RouteKey": "GET /web", "Target": "integrations/i1", "AuthorizationType": "NONE"},
            "r2": {"RouteKey": "$default", "Target": "integrations/i2", "AuthorizationType": "AWS_IAM"},
        },
        integrations={
            "i1": {"IntegrationUri": "https://nobody.test/x"}, "i2": {"IntegrationSubtype": "SQS-SendMessage"},
        },
    )  # fmt: skip
    with store.write() as tx:
        tx.put(Api(**HOME, id="abc", config={"Name": "pets"}, created=0.0))
        tx.put(Stage(**HOME, id="abc/$default", config={}, deployment="d1", created=0.0, updated=0.0))
        tx.put(Deployment(**HOME, id="abc/d1", config={}, content=content, created=0.0))
        tx.put(DomainName(**HOME, id="api.shop.test", label="d-abcdefghij", certificate_arn=CERTIFICATE, uploaded=0.0))
        tx.put(ApiMapping(**HOME, id="api.shop.test/m1", key_path="v1", api_id="abc", stage="$default"))
    return architecture(store.snapshot())


def test_a_domain_name_leads_by_its_mappings_to_an_api_and_its_routes(graph):
    found = reachable(graph, "api.shop.test")
    by_id = {each.id: each for each in found.nodes}
    ways = {(by_id[each.source].name, each.label, by_id[each.target].name) for each in found.edges}
    assert ways == {
        ("api.shop.test", "/v1 to $default", "pets"), ("pets", "GET /web", "GET /web"), ("pets", "$default", "$default"),
        ("api.shop.test", "certificate", by_id[CERTIFICATE].name),
    }  # fmt: skip
    assert reachable(graph, TARGET).nodes == found.nodes
    assert {each.name for each in reachable(graph, "abc.execute-api.us-east-1.amazonaws.com").nodes} >= {"pets"}


def test_the_tree_and_the_drawing_have_it(graph):
    text = plain(graph)
    for line in (
        "API pets  abc.execute-api.us-east-1.amazonaws.com  ● available",
        "GET /web  → https://nobody.test/x",
        "$default  AWS_IAM  → SQS-SendMessage",
        f"domain name api.shop.test  {TARGET}  ● available",
        "/v1 to $default  → API pets",
    ):
        assert line in text
    drawn = {id for box in boxes_of(picture(graph).shapes) for id in box.ids}
    assert "arn:aws:apigateway:us-east-1::/apis/abc/routes/r1" in drawn
    assert "apis" in {each.__name__.rpartition(".")[2] for each in PARTS}

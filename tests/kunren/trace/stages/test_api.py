"""What a trace says of API Gateway's address."""

import pytest

from kunren.control.store import Store
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName
from kunren.services.apigatewayv2.model import Api, Content, Deployment, Stage
from kunren.trace.course import Course, State
from kunren.trace.model import Request
from kunren.trace.stages.api import of_region

HOME = {"account": "000000000000", "region": "us-east-1"}
OWN = "abc.execute-api.us-east-1.amazonaws.com"


@pytest.fixture
def snapshot():
    store = Store(None)
    store.register(Api, Stage, Deployment, DomainName, ApiMapping)
    content = Content(
        routes={"r1": {"RouteKey": "GET /pets/{id}", "Target": "integrations/i1", "AuthorizationType": "JWT"}},
        integrations={"i1": {"IntegrationUri": "https://target.test"}},
    )
    with store.write() as tx:
        tx.put(Api(**HOME, id="abc", config={"Name": "pets"}, created=0.0))
        tx.put(Stage(**HOME, id="abc/dev", config={}, deployment="d1", created=0.0, updated=0.0))
        tx.put(Deployment(**HOME, id="abc/d1", config={}, content=content, created=0.0))
        tx.put(DomainName(**HOME, id="api.test", label="d-a", certificate_arn="arn:x", uploaded=0.0))
        tx.put(ApiMapping(**HOME, id="api.test/m1", key_path="v1", api_id="abc", stage="dev"))
    return store.snapshot()


def traced(snapshot, host, path, scheme="https"):
    request = Request(
        url="", scheme=scheme, host=host, port=443 if scheme == "https" else 80, path=path, query=None, method="GET",
        headers=(), place="tokyo", source="198.18.64.10",
    )  # fmt: skip
    course = Course(State(snapshot, None, None), request)
    return of_region(course, "us-east-1"), course.expected


def test_a_request_is_followed_to_its_route(snapshot):
    for host, path in ((OWN, "/dev/pets/7"), ("api.test", "/v1/pets/7")):
        step, expected = traced(snapshot, host, path)
        assert step.chosen == "API pets, route GET /pets/{id} → https://target.test, guarded by JWT"
        assert (expected.outcome, expected.statuses) == ("answer", None)


def test_what_nothing_fits_is_not_found_and_port_80_is_closed(snapshot):
    for host, path in ((OWN, "/pets/7"), (OWN, "/dev/none"), ("api.test", "/v1/none")):
        assert traced(snapshot, host, path)[1].statuses == (404,)
    assert traced(snapshot, "api.test", "/v2")[1].unsure == "a REST API may have it"
    assert traced(snapshot, OWN, "/dev", "http")[1].outcome == "refused"

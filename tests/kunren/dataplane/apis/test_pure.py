"""The smaller pure parts: buckets, log entries, mappings' paths, events of format 1.0 and answers to them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.clock import SimClock
from kunren.dataplane.apis.access_log import entry
from kunren.dataplane.apis.front import below
from kunren.dataplane.apis.interface import ApiIdentity, ApiRequest
from kunren.dataplane.apis.lambda_event import InvalidAnswer, body_text, event_v1, event_v2, read_answer_v1
from kunren.dataplane.apis.throttle import Limit, Throttle


def request(**changes):
    told = {
        "api": ApiIdentity("123456789012", "us-east-1", "abc"), "stage": "dev", "method": "POST", "host": "api.test",
        "raw_path": "/v1/a%20b", "path": "/a%20b", "query": "x=1&x=2", "headers": {"host": "api.test"}, "body": b"",
        "source_ip": "198.18.64.10", "id": "id", "time": 1_583_348_638.39, **changes,
    }  # fmt: skip
    return ApiRequest(**told)


def test_a_bucket_admits_its_burst_and_then_its_rate():
    clock = SimClock()
    throttle, limit = Throttle(clock), Limit(2, 3)
    assert [throttle.admits(("a", limit)) for _ in range(4)] == [True, True, True, False]
    assert throttle.admits(("b", limit))
    clock.advance(0.5)
    assert [throttle.admits(("a", limit)) for _ in range(2)] == [True, False]
    # of two buckets neither loses a token where one is empty
    assert not throttle.admits(("b", limit), ("a", limit))
    assert [throttle.admits(("b", limit)) for _ in range(4)] == [True, True, True, False]
    assert not throttle.admits(("c", Limit(0, 0)))


@given(st.lists(st.floats(0, 2), max_size=40), st.integers(1, 5), st.floats(0.1, 5))
def test_no_more_than_burst_and_rate_allow_are_admitted(waits, burst, rate):
    clock = SimClock()
    throttle, admitted = Throttle(clock), 0
    for wait in waits:
        clock.advance(wait)
        admitted += throttle.admits(("a", Limit(rate, burst)))
    assert admitted <= burst + rate * sum(waits) + 1e-6


def test_log_entries_have_values_or_a_dash():
    known = {"requestId": "r", "status": 200, "authorizer.claims.sub": "me", "flag": True, "error.message": ""}
    form = '{"id":"$context.requestId","s":$context.status,"c":"$context.authorizer.claims.sub"} $context.none $context.error.message $context.flag\n'
    assert entry(form, known) == '{"id":"r","s":200,"c":"me"} - - true'


@pytest.mark.parametrize(
    ("path", "key", "rest"),
    [
        ("/a", "", "/a"), ("/v1/a", "v1", "/a"), ("/v1", "v1", "/"), ("/v1/", "v1", "/"), ("/v12", "v1", None),
        ("/orders/v1/x", "orders/v1", "/x"), ("/x/v1", "v1", None),
    ],
)  # fmt: skip
def test_mappings_fit_whole_segments(path, key, rest):
    assert below(path, key) == rest


def test_an_event_of_format_1_has_single_and_several_values():
    made = event_v1(
        request(headers={"host": "api.test", "x-a": "1, 2"}, repeated={"x-a": ("1", "2")}, body=b"hi"),
        resource="/{name}", parameters={"name": "a b"}, variables={}, context={"resourceId": "r"}, trace_id="t",
    )  # fmt: skip
    assert made["version"] == "1.0"
    assert (made["path"], made["resource"], made["httpMethod"]) == ("/a b", "/{name}", "POST")
    assert (made["headers"]["x-a"], made["multiValueHeaders"]["x-a"]) == ("2", ["1", "2"])
    assert made["queryStringParameters"] == {"x": "2"}
    assert made["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert (made["body"], made["isBase64Encoded"]) == ("hi", False)
    assert made["stageVariables"] is None
    assert made["requestContext"]["requestTime"] == "04/Mar/2020:19:03:58 +0000"
    assert made["requestContext"]["path"] == "/v1/a b"
    assert made["requestContext"]["resourceId"] == "r"
    assert "version" not in event_v1(
        request(), resource="/", parameters={}, variables={}, context={}, trace_id="t", version=None
    )


def test_an_event_of_format_2_has_the_clients_certificate():
    from kunren.dataplane.apis.interface import ClientCertificate

    shown = ClientCertificate("pem", "CN=me", "CN=ca", "0a:1b", "May 28 12:30:02 2019 GMT", "Aug  5 09:36:04 2021 GMT")
    made = event_v2(
        request(certificate=shown), route_key="$default", parameters={}, variables={}, authorizer=None, trace_id="t"
    )
    assert made["requestContext"]["authentication"]["clientCert"] == {
        "clientCertPem": "pem", "subjectDN": "CN=me", "issuerDN": "CN=ca", "serialNumber": "0a:1b",
        "validity": {"notBefore": "May 28 12:30:02 2019 GMT", "notAfter": "Aug  5 09:36:04 2021 GMT"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("text/plain", b"hi", ("hi", False)),
        ("application/json; charset=utf-8", b"{}", ("{}", False)),
        ("application/vnd.api+json", b"{}", ("{}", False)),
        ("application/octet-stream", b"hi", ("aGk=", True)),
        ("application/x-www-form-urlencoded", b"a=b", ("YT1i", True)),
        ("text/plain", b"\xff", ("/w==", True)),
    ],
)
def test_bodies_that_are_no_text_are_base64(kind, body, told):
    assert body_text(request(headers={"content-type": kind}, body=body)) == told


def test_answers_in_format_1_may_have_headers_with_several_values():
    answer = read_answer_v1(
        json.dumps(
            {
                "statusCode": 200, "headers": {"A": "1", "B": "2"}, "multiValueHeaders": {"a": ["3", "4"]},
                "body": "aGk=", "isBase64Encoded": True,
            }
        ).encode()
    )  # fmt: skip
    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.headers == [("B", "2"), ("Content-Type", "application/json"), ("a", "3"), ("a", "4")]
    for payload in (
        b"no",
        b'"text"',
        b"{}",
        b'{"statusCode": "x"}',
        b'{"statusCode": 200, "multiValueHeaders": {"a": "b"}}',
    ):
        with pytest.raises(InvalidAnswer):
            read_answer_v1(payload)

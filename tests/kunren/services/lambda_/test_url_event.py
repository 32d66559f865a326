import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.apis.cors import Cors, allowed_origin, is_preflight, preflight_headers, response_headers
from kunren.dataplane.apis.lambda_event import InvalidAnswer, query_parameters, read_answer, split_prelude
from kunren.services.lambda_.policy import build_statement, url_may_be_invoked
from kunren.services.lambda_.url_event import UrlRequest, build_event

HOST = "a" * 32 + ".lambda-url.us-east-1.on.aws"
OWNER = "123456789012"


def event(method="GET", path="/", query="", headers=None, body=b""):
    request = UrlRequest(method, HOST, path, query, {"host": HOST, **(headers or {})}, body, "198.18.0.1")
    return build_event(request, account="anonymous", iam=None, request_id="id", trace_id="t", now=1_583_817_383.22)


def test_an_event_has_the_form_of_the_developer_guide():
    made = event(
        path="/my/path", query="parameter1=value1&parameter1=value2&parameter2=value", headers={"cookie": "a=1"}
    )
    assert made["cookies"] == ["a=1"]
    assert "cookie" not in made["headers"]
    assert made["queryStringParameters"] == {"parameter1": "value1,value2", "parameter2": "value"}
    assert made["requestContext"]["time"] == "10/Mar/2020:05:16:23 +0000"
    assert made["requestContext"]["timeEpoch"] == 1583817383220
    assert made["requestContext"]["domainPrefix"] == "a" * 32
    assert made["headers"]["x-forwarded-proto"] == "https"
    assert "body" not in made
    assert made["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/html", True),
        ("application/json; charset=utf-8", True),
        ("application/vnd.x+json", True),
        ("image/png", False),
    ],
)
def test_binary_bodies_are_base64(kind, text):
    made = event("POST", headers={"content-type": kind}, body=b"{}")
    assert made["isBase64Encoded"] is not text
    assert made["body"] == ("{}" if text else base64.b64encode(b"{}").decode())


def test_answers_as_the_developer_guide_reads_them():
    assert read_answer(b'"Hello, world!"') == (200, [("Content-Type", "application/json")], b'"Hello, world!"')
    assert read_answer(b'{"message": "x"}').body == b'{"message": "x"}'
    own = {"statusCode": 201, "headers": {"content-type": "text/plain", "X": True}, "body": "b", "cookies": ["c=1"]}
    assert read_answer(json.dumps(own).encode()) == (
        201,
        [("content-type", "text/plain"), ("X", "true"), ("Set-Cookie", "c=1")],
        b"b",
    )
    coded = {"statusCode": 200, "body": base64.b64encode(b"\0\xff").decode(), "isBase64Encoded": True}
    assert read_answer(json.dumps(coded).encode()).body == b"\0\xff"


@pytest.mark.parametrize(
    "told",
    [b"{", b'{"statusCode": "x"}', b'{"statusCode": 99}', b'{"statusCode": 200, "body": "%", "isBase64Encoded": true}'],
)
def test_answers_that_are_none(told):
    with pytest.raises(InvalidAnswer):
        read_answer(told)


def test_the_prelude_of_a_stream():
    assert split_prelude(b'{"statusCode": 2') is None
    head, rest = split_prelude(b'{"statusCode": 202, "headers": {"Content-Type": "a/b"}}' + b"\0" * 8 + b"rest\0")
    assert (head.status, head.headers, rest) == (202, [("Content-Type", "a/b")], b"rest\0")
    with pytest.raises(InvalidAnswer):
        split_prelude(b"nonsense" + b"\0" * 8)


@given(st.binary(max_size=60))
def test_no_answer_of_a_function_breaks_the_reader(payload):
    for read in (read_answer, split_prelude):
        try:
            read(payload)
        except InvalidAnswer:
            pass


@given(st.text(max_size=40))
def test_any_query_is_read(query):
    assert all(isinstance(value, str) for value in query_parameters(query).values())


def test_origins_and_preflights():
    cors = Cors(origins=("https://a.example", "https://*.b.example"), methods=("GET",), headers=("x-one",), max_age_s=5)
    assert allowed_origin(cors, "https://a.example") == "https://a.example"
    assert allowed_origin(cors, "https://x.b.example") == "https://x.b.example"
    assert allowed_origin(cors, "https://c.example") is None
    assert allowed_origin(Cors(origins=("*",)), "https://c.example") == "*"
    assert allowed_origin(Cors(origins=("*",), credentials=True), "https://c.example") == "https://c.example"
    asked = {"origin": "https://a.example", "access-control-request-method": "GET"}
    assert is_preflight("OPTIONS", asked)
    assert not is_preflight("GET", asked)
    assert dict(preflight_headers(cors, asked)) == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Vary": "Origin",
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Allow-Headers": "x-one",
        "Access-Control-Max-Age": "5",
    }
    assert preflight_headers(cors, {**asked, "access-control-request-method": "PUT"}) == []
    assert response_headers(cors, {}) == []


def statement(principal="*", action="lambda:InvokeFunctionUrl", **told):
    params = {"StatementId": "s", "Action": action, "Principal": principal, **told}
    return build_statement(params, "arn:aws:lambda:us-east-1:123456789012:function:f")


def test_who_may_ask_a_function_url():
    public = statement(FunctionUrlAuthType="NONE")
    assert url_may_be_invoked([public], "NONE", None, OWNER)
    assert url_may_be_invoked([statement()], "NONE", None, OWNER)
    assert not url_may_be_invoked([], "NONE", None, OWNER)
    assert not url_may_be_invoked([public], "AWS_IAM", "999999999999", OWNER)
    assert not url_may_be_invoked([statement(action="lambda:InvokeFunction")], "NONE", None, OWNER)
    assert url_may_be_invoked([], "AWS_IAM", OWNER, OWNER)
    other = statement("999999999999", FunctionUrlAuthType="AWS_IAM")
    assert url_may_be_invoked([other], "AWS_IAM", "999999999999", OWNER)
    assert not url_may_be_invoked([other], "AWS_IAM", "888888888888", OWNER)
    assert not url_may_be_invoked([other], "NONE", None, OWNER)

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.runtime.elb_event import (
    InvalidAnswer,
    build_event,
    encode_body,
    error_page,
    read_answer,
    render,
    split_query,
)

GROUP = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/lambda-279XGJDqGZ5rsrHC2Fjr/49e9d65c45c6791a"


def event(target="/lambda?query=1234ABCD", headers=(), body=b"", multi_value=False, method="GET"):
    return json.loads(build_event(GROUP, method, target, headers, body, multi_value=multi_value))


def test_event_of_the_lambda_guide():
    headers = [
        ("accept", "text/html"),
        ("host", "lambda-alb-123578498.us-east-2.elb.amazonaws.com"),
        ("x-amzn-trace-id", "Root=1-5c536348-3d683b8b04734faae651f476"),
        ("x-forwarded-for", "72.12.164.125"),
        ("x-forwarded-port", "80"),
        ("x-forwarded-proto", "http"),
    ]
    assert event(headers=headers) == {
        "requestContext": {"elb": {"targetGroupArn": GROUP}},
        "httpMethod": "GET",
        "path": "/lambda",
        "queryStringParameters": {"query": "1234ABCD"},
        "headers": dict(headers),
        "body": "",
        "isBase64Encoded": False,
    }


def test_single_values_are_the_last_ones_and_stay_encoded():
    made = event("/a%20b?k=%41&k=b%20c&flag", [("cookie", "a=1"), ("cookie", "b=2")])
    assert made["path"] == "/a%20b"
    assert made["queryStringParameters"] == {"k": "b%20c", "flag": ""}
    assert made["headers"] == {"cookie": "b=2"}


def test_multi_values_replace_the_single_forms():
    made = event("/?k=1&k=2", [("cookie", "a=1"), ("cookie", "b=2")], multi_value=True)
    assert made["multiValueQueryStringParameters"] == {"k": ["1", "2"]}
    assert made["multiValueHeaders"] == {"cookie": ["a=1", "b=2"]}
    assert "headers" not in made
    assert "queryStringParameters" not in made


def test_our_own_and_hop_by_hop_headers_do_not_reach_the_function():
    headers = [("x-kunren-target-group", GROUP), ("x-envoy-x", "1"), ("connection", "close"), ("a", "b")]
    assert event(headers=headers)["headers"] == {"a": "b"}


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [
        ("text/plain", False),
        ("text/html; charset=utf-8", False),
        ("application/json", False),
        ("application/javascript", False),
        ("application/xml", False),
        ("Application/JSON; charset=utf-8", False),
        ("application/octet-stream", True),
        ("application/x-www-form-urlencoded", True),
        ("application/jsonp", True),
        ("image/png", True),
        (None, True),
    ],
)
def test_bodies_are_base64_unless_they_are_text(content_type, encoded):
    headers = {} if content_type is None else {"content-type": content_type}
    assert encode_body(b"x", headers) == (("eA==", True) if encoded else ("x", False))


def test_encoded_content_is_base64_whatever_its_type():
    assert encode_body(b"x", {"content-type": "text/plain", "content-encoding": "gzip"}) == ("eA==", True)


@given(st.binary(max_size=200), st.sampled_from(["text/plain", "image/png", "application/json"]))
def test_no_byte_of_a_body_is_lost(body, content_type):
    text, encoded = encode_body(body, {"content-type": content_type})
    assert (base64.b64decode(text) if encoded else text.encode()) == body


@given(st.text(alphabet="ab=&%20", max_size=40))
def test_queries_of_any_form_are_split(query):
    assert "&".join(f"{name}={value}" for name, value in split_query(query)).count("&") <= query.count("&")


def answer(multi_value=False, **members):
    return read_answer(json.dumps(members).encode(), multi_value=multi_value)


def test_answer_of_the_lambda_guide():
    made = answer(
        statusCode=200, statusDescription="200 OK", isBase64Encoded=False,
        headers={"Content-Type": "text/html"}, body="<h1>Hello from Lambda!</h1>",
    )  # fmt: skip
    assert (made.status, made.reason, made.body) == (200, "OK", b"<h1>Hello from Lambda!</h1>")
    assert made.headers == [("Content-Type", "text/html"), ("Server", "awselb/2.0")]


def test_hop_by_hop_headers_and_length_of_answers_are_dropped():
    headers = {"Connection": "close", "Transfer-Encoding": "chunked", "content-length": "9", "Location": "/x"}
    assert answer(statusCode=301, headers=headers).headers == [("Location", "/x"), ("Server", "awselb/2.0")]


def test_multi_value_answers_take_only_the_multi_value_form():
    made = answer(True, statusCode=200, headers={"a": "no"}, multiValueHeaders={"set-cookie": ["a=1", "b=2"]})
    assert [each for each in made.headers if each[0] != "Server"] == [("set-cookie", "a=1"), ("set-cookie", "b=2")]


def test_base64_answers_are_decoded():
    assert answer(statusCode=200, isBase64Encoded=True, body="AAEC").body == b"\x00\x01\x02"


@pytest.mark.parametrize(
    "payload",
    [
        b"null", b'"text"', b"[]", b"{}", b"not json", b'{"statusCode":"200"}', b'{"statusCode":true}', b'{"statusCode":99}',
        b'{"statusCode":200,"body":1}', b'{"statusCode":200,"headers":{"a":1}}', b'{"statusCode":200,"headers":[]}',
        b'{"statusCode":200,"headers":{"a b":"c"}}', b'{"statusCode":200,"headers":{"a":"b\\r\\nc: d"}}',
        b'{"statusCode":200,"isBase64Encoded":true,"body":"%"}', b'{"statusCode":200,"isBase64Encoded":"yes"}',
        b'{"statusCode":200,"body":"' + b"x" * 1024 * 1024 + b'"}',
    ],
)  # fmt: skip
def test_answers_that_a_load_balancer_cannot_give(payload):
    with pytest.raises(InvalidAnswer):
        read_answer(payload, multi_value=False)


def test_multi_value_headers_must_be_lists():
    with pytest.raises(InvalidAnswer):
        answer(True, statusCode=200, multiValueHeaders={"a": "b"})


def test_error_page_is_the_load_balancers_own():
    assert render(error_page(502, "LambdaUnhandled"), head=False, close=False) == (
        b"HTTP/1.1 502 Bad Gateway\r\nServer: awselb/2.0\r\nContent-Type: text/html\r\nx-kunren-error: LambdaUnhandled\r\n"
        b"Content-Length: 122\r\n\r\n"
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def test_no_body_for_head_and_204():
    assert render(answer(statusCode=200, body="hello"), head=True, close=False).endswith(b"Content-Length: 5\r\n\r\n")
    assert b"Content-Length" not in render(answer(statusCode=204, body="hello"), head=False, close=False)

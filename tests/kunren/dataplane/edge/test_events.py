"""Events of edge functions, and what they may return."""

from __future__ import annotations

import json

import pytest

from kunren.dataplane.edge import js_event, lambda_event
from kunren.dataplane.edge.js_event import InvalidResult
from kunren.dataplane.edge.message import Answer, Request, Viewer, Whereabouts, first
from kunren.dataplane.edge.scripts import ScriptError, Scripts
from kunren.dataplane.edge.site import Origin, Script, Site

VIEWER = Viewer("198.18.65.10", 4711, "tokyo", Whereabouts("JP"), secure=True)
SITE = Site("EDFDVBD6EXAMPLE", "123456789012", "d111111abcdef8.cloudfront.net", (), (), {})


def request():
    headers = [("Host", "www.example.com"), ("Cookie", "ID=1; ID=2; loggedIn=false"), ("Accept", "text/html")]
    return Request(
        "GET", "/media/index.mpd", "ID=42&Exp=1619740800&TTL=1440&NoValue=&querymv=1&querymv=2", headers, VIEWER, "r"
    )


def test_a_functions_event_has_the_guides_structure():
    made = json.loads(js_event.event(SITE, "viewer-request", request()))
    assert made["version"] == "1.0"
    assert made["context"] == {
        "distributionDomainName": "d111111abcdef8.cloudfront.net", "distributionId": "EDFDVBD6EXAMPLE",
        "eventType": "viewer-request", "requestId": "r",
    }  # fmt: skip
    assert made["viewer"] == {"ip": "198.18.65.10"}
    assert made["request"]["querystring"] == {
        "ID": {"value": "42"}, "Exp": {"value": "1619740800"}, "TTL": {"value": "1440"}, "NoValue": {"value": ""},
        "querymv": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]},
    }  # fmt: skip
    assert made["request"]["headers"] == {"host": {"value": "www.example.com"}, "accept": {"value": "text/html"}}
    assert made["request"]["cookies"] == {
        "ID": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}, "loggedIn": {"value": "false"},
    }  # fmt: skip


def test_a_request_that_comes_back_unchanged_is_the_same_request():
    asked, before = request(), request()
    made = json.loads(js_event.event(SITE, "viewer-request", asked))["request"]
    assert js_event.request_or_answer(json.dumps(made), asked) is None
    assert (asked.uri, first(asked.headers, "host")) == (before.uri, "www.example.com")
    assert sorted(asked.query.replace("NoValue", "NoValue=").split("&")) == sorted(before.query.split("&"))
    assert first(asked.headers, "cookie") == "ID=1; ID=2; loggedIn=false"


@pytest.mark.parametrize(
    "result",
    [
        None, "1", "{}", '{"statusCode": "301"}', '{"statusCode": 99}', '{"uri": "x", "headers": {}}',
        '{"statusCode": 200, "headers": {"Location": {"value": "x"}}}',
        '{"statusCode": 200, "headers": {"via": 3}}', '{"statusCode": 200, "headers": {"x-cache": {"value": "x"}}}',
        '{"statusCode": 200, "body": 3}', '{"statusCode": 200, "body": {"encoding": "base64", "data": "!"}}',
    ],
)  # fmt: skip
def test_a_function_that_returns_neither_is_told_so(result):
    with pytest.raises(InvalidResult):
        js_event.request_or_answer(result, request())


def test_a_generated_answer_may_have_cookies_and_a_body():
    result = {
        "statusCode": 302, "headers": {"location": {"value": "https://x/"}},
        "cookies": {"id": {"value": "1", "attributes": "Path=/; Secure"}}, "body": {"encoding": "base64", "data": "aGk="},
    }  # fmt: skip
    made = js_event.request_or_answer(json.dumps(result), request())
    assert made is not None
    assert (made.status, made.body) == (302, b"hi")
    assert first(made.headers, "set-cookie") == "id=1; Path=/; Secure"
    assert first(made.headers, "content-length") == "2"


def test_scripts_run_bounded_and_apart():
    scripts = Scripts()
    counts = Script(
        "n",
        "cloudfront-js-2.0",
        "let n = 0; async function handler(e) { console.log('a', {b: 1}); return {n: ++n}; }",
        "1",
    )
    ran = scripts.run(counts, "{}", logs=True)
    assert (json.loads(ran.output or ""), ran.logs) == ({"n": 1}, ('a {"b":1}',))
    with pytest.raises(ScriptError, match="interrupted"):
        scripts.run(Script("l", "cloudfront-js-2.0", "function handler() { for (;;) {} }", "1"), "{}")
    with pytest.raises(ScriptError, match="out of memory"):
        scripts.run(
            Script("m", "", "function handler() { let a = []; for (;;) a.push('x'.repeat(1e5) + a.length); }", "1"),
            "{}",
        )
    with pytest.raises(ScriptError, match="boom"):
        scripts.run(Script("t", "", "function handler() { throw new Error('boom'); }", "1"), "{}")
    with pytest.raises(ScriptError, match="no handler"):
        scripts.check(Script("h", "", "let a = 1;", "1"))
    with pytest.raises(ScriptError, match="SyntaxError"):
        scripts.check(Script("s", "", "function (", "1"))


def test_a_lambda_event_has_the_guides_structure_and_comes_back_as_it_went():
    asked = request()
    made = json.loads(lambda_event.event(SITE, "viewer-request", asked))["Records"][0]["cf"]
    assert made["config"]["eventType"] == "viewer-request"
    assert made["request"]["clientIp"] == "198.18.65.10"
    assert made["request"]["headers"]["host"] == [{"key": "Host", "value": "www.example.com"}]
    assert made["request"]["querystring"] == request().query
    answer, origin = lambda_event.request_or_answer(json.dumps(made["request"]).encode(), "viewer-request", asked)
    assert (answer, origin) == (None, None)
    assert (asked.uri, asked.query, asked.headers) == (request().uri, request().query, request().headers)


def test_a_lambda_function_may_not_touch_what_is_read_only_or_answer_too_much():
    asked = request()
    made = json.loads(lambda_event.event(SITE, "viewer-request", asked))["Records"][0]["cf"]["request"]
    for headers in (
        {"host": [{"key": "Host", "value": "other"}]},
        {"x-edge-a": [{"key": "X-Edge-A", "value": "1"}]},
        {},
    ):
        with pytest.raises(InvalidResult):
            lambda_event.request_or_answer(
                json.dumps({**made, "headers": headers}).encode(), "viewer-request", request()
            )
    for result in ({"status": "abc"}, {"status": "200", "body": "x" * 40961}, {"status": "200", "headers": 3}, []):
        with pytest.raises(InvalidResult):
            lambda_event.request_or_answer(json.dumps(result).encode(), "viewer-request", request())


def test_a_response_function_keeps_the_body_it_does_not_replace():
    answer = Answer(200, [("Content-Length", "5"), ("Server", "x")], b"hello")
    shown = json.loads(lambda_event.event(SITE, "origin-response", request(), answer))["Records"][0]["cf"]["response"]
    assert shown["status"] == "200"
    shown["headers"]["x-new"] = [{"key": "X-New", "value": "1"}]
    changed = lambda_event.changed_answer(json.dumps(shown).encode(), "origin-response", answer)
    assert (changed.status, changed.body, first(changed.headers, "x-new")) == (200, b"hello", "1")
    assert first(changed.headers, "content-length") == "5"


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 302, "headers": {"location": {"value": "/\r\nSet-Cookie: a=b"}}},
        {"statusCode": 200, "headers": {"a: b\r\nx": {"value": "c"}}},
        {"statusCode": 200, "statusDescription": "OK\r\nX: y"},
        {"uri": "/ HTTP/1.1\r\nX: y", "headers": {}},
    ],
)
def test_a_result_cannot_end_a_line_of_http(result):
    with pytest.raises(InvalidResult):
        js_event.request_or_answer(json.dumps(result), request())


def test_a_lambda_result_cannot_end_a_line_of_http():
    made = {"status": "302", "headers": {"location": [{"value": "/\r\nSet-Cookie: a=b"}]}}
    with pytest.raises(InvalidResult):
        lambda_event.request_or_answer(json.dumps(made).encode(), "viewer-request", request())
    made = {"status": "200", "headers": {}, "body": "two\nlines"}
    assert (
        lambda_event.request_or_answer(json.dumps(made).encode(), "viewer-request", request())[0].body == b"two\nlines"
    )


def test_a_function_that_waits_for_ever_ends():
    endless = Script("f", "cloudfront-js-2.0", "async function handler(event) { for (;;) await 0; }", "1")
    with pytest.raises(ScriptError):
        Scripts().run(endless, "{}")


def test_an_origin_that_a_function_chooses_must_be_one():
    before = Origin("o", "a.test", "", (), "http-only", 80, 443, 10, 3, 30, 5)
    custom = {
        "domainName": "b.test",
        "protocol": "http",
        "port": 8080,
        "customHeaders": {"x-a": [{"key": "X-A", "value": "1"}]},
    }
    chosen = lambda_event.chosen_origin({"custom": custom}, before)
    assert (chosen.domain, chosen.http_port, chosen.headers) == ("b.test", 8080, (("X-A", "1"),))
    for wrong in (
        {},
        {**custom, "port": "many"},
        {**custom, "readTimeout": [1]},
        {**custom, "customHeaders": {"x": 1}},
    ):
        with pytest.raises(InvalidResult):
            lambda_event.chosen_origin({"custom": wrong}, before)


def test_a_changed_answer_is_still_the_error_that_it_was():
    before = Answer(502, [], b"", "Error", detail="OriginDnsError")
    by_function = js_event.changed_answer(json.dumps({"statusCode": 503}), before)
    by_lambda = lambda_event.changed_answer(json.dumps({"status": "503"}).encode(), "viewer-response", before)
    for changed in (by_function, by_lambda):
        assert (changed.status, changed.outcome, changed.detail) == (503, "Error", "OriginDnsError")

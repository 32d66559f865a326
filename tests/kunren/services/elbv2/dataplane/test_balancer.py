"""One load balancer through real Envoy on loopback: what clients and targets see."""

from __future__ import annotations

import asyncio
import re


def test_rules_are_tried_by_priority_and_the_default_rule_last(kit, run_bench):
    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.fixed(404, "nothing here"))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.rule(on, 10, kit.fixed(200, "wild host"), kit.condition("host-header", "*.example.test")),
            kit.rule(on, 20, kit.fixed(200, "exact host"), kit.condition("host-header", "www.example.test", "x.other.test")),
            kit.rule(on, 30, kit.fixed(200, "path"), kit.condition("path-pattern", "/img/*", "/exact", "/a?c*.txt")),
            kit.rule(on, 40, kit.fixed(200, "header"), kit.condition("http-header", "*Chrome*", HttpHeaderName="User-Agent")),
            kit.rule(on, 50, kit.fixed(200, "method"), kit.condition("http-request-method", "PUT", "PURGE")),
            kit.rule(on, 60, kit.fixed(200, "query"), kit.condition("query-string", {"Key": "v", "Value": "1*"}, {"Value": "any"})),
            kit.rule(on, 70, kit.fixed(200, "source"), kit.condition("source-ip", "127.0.0.2/32"), kit.condition("path-pattern", "/ip")),
            kit.rule(on, 80, kit.fixed(200, "loopback"), kit.condition("source-ip", "127.0.0.0/8"), kit.condition("path-pattern", "/ip")),
        )  # fmt: skip

        async def body(path="/", **given):
            return (await bench.get(port, path, **given)).text

        assert await body(name="www.example.test") == "wild host"
        assert await body(name="WWW.Example.test:8080") == "wild host"
        assert await body(name="x.other.test:99") == "exact host"
        assert await body(name="X.OTHER.test") == "exact host"
        assert await body(name="example.test") == "nothing here"
        assert await body("/img/1.png?x=1") == "path"
        assert await body("/exact?x=1") == "path"
        assert await body("/exact/no") == "nothing here"
        assert await body("/EXACT") == "nothing here"
        assert await body("/abc9.txt") == "path"
        assert await body("/ac.txt") == "nothing here"
        assert await body(headers={"user-agent": "Mozilla CHROME/1"}) == "header"
        assert await body(method="PUT") == "method"
        assert await body(method="PURGE") == "method"
        assert await body("/?a=b&V=12") == "query"
        assert await body("/?a=ANY") == "query"
        assert await body("/?a=many") == "nothing here"
        assert await body("/?v=21") == "nothing here"
        assert await body("/ip") == "loopback"

    run_bench(story)


def test_rules_see_what_the_client_sent_and_not_what_the_load_balancer_adds(kit, run_bench, backends):
    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        traced = kit.condition("http-header", "Root=*", HttpHeaderName="X-Amzn-Trace-Id")
        group = kit.target_group("a", backends("plain").target())
        other = kit.target_group("b", backends("traced").target())
        rule = kit.rule(on, 1, kit.forward(("b", 1)), traced)
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), rule, group, other)
        assert (await bench.get(port)).text == "plain"
        sent = {"X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678"}
        assert (await bench.get(port, headers=sent)).text == "traced"

    run_bench(story)


def test_fixed_responses_are_exactly_what_was_configured(kit, run_bench):
    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.fixed(503, "100 % closed", "text/html"))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.rule(on, 1, kit.fixed(204), kit.condition("path-pattern", "/empty")),
            kit.rule(on, 2, kit.fixed(400, '{"a": 1}', "application/json"), kit.condition("path-pattern", "/json")),
        )  # fmt: skip
        closed = await bench.get(port)
        assert (closed.status, closed.text) == (503, "100 % closed")
        assert closed.header("server") == "awselb/2.0"
        assert closed.header("content-type") == "text/html; charset=utf-8"
        assert closed.header("content-length") == "12"
        assert closed.header("date")
        assert len(closed.headers) == 4 or closed.header("connection")
        empty = await bench.get(port, "/empty")
        assert (empty.status, empty.body) == (204, b"")
        json = await bench.get(port, "/json")
        assert (json.status, json.text, json.header("content-type")) == (400, '{"a": 1}', "application/json")

    run_bench(story)


def test_redirects_write_every_component_and_the_port(kit, run_bench):
    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port)
        cases = {
            "/https": (kit.redirect(Protocol="HTTPS", Port="443"), "https://web.test:443/https?a=b&c=d"),
            "/host": (kit.redirect(Host="new.test", StatusCode="HTTP_302"), f"http://new.test:{port}/host?a=b&c=d"),
            "/path": (kit.redirect(Path="/new"), f"http://web.test:{port}/new?a=b&c=d"),
            "/noquery": (kit.redirect(Path="/new", Query=""), f"http://web.test:{port}/new"),
            "/query": (kit.redirect(Path="/new", Query="x=1%20y"), f"http://web.test:{port}/new?x=1%20y"),
            "/under": (kit.redirect(Path="/old/#{path}/z"), f"http://web.test:{port}/old/under/z?a=b&c=d"),
            "/dropped": (kit.redirect(Protocol="HTTPS", Query=""), f"https://web.test:{port}/dropped"),
            "/mixed": (kit.redirect(Host="www.#{host}", Query="#{query}&p=#{port}"), f"http://www.web.test:{port}/mixed?a=b&c=d&p={port}"),
            "/all": (
                kit.redirect(Path="/#{host}/#{path}/#{port}", Query="u=#{protocol}-#{path}"),
                f"http://web.test:{port}/web.test/all/{port}?u=http-all",
            ),
        }  # fmt: skip
        rules = [
            kit.rule(on, n, action, kit.condition("path-pattern", path))
            for n, (path, (action, _)) in enumerate(cases.items(), 1)
        ]
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), *rules)
        for path, (action, location) in cases.items():
            got = await bench.get(port, path + "?a=b&c=d", name=f"web.test:{port}")
            status = int(action["RedirectConfig"]["StatusCode"][5:])
            assert (got.status, got.header("location")) == (status, location), path
            assert got.header("server") == "awselb/2.0"
            assert got.header("content-type") == "text/html"
        plain = await bench.get(port, "/https", name="web.test")
        assert plain.header("location") == "https://web.test:443/https"
        assert plain.text == (
            "<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n"
            "<center><h1>301 Moved Permanently</h1></center>\r\n</body>\r\n</html>\r\n"
        )
        assert plain.header("content-length") == "134"

    run_bench(story)


def test_targets_see_forwarding_headers_as_alb_writes_them(kit, run_bench, backends):
    async def story(bench):
        one = backends("one")
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group("a", one.target())
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)
        answer = await bench.get(port, "/x?y=%2F", name="web.test")
        assert (answer.status, answer.text) == (200, "one")
        assert answer.header("server") is None
        assert not [key for key, _ in answer.headers if key.startswith("x-envoy")]
        method, path, headers = one.seen[-1]
        got = dict(headers)
        assert (method, path) == ("GET", "/x?y=%2F")
        assert got["x-forwarded-for"] == "127.0.0.1"
        assert got["x-forwarded-proto"] == "http"
        assert got["x-forwarded-port"] == str(port)
        assert got["host"] == f"web.test:{port}"
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", got["x-amzn-trace-id"])
        assert not [key for key in got if key.startswith("x-envoy") or key == "x-request-id"]
        given = {
            "X-Forwarded-For": "10.1.1.1, 10.2.2.2", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "1",
            "X-Amzn-Trace-Id": "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;Calculations=3",
            "x-kunren-target-group": "forged",
        }  # fmt: skip
        await bench.get(port, headers=given)
        got = dict(one.seen[-1][2])
        assert got["x-forwarded-for"] == "10.1.1.1, 10.2.2.2, 127.0.0.1"
        assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == ("http", str(port))
        assert re.fullmatch(
            r"Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678;Calculations=3",
            got["x-amzn-trace-id"],
        )
        many = await bench.get(port, headers={"X-Forwarded-For": ", ".join(["10.0.0.1"] * 31)})
        assert many.status == 463
        assert (await bench.get(port, headers={"X-Forwarded-For": ", ".join(["10.0.0.1"] * 30)})).status == 200
        assert (await bench.get(port, method="TRACE")).status == 405
        for mode, wanted in (("preserve", "10.1.1.1"), ("remove", None)):
            await bench.apply(kit.load_balancer(attributes={"routing.http.xff_header_processing.mode": mode}))
            await bench.get(port, headers={"X-Forwarded-For": "10.1.1.1"})
            assert dict(one.seen[-1][2]).get("x-forwarded-for") == wanted
        await bench.apply(kit.load_balancer(attributes={"routing.http.xff_client_port.enabled": "true"}))
        await bench.get(port)
        assert re.fullmatch(r"127\.0\.0\.1:\d+", dict(one.seen[-1][2])["x-forwarded-for"])

    run_bench(story)


def test_failures_get_alb_pages_and_targets_errors_pass(kit, run_bench, backends):
    async def story(bench):
        one = backends("one")
        port, dead = kit.free_port(), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(attributes={"idle_timeout.timeout_seconds": "1"}), on, kit.default_rule(on),
            kit.target_group("a", one.target()),
            kit.target_group("refusing", kit.Target(id="127.0.0.1", port=dead)),
            kit.target_group("none"),
            kit.rule(on, 1, kit.forward(("refusing", 1)), kit.condition("path-pattern", "/refusing")),
            kit.rule(on, 2, kit.forward(("none", 1)), kit.condition("path-pattern", "/none")),
            kit.rule(on, 3, kit.forward(("a", 0)), kit.condition("path-pattern", "/zero")),
        )  # fmt: skip
        expected = {
            "/refusing": (502, "502 Bad Gateway"),
            "/reset": (502, "502 Bad Gateway"),
            "/none": (503, "503 Service Temporarily Unavailable"),
            "/zero": (503, "503 Service Temporarily Unavailable"),
            "/slow": (504, "504 Gateway Time-out"),
        }
        for path, (status, title) in expected.items():
            got = await bench.get(port, path)
            assert (got.status, got.header("server"), got.header("content-type")) == (
                status,
                "awselb/2.0",
                "text/html",
            ), path
            assert f"<title>{title}</title>" in got.text, path
        assert (await bench.get(port, "/status/503")).text == "one"
        assert (await bench.get(port, "/status/301")).text == "one"
        bad = {
            b"GET / HTTP/1.1\r\n\r\n": 400,
            b"echo test\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: a.b\r\nContent-Length: x\r\n\r\n": 400,
            b"GET / HTTP/1.1\r\nHost: a.b\r\nX: " + b"x" * 70_000 + b"\r\n\r\n": 400,
            b"POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: gzip\r\n\r\n": 501,
        }
        for request, status in bad.items():
            got = await asyncio.to_thread(kit.raw, port, request)
            assert got.startswith(f"HTTP/1.1 {status} ".encode()), (request[:80], got)
            assert b"server: awselb/2.0" in got and f"<title>{status} ".encode() in got, (request[:80], got)
        old = await asyncio.to_thread(kit.raw, port, b"GET / HTTP/1.0\r\n\r\n")
        assert old.startswith(b"HTTP/1.0 200 OK") and old.endswith(b"one")

    run_bench(story)


def test_the_longest_patterns_and_regular_expressions_of_a_rule_are_taken(kit, run_bench):
    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.fixed(404))
        wild = ["/" + f"{'x' * 24}*" * 5, *(f"/{n}*{'y' * 40}?{'z' * 60}" for n in range(4))]
        regexes = [f"^/r{n}/{'(?:ab?c|d)' * 11}[0-9]{{1,9}}$" for n in range(5)]
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.rule(on, 1, kit.fixed(200, "wild"), kit.condition("path-pattern", *wild)),
            kit.rule(on, 2, kit.fixed(200, "regex"), kit.condition("path-pattern", RegexValues=regexes)),
        )  # fmt: skip
        assert (await bench.get(port, f"/3-{'y' * 40}-{'z' * 60}")).text == "wild"
        assert (await bench.get(port, f"/r4/{'abc' * 11}123")).text == "regex"
        assert (await bench.get(port, f"/r4/{'abc' * 10}123")).status == 404

    run_bench(story)

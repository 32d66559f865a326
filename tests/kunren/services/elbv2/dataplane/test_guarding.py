"""Desync mitigation, invalid headers and request smuggling, byte for byte."""

from __future__ import annotations

import asyncio

import pytest

PLAIN = b"Host: a.b\r\n"


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


SEVERE = {
    "BadContentLength": b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5x\r\n\r\nhello",
    "NegativeContentLength": b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: -5\r\n\r\nhello",
    "MultipleContentLength": b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "BadTransferEncoding": b"POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
    "BadHeader (null)": b"GET / HTTP/1.1\r\nHost: a.b\r\nX: a\0b\r\n\r\n",
    "BadHeader (space before the colon)": b"GET / HTTP/1.1\r\nHost: a.b\r\nX : a\r\n\r\n",
    "BadVersion": b"GET / HTTP/9.x\r\nHost: a.b\r\n\r\n",
    "BadMethod": b"G(T / HTTP/1.1\r\nHost: a.b\r\n\r\n",
    "BadUri": b"GET /a\0b HTTP/1.1\r\nHost: a.b\r\n\r\n",
    "SuspiciousTeClPresent": b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\nhello",
}
AMBIGUOUS = {
    "BothTeClPresent": b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "UndefinedContentLengthSemantics": b"GET / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\n\r\nhello",
    "EmptyHeader": b"GET / HTTP/1.1\r\nHost: a.b\r\nX:\r\n\r\n",
    "NonCompliantHeader": b"GET / HTTP/1.1\r\nHost: a.b\r\nX: caf\xc3\xa9\r\n\r\n",
    "SuspiciousHeader": b"GET / HTTP/1.1\r\nHost: a.b\r\nContent_Length: 0\r\n\r\n",
}
COMPLIANT = b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\nX-Any.thing: a b\r\n\r\nhello"


@pytest.mark.parametrize("mode", ["monitor", "defensive", "strictest"])
def test_requests_are_refused_by_class_and_mode(kit, run_bench, backends, mode):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        attributes = {"routing.http.desync_mitigation_mode": mode}
        await bench.apply(
            kit.load_balancer(attributes=attributes), on, kit.default_rule(on), kit.target_group("a", one.target())
        )

        async def answers(requests):
            got = await asyncio.gather(*(asyncio.to_thread(kit.raw, port, each, 0.4) for each in requests.values()))
            return dict(zip(requests, got, strict=True))

        assert status(await asyncio.to_thread(kit.raw, port, COMPLIANT, 0.4)) == 200
        for what, answer in (await answers(SEVERE)).items():
            refused = 200 if mode == "monitor" and what == "SuspiciousTeClPresent" else 400
            assert status(answer) in (refused, 501 if what == "BadTransferEncoding" else refused), (what, answer)
            if status(answer) == 400:
                assert b"server: awselb/2.0" in answer and b"<title>400 Bad Request</title>" in answer
        for what, answer in (await answers(AMBIGUOUS)).items():
            assert status(answer) == (400 if mode == "strictest" else 200), (what, answer)

    run_bench(story)


@pytest.mark.parametrize(
    ("mode", "what", "statuses"),
    [
        # allowed, and the connection is not used again
        ("defensive", "UndefinedContentLengthSemantics", [200]),
        ("defensive", "SuspiciousHeader", [200]),
        ("monitor", "UndefinedContentLengthSemantics", [200, 200]),
        # refused, likewise
        ("defensive", "SuspiciousTeClPresent", [400]),
        ("strictest", "UndefinedContentLengthSemantics", [400]),
        ("strictest", "EmptyHeader", [400]),
        ("strictest", "NonCompliantHeader", [400]),
        ("defensive", "Compliant", [200, 200]),
    ],
)
def test_connections_are_closed_after_an_ambiguous_or_a_refused_request(kit, run_bench, backends, mode, what, statuses):
    given = {**SEVERE, **AMBIGUOUS, "Compliant": COMPLIANT}[what]

    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        attributes = {"routing.http.desync_mitigation_mode": mode}
        await bench.apply(
            kit.load_balancer(attributes=attributes), on, kit.default_rule(on), kit.target_group("a", one.target())
        )
        got = await asyncio.to_thread(kit.raw, port, given + COMPLIANT, 1)
        lines = [each for each in got.split(b"\r\n") if b"HTTP/1.1 " in each]
        assert [int(each.rpartition(b"HTTP/1.1 ")[2][:3]) for each in lines] == statuses
        assert (b"connection: close" in got) == (len(statuses) == 1)

    run_bench(story)


def test_nothing_is_smuggled_to_targets(kit, run_bench, backends):
    """However two lengths disagree, a target sees no request that hides in another's body."""
    hidden = b"GET /hidden HTTP/1.1\r\nHost: a.b\r\n\r\n"
    length = str(len(hidden) + 5).encode()
    attacks = [
        b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: "
        + length
        + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + hidden,
        b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\n" + hidden,
        b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: "
        + length
        + b"\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n"
        + hidden,
        b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 0, " + length + b"\r\n\r\n" + hidden,
        b"POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        b"POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
        b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ]

    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))
        for attack in attacks:
            got = await asyncio.to_thread(kit.raw, port, attack, 0.3)
            # a whole second request on the connection is one like any other, answered as such
            pipelined = got.count(b"HTTP/1.1 200 OK") == 2
            assert (await bench.get(port, "/next")).text == "one"
            paths = [each[1] for each in one.seen]
            assert paths.count("/hidden") == (1 if pipelined else 0), attack
            one.seen.clear()

    run_bench(story)


def test_headers_with_invalid_names_are_dropped_where_that_is_on(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group("a", one.target())
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)
        odd = {"under_score": "1", "dot.ted": "2", "tilde~": "3", "fine-Name9": "4"}
        await bench.get(port, headers=odd)
        assert {name.lower() for name in odd} <= dict(one.seen[-1][2]).keys()
        drops = {"routing.http.drop_invalid_header_fields.enabled": "true"}
        await bench.apply(kit.load_balancer(attributes=drops))
        await bench.get(port, headers=odd)
        seen = dict(one.seen[-1][2])
        assert seen["fine-name9"] == "4"
        assert not {"under_score", "dot.ted", "tilde~"} & seen.keys()

    run_bench(story)


def test_the_host_header_gets_the_port_unless_it_is_well_known_there_already_or_to_be_preserved(
    kit, run_bench, backends
):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))

        async def host(name):
            await bench.get(port, name=name)
            return dict(one.seen[-1][2])["host"]

        assert await host("web.test") == f"web.test:{port}"
        assert await host("web.test:99") == "web.test:99"
        preserve = {"routing.http.preserve_host_header.enabled": "true"}
        await bench.apply(kit.load_balancer(attributes=preserve))
        assert await host("web.test") == "web.test"
        assert await host("web.test:99") == "web.test:99"

    run_bench(story)

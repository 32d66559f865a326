"""Probes over loopback: what targets see, and what becomes of each kind of answer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from kunren.core.clock import SimClock, SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.health.prober import Check, Outcome, Prober, request, status_of
from kunren.dataplane.health.rounds import Rounds
from kunren.world.interface import NoSuchNamespace


class HostSockets:
    async def open_socket(self, namespace, family=socket.AF_INET, type=socket.SOCK_STREAM, *, bind=None):
        if namespace == "none":
            raise NoSuchNamespace(namespace)
        sock = socket.socket(family, type)
        sock.setblocking(False)
        sock.bind(bind)
        return sock


def check(port, **given):
    defaults = {
        "namespace": "vpc", "source": "127.0.0.2", "address": "127.0.0.1", "port": port, "secure": False,
        "path": "/health?x", "interval_s": 5.0, "timeout_s": 5.0,
    }  # fmt: skip
    return Check(**{**defaults, **given})


def probed(answer, **given):
    """The outcome, and (peer address, request) as the target saw it. `answer` None: silence."""

    async def story():
        seen = []

        async def serve(reader, writer):
            seen.append((writer.get_extra_info("peername")[0], await reader.readuntil(b"\r\n\r\n")))
            if answer is not None:
                writer.write(answer)
                writer.close()
            else:
                await reader.read()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        prober = Prober(HostSockets(), SystemClock(), Entropy(1), lambda *_: None)
        outcome = await prober.probe(check(port, **given))
        server.close()
        return outcome, seen, port

    return asyncio.run(story())


def test_a_probe_is_a_get_from_the_node_s_address():
    outcome, [(peer, head)], port = probed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert outcome == Outcome("status", 204)
    assert peer == "127.0.0.2"
    lines = head.decode().split("\r\n")
    assert lines[:2] == ["GET /health?x HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    assert "User-Agent: ELB-HealthChecker/2.0" in lines and "Connection: close" in lines


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 20\r\n\r\n", b"x" * 70_000]
)
def test_no_http_is_a_failure(answer):
    assert probed(answer)[0] == Outcome("failed")


def test_silence_times_out():
    assert probed(None, timeout_s=0.05)[0] == Outcome("timeout")


def test_refusal_is_a_failure_and_a_missing_namespace_is_no_outcome():
    async def story():
        prober = Prober(HostSockets(), SystemClock(), Entropy(1), lambda *_: None)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        assert await prober.probe(check(port)) == Outcome("failed")
        assert await prober.probe(check(port, namespace="none")) is None
        assert await prober.probe(check(port, source="192.0.2.1")) is None

    asyncio.run(story())


def test_checks_run_at_their_interval_until_they_are_taken_away():
    async def story():
        clock, seen = SimClock(), []
        prober = Prober(HostSockets(), clock, Entropy(1), lambda key, outcome: seen.append((key, clock.now())))

        async def probe(_):
            return Outcome("failed")

        prober.probe = probe

        async def advance(seconds):
            for _ in range(round(seconds / 0.5)):
                clock.advance(0.5)
                for _ in range(5):
                    await asyncio.sleep(0)

        prober.set_checks({"a": check(1, interval_s=10.0)})
        await advance(0.5)
        await advance(25)
        assert [key for key, _ in seen] == ["a", "a", "a"]
        assert seen[2][1] - seen[1][1] == pytest.approx(10, abs=0.6)
        prober.set_checks({})
        await advance(25)
        assert len(seen) == 3 and len(prober) == 0
        await prober.stop()

    asyncio.run(story())


def test_a_probe_that_breaks_does_not_end_the_checks():
    async def story():
        seen = []

        async def probe(each):
            seen.append(each)
            if len(seen) == 1:
                raise RuntimeError("by a mistake")
            done.set()
            return

        done = asyncio.Event()
        rounds = Rounds(SystemClock(1000), Entropy(1), probe, lambda *_: None, start_within_s=1.0)
        rounds.set_checks({"a": check(1, interval_s=1.0)})
        await asyncio.wait_for(done.wait(), 10)
        await rounds.stop()

    asyncio.run(story())


def test_heads_are_read_strictly():
    assert status_of(b"HTTP/1.0 200 OK\r\n") == 200
    for bad in (b"HTTP/1.1", b"HTTP/1.1 abc x", b"ICY 200 OK"):
        with pytest.raises(ValueError, match="status line"):
            status_of(bad)
    assert b"\r\nx-a: b\r\n\r\n" in request(check(1, header=("x-a", "b")))

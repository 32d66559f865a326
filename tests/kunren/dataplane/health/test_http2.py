"""HTTP/2 and gRPC probes against real servers on loopback."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.health.http2 import outcome
from kunren.dataplane.health.prober import Check, Outcome, Prober

h2 = pytest.importorskip("h2")


class HostSockets:
    async def open_socket(self, namespace, family=socket.AF_INET, type=socket.SOCK_STREAM, *, bind=None):
        sock = socket.socket(family, type)
        sock.setblocking(False)
        sock.bind(bind)
        return sock


def probe(port, **given):
    check = Check(
        **{
            "namespace": "vpc", "source": "127.0.0.2", "address": "127.0.0.1", "port": port, "secure": False,
            "path": "/AWS.ALB/healthcheck", "interval_s": 5.0, "timeout_s": 5.0, "version": "GRPC", **given,
        }
    )  # fmt: skip
    return asyncio.run(Prober(HostSockets(), SystemClock(), Entropy(1), lambda *_: None).probe(check))


class Health(grpc.GenericRpcHandler):
    """`/ok` answers; `/busy` fails with UNAVAILABLE; nothing else is known."""

    def __init__(self):
        self.seen = []

    def service(self, call):
        self.seen.append((call.method, dict(call.invocation_metadata)))
        if call.method == "/h/ok":
            return grpc.unary_unary_rpc_method_handler(lambda request, _: request)
        if call.method == "/h/busy":
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
            )
        return None


@pytest.fixture
def server():
    made = grpc.server(ThreadPoolExecutor(2))
    made.health = Health()
    made.add_generic_rpc_handlers((made.health,))
    made.bound = made.add_insecure_port("127.0.0.1:0")
    made.start()
    yield made
    made.stop(None)


def test_grpc_statuses_are_what_a_probe_sees(server):
    assert probe(server.bound) == Outcome("grpc", 12)
    assert probe(server.bound, path="/h/ok") == Outcome("grpc", 0)
    assert probe(server.bound, path="/h/busy") == Outcome("grpc", 14)
    method, metadata = server.health.seen[0]
    assert method == "/AWS.ALB/healthcheck"
    assert metadata["user-agent"] == "ELB-HealthChecker/2.0"


def test_http2_probes_see_the_status(server):
    assert probe(server.bound, version="HTTP2", path="/").kind in ("status", "failed")


def answering(data):
    """What a probe makes of a server that sends these bytes and closes."""

    async def story():
        async def serve(reader, writer):
            await reader.read(1)
            writer.write(data)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        check = Check("vpc", "127.0.0.2", "127.0.0.1", port, False, "/", 5.0, 2.0, version="HTTP2")
        return await Prober(HostSockets(), SystemClock(), Entropy(1), lambda *_: None).probe(check)

    return asyncio.run(story())


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", bytes(9), b"\xff" * 4000])
def test_what_is_no_http2_is_a_failure(data):
    assert answering(data) == Outcome("failed")


def test_an_answer_without_grpc_status_has_the_code_of_its_http_status():
    assert outcome({":status": "200", "grpc-status": "0"}, grpc=True) == Outcome("grpc", 0)
    assert outcome({":status": "200", "grpc-status": ""}, grpc=True) == Outcome("grpc-empty")
    for status, code in {"404": 12, "401": 16, "403": 7, "400": 13, "503": 14, "200": 2, "500": 2}.items():
        assert outcome({":status": status}, grpc=True) == Outcome("grpc", code)
    assert outcome({":status": "204"}, grpc=False) == Outcome("status", 204)
    with pytest.raises(ValueError, match="invalid literal"):
        outcome({":status": "200", "grpc-status": "x"}, grpc=True)

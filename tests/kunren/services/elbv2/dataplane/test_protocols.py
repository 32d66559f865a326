"""HTTP/2, gRPC and WebSocket from client to target, through real Envoy, with clients of their own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged
from h2.settings import SettingCodes

from kunren.services.elbv2.dataplane import listening

TIMEOUT_S = 10


class Calls(grpc.GenericRpcHandler):
    """Byte messages: /t.Echo/Unary, /t.Echo/Count (a stream of n), /t.Echo/Chat (both ways), /t.Echo/Fail, and
    /t.Echo/Wait (a first answer, then none until the call ends, which `ended` tells)."""

    def __init__(self, name):
        self.name, self.seen, self.ended = name.encode(), [], threading.Event()

    def wait(self, _, context):
        context.add_callback(self.ended.set)
        yield b"waiting"
        self.ended.wait(TIMEOUT_S)

    def service(self, call):
        self.seen.append((call.method, dict(call.invocation_metadata)))
        match call.method.rpartition("/")[2]:
            case "Unary":
                return grpc.unary_unary_rpc_method_handler(lambda request, _: self.name + b":" + request)
            case "Count":
                return grpc.unary_stream_rpc_method_handler(
                    lambda request, _: (str(n).encode() for n in range(int(request)))
                )
            case "Chat":
                return grpc.stream_stream_rpc_method_handler(lambda requests, _: (b"<" + each for each in requests))
            case "Wait":
                return grpc.unary_stream_rpc_method_handler(self.wait)
            case "Fail":
                return grpc.unary_unary_rpc_method_handler(
                    lambda _, context: context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")
                )
        return None


@pytest.fixture
def grpc_targets():
    """`start(name)`: (port, its handler) of a gRPC server on loopback."""
    servers = []

    def start(name, credentials=None):
        server = grpc.server(ThreadPoolExecutor(8))
        calls = Calls(name)
        server.add_generic_rpc_handlers((calls,))
        if credentials is not None:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        else:
            port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return port, calls

    yield start
    for each in servers:
        each.stop(None)


def channel(port, root):
    credentials = grpc.ssl_channel_credentials(root)
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, (("grpc.ssl_target_name_override", "web.test"),))


def test_grpc_calls_of_every_kind_reach_targets_and_their_statuses_come_back(kit, run_bench, tls, grpc_targets):
    issued, trusting = tls("web.test")
    root = trusting.root.encode()

    async def story(bench):
        (one, calls), (two, _), port = grpc_targets("one"), grpc_targets("two"), kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("g", 1)))
        group = kit.target_group(
            "g", kit.Target(id="127.0.0.1", port=one), kit.Target(id="127.0.0.1", port=two), protocol_version="GRPC"
        )
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)

        def talk():
            with channel(port, root) as stub:
                unary = stub.unary_unary("/t.Echo/Unary")
                # one connection, and each call goes to the next target
                names = [unary(b"hi", timeout=TIMEOUT_S) for _ in range(6)]
                assert sorted(set(names)) == [b"one:hi", b"two:hi"] and names.count(b"one:hi") == 3
                assert list(stub.unary_stream("/t.Echo/Count")(b"500", timeout=TIMEOUT_S))[-1] == b"499"
                chat = stub.stream_stream("/t.Echo/Chat")(iter([b"a", b"b", b"c"]), timeout=TIMEOUT_S)
                assert list(chat) == [b"<a", b"<b", b"<c"]
                with pytest.raises(grpc.RpcError) as failed:
                    stub.unary_unary("/t.Echo/Fail")(b"", timeout=TIMEOUT_S)
                assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
                assert failed.value.details() == "not today"
                with pytest.raises(grpc.RpcError) as missing:
                    stub.unary_unary("/t.Echo/Nothing")(b"", timeout=TIMEOUT_S)
                assert missing.value.code() is grpc.StatusCode.UNIMPLEMENTED

        await asyncio.to_thread(talk)
        metadata = calls.seen[0][1]
        assert metadata["x-forwarded-for"] == "127.0.0.1" and metadata["x-forwarded-proto"] == "https"
        assert metadata["x-amzn-trace-id"].startswith("Root=1-")

    run_bench(story, kit.environment(certificates=issued))


def test_a_call_that_its_client_cancels_ends_at_the_target(kit, run_bench, tls, grpc_targets):
    issued, trusting = tls("web.test")

    async def story(bench):
        (one, calls), port = grpc_targets("one"), kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("g", 1)))
        group = kit.target_group("g", kit.Target(id="127.0.0.1", port=one), protocol_version="GRPC")
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)

        def cancel():
            with channel(port, trusting.root.encode()) as stub:
                call = stub.unary_stream("/t.Echo/Wait")(b"", timeout=TIMEOUT_S)
                assert next(call) == b"waiting" and not calls.ended.is_set()
                call.cancel()
                return calls.ended.wait(TIMEOUT_S / 2)

        assert await asyncio.to_thread(cancel)

    run_bench(story, kit.environment(certificates=issued))


def test_a_protocol_that_does_not_fit_the_group_gets_464(kit, run_bench, backends, tls, grpc_targets, tmp_path):
    issued, trusting = tls("web.test")
    root = tmp_path / "root.pem"
    root.write_text(trusting.root)

    async def story(bench):
        (target, calls), one, port, plain = grpc_targets("one"), backends("old"), kit.free_port(), kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("old", 1)))
        alone = kit.listener(plain, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("old", 1)))
        to_target = kit.Target(id="127.0.0.1", port=target)
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), alone, kit.default_rule(alone),
            kit.target_group("old", one.target()),
            kit.target_group("g", to_target, protocol_version="GRPC"),
            kit.target_group("h", to_target, protocol_version="HTTP2"),
            kit.rule(on, 1, kit.forward(("g", 1)), kit.condition("path-pattern", "/g*")),
            kit.rule(on, 2, kit.forward(("h", 1)), kit.condition("path-pattern", "/h*")),
            kit.rule(on, 3, kit.fixed(200, "fixed"), kit.condition("path-pattern", "/fixed")),
        )  # fmt: skip

        async def status(path, *options, at=port):
            command = ["curl", "-sS", "-m", "10", "--cacert", str(root), "--connect-to", f"web.test:443:127.0.0.1:{at}",
                       "-o", str(tmp_path / "body"), "-w", "%{http_code}", *options, f"https://web.test{path}"]  # fmt: skip
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
            return done.stdout, done.stderr

        calling = ("-X", "POST", "-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "x")
        assert (await status("/g", "--http1.1"))[0] == "464"
        assert "<title>464</title>" in (tmp_path / "body").read_text()
        assert (await status("/h", "--http1.1"))[0] == "464"
        assert (await status("/g", "--http2"))[0] == "464"
        assert not calls.seen
        assert (await status("/h", "--http2"))[0] != "464"
        assert (await status("/", "--http2"))[0] == "200"
        assert (await status("/", "--http1.1", *calling))[0] == "200"
        assert (await status("/fixed", "--http2", "-H", "content-type: application/grpc"))[0] == "200"
        before = len(one.seen)
        for at in (port, plain):

            def call(at=at):
                with channel(at, trusting.root.encode()) as stub, pytest.raises(grpc.RpcError) as failed:
                    stub.unary_unary("/t.Echo/Unary")(b"", timeout=TIMEOUT_S)
                return failed.value

            assert (await asyncio.to_thread(call)).code() is grpc.StatusCode.UNKNOWN
        assert len(one.seen) == before

    run_bench(story, kit.environment(certificates=issued))


def test_http2_targets_behind_tls_are_spoken_to_in_http2(kit, run_bench, tls, grpc_targets):
    issued, trusting = tls("web.test")
    (material,) = issued.values()
    pair = (material.private_key_pem.encode(), (material.certificate_pem + material.chain_pem).encode())

    async def story(bench):
        (one, _), port = grpc_targets("one", grpc.ssl_server_credentials([pair])), kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("g", 1)))
        target = kit.Target(id="127.0.0.1", port=one)
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.target_group("g", target, protocol_version="GRPC", protocol="HTTPS"),
        )  # fmt: skip

        def talk():
            with channel(port, trusting.root.encode()) as stub:
                return stub.unary_unary("/t.Echo/Unary")(b"hi", timeout=TIMEOUT_S)

        assert await asyncio.to_thread(talk) == b"one:hi"

    run_bench(story, kit.environment(certificates=issued))


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: web.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def websocket_echo():
    """A target that accepts WebSockets and sends every byte back; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(sock):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        key = next(
            each.split(b": ")[1] for each in head.split(b"\r\n") if each.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
            + accept + b"\r\n\r\n"
        )  # fmt: skip
        while data := sock.recv(4096):
            sock.sendall(data)

    def run():
        while True:
            sock, _ = server.accept()
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


def test_websockets_live_as_long_as_something_passes_and_end_with_the_idle_timeout(kit, run_bench, tls):
    issued, trusting = tls("web.test")

    async def story(bench):
        target = kit.Target(id="127.0.0.1", port=websocket_echo())
        plain, secure = kit.free_port(), kit.free_port()
        on = kit.listener(plain, default=kit.forward(("a", 1)))
        over = kit.listener(secure, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(attributes={"idle_timeout.timeout_seconds": "1"}), on, kit.default_rule(on), over,
            kit.default_rule(over), kit.target_group("a", target, attributes={"stickiness.enabled": "true"}),
        )  # fmt: skip

        def talk(port, wrap):
            with wrap(socket.create_connection(("127.0.0.1", port), 5)) as sock:
                sock.sendall(UPGRADE)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += sock.recv(4096)
                assert head.startswith(b"HTTP/1.1 101 ") and b"set-cookie: AWSALB=" in head
                for _ in range(6):  # longer than the idle timeout, and never silent for as long
                    time.sleep(0.25)
                    sock.sendall(b"\x81\x02hi")
                    assert sock.recv(4096) == b"\x81\x02hi"
                began = time.monotonic()
                assert sock.recv(4096) == b""
                return time.monotonic() - began

        both = await asyncio.gather(
            asyncio.to_thread(talk, plain, lambda sock: sock),
            asyncio.to_thread(talk, secure, lambda sock: trusting.wrap_socket(sock, server_hostname="web.test")),
        )
        assert all(0.8 < seconds < 4 for seconds in both), both

    run_bench(story, kit.environment(certificates=issued))


def test_an_http2_connection_is_told_to_go_away_after_its_requests(
    kit, run_bench, backends, tls, tmp_path, monkeypatch
):
    assert listening.REQUESTS_MAX == 10_000
    monkeypatch.setattr(listening, "REQUESTS_MAX", 5)
    issued, trusting = tls("web.test")
    root = tmp_path / "root.pem"
    root.write_text(trusting.root)

    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))
        command = ["curl", "-sS", "-v", "-m", "10", "--http2", "--cacert", str(root), "--connect-to",
                   f"web.test:443:127.0.0.1:{port}", "-w", " %{http_code} %{num_connects}\n",
                   *["https://web.test/"] * 8]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        answers = [line.split() for line in done.stdout.splitlines()]
        assert answers == [["one", "200", connects] for connects in "10000100"], done
        assert "GOAWAY" in done.stderr

    run_bench(story, kit.environment(certificates=issued))


def test_an_http2_client_may_have_128_streams_and_gets_nothing_pushed(kit, run_bench, tls):
    issued, trusting = tls("web.test")
    trusting.set_alpn_protocols(["h2"])

    def settings(port):
        connection = H2Connection(H2Configuration(client_side=True))
        raw = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        with trusting.wrap_socket(raw, server_hostname="web.test") as sock:
            connection.initiate_connection()
            sock.sendall(connection.data_to_send())
            while True:
                for event in connection.receive_data(sock.recv(65536)):
                    if isinstance(event, RemoteSettingsChanged):
                        return {code: each.new_value for code, each in event.changed_settings.items()}

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.fixed(200))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on))
        told = await asyncio.to_thread(settings, port)
        assert told[SettingCodes.MAX_CONCURRENT_STREAMS] == 128
        assert told.get(SettingCodes.ENABLE_PUSH, 0) == 0

    run_bench(story, kit.environment(certificates=issued))

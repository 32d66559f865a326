"""Probes of an endpoint over loopback: what it sees, and what each kind of answer is found to be."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading

import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.stub import Found
from kunren.dataplane.health import endpoint as endpoint_module
from kunren.dataplane.health.endpoint import Endpoint, Finding, is_public, probe
from kunren.world.interface import NoSuchNamespace

SEARCH = b"kunren is up"


class HostSockets:
    async def open_socket(self, namespace, family=socket.AF_INET, type=socket.SOCK_STREAM, *, bind=None):
        if namespace == "none":
            raise NoSuchNamespace(namespace)
        sock = socket.socket(family, type)
        sock.setblocking(False)
        if bind:
            sock.bind(bind)
        return sock


def made(port, **given):
    defaults = {
        "namespace": "checkers", "source": "127.0.0.2", "protocol": "HTTP", "port": port, "interval_s": 30.0,
        "target": "127.0.0.1", "host": "a.test", "path": "/health?x", "user_agent": "tester",
    }  # fmt: skip
    return Endpoint(**{**defaults, **given})


def found_by(port, lookup=None, **given):
    return asyncio.run(probe(HostSockets(), lookup, Entropy(1), made(port, **given)))


def probed(*answers, close=True, tls=None, **given):
    """The finding, and (peer address, request) as the endpoint saw it; `answers` are written one by one."""

    async def story():
        seen = []

        async def serve(reader, writer):
            try:
                seen.append((writer.get_extra_info("peername")[0], await reader.readuntil(b"\r\n\r\n")))
            except asyncio.IncompleteReadError:
                return
            for each in answers:
                writer.write(each)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                writer.close()
            else:
                await reader.read()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        finding = await probe(HostSockets(), None, Entropy(1), made(port, **given))
        server.close()
        return finding, seen

    return asyncio.run(story())


def body(text, head=b"HTTP/1.1 200 OK"):
    return head + b"\r\ncontent-length: " + str(len(text)).encode() + b"\r\n\r\n" + text


def test_a_probe_is_a_get_from_the_checkers_address():
    finding, [(peer, head)] = probed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert finding == Finding("status", 204, "No Content")
    assert peer == "127.0.0.2"
    assert head == (
        b"GET /health?x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nUser-Agent: tester\r\nAccept: */*\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("answers", "finding"),
    [
        ([b"HTTP/1.1 503 Service Temporarily Unavailable\r\n\r\n"], ("status", 503, "Service Temporarily Unavailable")),
        ([b"HTTP/1.0 200\r\n\r\n"], ("status", 200)),
        ([b"HTT", b"P/1.1 2", b"00 O", b"K\r\n", b"\r\n"], ("status", 200, "OK")),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 301 Moved\r\n\r\n"], ("status", 301, "Moved")),
        ([b""], ("closed",)),
        ([b"nonsense\r\n\r\n"], ("malformed",)),
        ([b"HTTP/1.1 abc OK\r\n\r\n"], ("malformed",)),
        ([b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000], ("malformed",)),
    ],
)
def test_answers_are_found_to_be_what_they_are(answers, finding):
    assert probed(*answers)[0] == Finding(*finding)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([body(b"so: kunren is up!")], "status"),
        ([body(b"x" * (5120 - len(SEARCH)) + SEARCH)], "status"),
        ([body(b"x" * (5121 - len(SEARCH)) + SEARCH)], "unmatched"),
        ([body(b"Kunren Is Up")], "unmatched"),
        ([b"HTTP/1.1 200 OK\r\n\r\nkunren ", b"is up"], "status"),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"6\r\nkunren\r\n", b"6\r\n is up\r\n0\r\n\r\n"],
            "status",
        ),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], "unmatched"),
    ],
)
def test_a_string_is_searched_in_the_first_5120_bytes_of_the_body(answers, kind):
    assert probed(*answers, search=SEARCH)[0] == Finding(kind, 200, "OK")


def test_a_bad_status_is_told_before_the_body_is_searched():
    assert probed(body(SEARCH, b"HTTP/1.1 404 Not Found"), search=SEARCH)[0] == Finding("status", 404, "Not Found")


def test_silence_at_each_step_is_found(monkeypatch):
    monkeypatch.setattr(endpoint_module, "STATUS_S", 0.05)
    monkeypatch.setattr(endpoint_module, "BODY_S", 0.05)
    assert probed(close=False)[0] == Finding("silent")
    assert probed(b"HTTP/1.1 200 OK\r\n\r\n", close=False, search=SEARCH)[0] == Finding("silent")


def test_a_listener_that_accepts_nobody_times_out(monkeypatch):
    monkeypatch.setattr(endpoint_module, "TCP_CONNECT_S", 0.05)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        assert found_by(port, protocol="TCP") == Finding("timeout")
        for each in waiting:
            each.close()


def test_connections_are_made_or_refused_and_what_could_not_be_tried_is_nothing():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert found_by(port, protocol="TCP") == Finding("connected")
    assert found_by(port, protocol="TCP") == Finding("refused")
    assert found_by(port) == Finding("refused")
    assert found_by(port, namespace="none") is None
    assert found_by(port, source="192.0.2.1") is None


def test_names_are_looked_up_and_private_addresses_are_not_visited():
    def answering(*found):
        async def lookup(endpoint):
            assert (endpoint.namespace, endpoint.name, endpoint.resolver) == ("checkers", "a.test", "198.18.0.2")
            return Found(*found)

        return lookup

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        by_name = {"target": None, "name": "a.test", "protocol": "TCP"}
        assert found_by(port, answering(0, ("127.0.0.1",)), **by_name) == Finding("forbidden", resolved="127.0.0.1")
        assert found_by(port, answering(0, ("172.31.0.9",)), **by_name) == Finding("forbidden", resolved="172.31.0.9")
        private = found_by(port, answering(0, ("127.0.0.1",)), private=True, **by_name)
        assert private == Finding("connected", resolved="127.0.0.1")
        assert found_by(port, answering(3), **by_name) == Finding("unresolved", 3)
        assert found_by(port, answering(0), **by_name) == Finding("unresolved", 0)
        assert found_by(port, answering(None), **by_name) == Finding("unresolved", -1)


def test_public_are_this_worlds_addresses_and_global_ones():
    assert all(map(is_public, ("198.18.64.10", "198.19.255.1", "203.0.114.1", "2600:9000::1")))
    for each in ("10.0.0.1", "192.0.2.1", "100.64.0.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "::1"):
        assert not is_public(each)


def server_context(tmp_path):
    return CertificateAuthority.open(tmp_path, SystemClock()).server_context("elsewhere.test")


def test_any_certificate_will_do_and_the_name_is_told_only_if_asked(tmp_path):
    names = []
    context = server_context(tmp_path)
    context.sni_callback = lambda connection, name, _: names.append(name)
    assert probed(body(b""), tls=context, protocol="HTTPS", server_name="a.test")[0] == Finding("status", 200, "OK")
    assert probed(body(b""), tls=context, protocol="HTTPS")[0] == Finding("status", 200, "OK")
    assert names == ["a.test", None]


def blocking_server(serve):
    """A server of one thread (asyncio's closes before the alert is out); its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run():
        with server:
            server.settimeout(30)
            while True:
                try:
                    connection, _ = server.accept()
                    with connection:
                        serve(connection)
                except OSError:
                    if server.fileno() < 0:
                        return

    threading.Thread(target=run, daemon=True).start()
    return server, server.getsockname()[1]


def test_a_handshake_that_fails_by_the_name_is_tried_without_and_the_alert_is_told(tmp_path):
    context = server_context(tmp_path)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(body(b""))

    server, port = blocking_server(serve)
    context.sni_callback = lambda _, name, __: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name else None
    assert found_by(port, protocol="HTTPS", server_name="a.test") == Finding("status", 200, "OK")
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
    assert found_by(port, protocol="HTTPS") == Finding("tls", phrase="handshake_failure")
    server.close()


def test_an_endpoint_without_tls_is_found_to_have_none():
    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server, port = blocking_server(serve)
    assert found_by(port, protocol="HTTPS") == Finding("tls")
    server.close()

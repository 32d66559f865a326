"""Listeners through real Envoy: certificates by SNI, HTTP/2, WebSocket, attributes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess

import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.services.elbv2.dataplane import balancer


@pytest.fixture
def authority(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


def served_name(authority, port, name, alpn=("http/1.1",)):
    """The DNS names of the certificate that a client with that SNI gets, and the protocol chosen."""
    context = ssl.create_default_context(cadata=authority.ca_pem)
    context.check_hostname = False
    context.set_alpn_protocols(list(alpn))
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname=name) as sock,
    ):
        names = [value for kind, value in sock.getpeercert()["subjectAltName"] if kind == "DNS"]
        return names, sock.selected_alpn_protocol(), sock.version()


def test_the_last_bytes_of_a_connection_have_more_time_than_a_busy_machine_takes(kit):
    """Envoy drops what it has not written when `delayed_close_timeout` is over, also when it was itself that waited."""
    for listener in balancer.typical(kit.environment()).listeners.values():
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        assert float(manager["delayed_close_timeout"].rstrip("s")) >= 1.0


def test_three_certificates_are_chosen_by_name_and_the_default_for_others(kit, run_bench, authority):
    issued = {
        "arn:aws:acm:us-east-1:000000000000:certificate/one": authority.issue(["one.test", "www.one.test"]),
        "arn:aws:acm:us-east-1:000000000000:certificate/two": authority.issue(["*.two.test"], key_type="RSA_2048"),
        "arn:aws:acm:us-east-1:000000000000:certificate/three": authority.issue(["three.test"]),
    }
    one, two, three = issued

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=(one, two, three), default=kit.redirect(Host="x.test"))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on))

        async def names(name):
            return (await asyncio.to_thread(served_name, authority, port, name))[0]

        assert await names("one.test") == ["one.test", "www.one.test"]
        assert await names("a.two.test") == ["*.two.test"]
        assert await names("three.test") == ["three.test"]
        assert await names("unknown.test") == ["one.test", "www.one.test"]
        trusting = ssl.create_default_context(cadata=authority.ca_pem)
        got = await bench.get(port, "/a?b=c", tls=trusting, name="three.test")
        assert got.header("location") == f"https://x.test:{port}/a?b=c"
        renewed = authority.issue(["renewed.test"])
        issued[one] = renewed
        await bench.apply()
        assert await names("unknown.test") == ["renewed.test"]

    run_bench(story, kit.environment(certificates=issued))


def test_a_listener_whose_certificate_is_gone_is_left_out_and_told(kit):
    store = kit.new_store()
    on = kit.listener(443, protocol="HTTPS", certificates=("arn:gone",))
    balancer = kit.load_balancer()
    kit.put(store, balancer, on, kit.default_rule(on))
    made = kit.resources(store.snapshot(), balancer, kit.environment())
    assert dict(made.resources.listeners) == {}
    assert made.problems == ("listener 443: its default certificate has no material",)


def test_security_policies_and_the_http2_attribute_decide_the_handshake(kit, run_bench, authority):
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/one"
    issued = {arn: authority.issue(["one.test"])}

    async def story(bench):
        port = kit.free_port()

        async def handshake():
            found = await asyncio.to_thread(served_name, authority, port, "one.test", ("h2", "http/1.1"))
            return found[1:]

        on = kit.listener(port, protocol="HTTPS", certificates=(arn,))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on))
        assert await handshake() == ("h2", "TLSv1.2")  # ELBSecurityPolicy-2016-08
        modern = kit.listener(
            port, protocol="HTTPS", certificates=(arn,), ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06"
        )
        await bench.apply(modern, kit.load_balancer(attributes={"routing.http2.enabled": "false"}))
        assert await handshake() == ("http/1.1", "TLSv1.3")

    run_bench(story, kit.environment(certificates=issued))


def test_http2_requests_reach_http1_targets(kit, run_bench, authority, backends, tmp_path):
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/one"
    issued = {arn: authority.issue(["one.test"])}
    root = tmp_path / "root.pem"
    root.write_text(authority.ca_pem)

    async def story(bench):
        one = backends("one")
        port = kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=(arn,), default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))
        command = ["curl", "-sS", "--http2", "--cacert", str(root), "--connect-to", f"one.test:443:127.0.0.1:{port}",
                   "-w", " %{http_version}", "https://one.test/x"]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20)
        assert done.stdout == "one 2", done.stderr
        got = dict(one.seen[-1][2])
        assert (got["x-forwarded-proto"], got["x-forwarded-for"]) == ("https", "127.0.0.1")

    run_bench(story, kit.environment(certificates=issued))


def test_listener_attributes_add_headers_to_every_answer(kit, run_bench, backends):
    async def story(bench):
        one = backends("one")
        port = kit.free_port()
        attributes = {
            "routing.http.response.strict_transport_security.header_value": "max-age=1; x=100%",
            "routing.http.response.server.enabled": "false",
        }
        on = kit.listener(port, default=kit.forward(("a", 1)), attributes=attributes)
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()),
            kit.rule(on, 1, kit.fixed(200, "own"), kit.condition("path-pattern", "/own")),
        )  # fmt: skip
        for path in ("/", "/own"):
            got = await bench.get(port, path)
            assert got.header("strict-transport-security") == "max-age=1; x=100%"
            assert got.header("server") is None

    run_bench(story)


def test_lambda_groups_go_to_the_bridge_with_their_arn(kit, run_bench, socket_dir):
    bridge = str(socket_dir / "bridge.sock")

    async def story(bench):
        heads = []

        async def serve(reader, writer):
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfunc")
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(serve, bridge)
        port = kit.free_port()
        function = kit.Target(id="arn:aws:lambda:us-east-1:000000000000:function:f")
        on = kit.listener(port, default=kit.forward(("f", 1)))
        group = kit.target_group("f", function, target_type="lambda", port=None, protocol=None, vpc_id=None)
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)
        got = await bench.get(port, "/x?y", headers={"x-kunren-target-group": "forged"})
        assert (got.status, got.text) == (200, "func")
        assert heads[0].startswith("GET /x?y HTTP/1.1\r\n")
        assert f"\r\nx-kunren-target-group: {kit.group_arn('f')}\r\n" in heads[0]
        assert "forged" not in heads[0]
        await bench.apply(kit.target_group("f", target_type="lambda", port=None, protocol=None, vpc_id=None))
        assert (await bench.get(port)).status == 503
        server.close()

    run_bench(story, kit.environment(bridge=bridge))

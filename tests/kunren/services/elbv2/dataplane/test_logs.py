"""Lines of access and connection logs, from what real Envoy reports."""

from __future__ import annotations

import asyncio
import re
import shlex
import socket
import ssl

import msgspec
import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.dataplane.runtime.elb_event import error_page, render
from kunren.services.elbv2.logs.lines import Context, Served, access_line, connection_line
from kunren.services.elbv2.model import TrustStore

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/one"
STORE = "arn:aws:elasticloadbalancing:us-east-1:000000000000:truststore/clients/0123456789abcdef"
ACCESS = {"access_logs.s3.enabled": "true"}
CONNECTIONS = {"connection_logs.s3.enabled": "true"}
FIELDS = [
    "type",
    "time",
    "elb",
    "client",
    "target",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group_arn",
    "trace_id",
    "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
    "redirect_url",
    "error_reason",
    "target_list",
    "target_status_list",
    "classification",
    "classification_reason",
    "conn_trace_id",
    "transformed_host",
    "transformed_uri",
    "request_transform_status",
]
CONNECTION_FIELDS = [
    "timestamp",
    "client_ip",
    "client_port",
    "listener_port",
    "tls_protocol",
    "tls_cipher",
    "tls_handshake_latency",
    "leaf_client_cert_subject",
    "leaf_client_cert_validity",
    "leaf_client_cert_serial_number",
    "tls_verify_status",
    "conn_trace_id",
    "tls_keyexchange",
]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def authority(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


def context(port, protocol="HTTP"):
    return Context(
        balancer="app/web/0123456789abcdef",
        dns_name="web-1.us-east-1.elb.amazonaws.com",
        protocol=protocol,
        port=port,
        groups="arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/",
        aws=lambda seconds: seconds,
        salt="s",
        new_trace=lambda _: "Root=1-00000000-000000000000000000000000",
        certificates=(Served(CERTIFICATE, ("web.test",), True),),
    )


class Log:
    """The lines so far, as dicts."""

    def __init__(self, bench, where, render=access_line, fields=FIELDS):
        self.lines, self._context, self._render, self._fields = [], where, render, fields
        bench.control.access_log.subscribe("elbv2/", self._take)

    def _take(self, name, entries):
        for entry in entries:
            words = shlex.split(self._render(entry, self._context))
            assert len(words) == len(self._fields), words
            self.lines.append(dict(zip(self._fields, words, strict=True)))

    async def next(self):
        async with asyncio.timeout(5):
            while not self.lines:
                await asyncio.sleep(0.02)
        return self.lines.pop(0)


def test_every_kind_of_request_has_its_line(kit, run_bench, backends):
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("one", 1)))
        rules = [
            kit.rule(on, 10, kit.fixed(404, "fixed"), kit.condition("path-pattern", "/fixed")),
            kit.rule(on, 20, kit.redirect(Host="x.test"), kit.condition("path-pattern", "/redirect")),
            kit.rule(on, 30, kit.forward(("none", 1)), kit.condition("path-pattern", "/none")),
        ]
        log = Log(bench, context(port))
        await bench.apply(
            kit.load_balancer(attributes=ACCESS), on, kit.default_rule(on), *rules, group, kit.target_group("none"),
            kit.seen(group, group.targets[0], "healthy"),
        )  # fmt: skip
        agent = {"User-Agent": 'curl/7 "quoted"', "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678"}
        await bench.get(port, "/a?b=c", headers=agent)
        line = await log.next()
        assert {key: line[key] for key in ("type", "elb", "target", "elb_status_code", "target_status_code")} == {
            "type": "http", "elb": "app/web/0123456789abcdef", "target": f"127.0.0.1:{target.port}",
            "elb_status_code": "200", "target_status_code": "200",
        }  # fmt: skip
        assert line["request"] == f"GET http://web.test:{port}/a?b=c HTTP/1.1"
        assert line["user_agent"] == "curl/7 \\x22quoted\\x22"
        assert re.fullmatch(r"127\.0\.0\.1:\d+", line["client"])
        assert INSTANT.fullmatch(line["time"]) and INSTANT.fullmatch(line["request_creation_time"])
        times = [line[f"{each}_processing_time"] for each in ("request", "target", "response")]
        assert all(re.fullmatch(r"0\.\d{3}", each) for each in times), times
        assert int(line["received_bytes"]) > 60 and int(line["sent_bytes"]) > 3
        assert (line["ssl_cipher"], line["ssl_protocol"], line["domain_name"]) == ("-", "-", "-")
        assert line["target_group_arn"] == group.id
        assert re.fullmatch(
            r"Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678", line["trace_id"]
        )
        assert (line["matched_rule_priority"], line["actions_executed"]) == ("0", "forward")
        assert (line["target_list"], line["target_status_list"]) == (line["target"], "200")
        assert re.fullmatch(r"TID_[0-9a-f]{32}", line["conn_trace_id"])
        rest = "redirect_url error_reason classification classification_reason transformed_host transformed_uri"
        assert {line[each] for each in rest.split()} == {"-"}

        rewrites = [{"Regex": "^/v1/(.*)", "Replace": "/v2/$1"}]
        rule = kit.rule(on, 40, kit.forward(("one", 1)), kit.condition("path-pattern", "/v1/*"))
        transform = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": rewrites}}
        await bench.apply(msgspec.structs.replace(rule, transforms=(transform,)))
        await bench.get(port, "/v1/a")
        line = await log.next()
        assert (line["request"], line["transformed_host"]) == (f"GET http://web.test:{port}/v1/a HTTP/1.1", "-")
        assert (line["transformed_uri"], line["request_transform_status"]) == ("/v2/a", "TransformSuccess")

        await bench.get(port, "/redirect")
        line = await log.next()
        assert (line["elb_status_code"], line["target_status_code"], line["actions_executed"]) == (
            "301",
            "-",
            "redirect",
        )
        assert line["redirect_url"] == f"http://x.test:{port}/redirect"
        assert line["matched_rule_priority"] == "20"
        assert line["target"] == line["target_group_arn"] == "-"
        assert [line[f"{each}_processing_time"] for each in ("request", "target", "response")] == ["-1"] * 3
        await bench.get(port, "/fixed")
        line = await log.next()
        assert (line["elb_status_code"], line["actions_executed"]) == ("404", "fixed-response")
        assert (line["target_status_code"], line["trace_id"][:7]) == ("-", "Root=1-")

        await bench.get(port, "/none")
        line = await log.next()
        assert (line["elb_status_code"], line["target_status_code"], line["target"]) == ("503", "-", "-")
        await bench.get(port, "/reset")
        line = await log.next()
        assert (line["elb_status_code"], line["target_status_code"]) == ("502", "-")
        await bench.get(port, "/status/418")
        assert (await log.next())["target_status_code"] == "418"

        await bench.get(port, "/redirect", method="TRACE")  # refused before any rule
        line = await log.next()
        assert (line["elb_status_code"], line["matched_rule_priority"]) == ("405", "-")
        assert (line["actions_executed"], line["redirect_url"]) == ("-", "-")

        # a client that leaves before the target has answered
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.sendall(b"GET /slow HTTP/1.1\r\nHost: web.test\r\n\r\n")
            await asyncio.to_thread(target.server.entered.wait, 5)
        line = await log.next()
        assert (line["elb_status_code"], line["target_status_code"]) == ("460", "-")
        await asyncio.to_thread(kit.raw, port, b"\x00 nothing like HTTP\r\n\r\n")
        line = await log.next()
        assert line["elb_status_code"] == "400"
        assert line["request"] == f"- http://web-1.us-east-1.elb.amazonaws.com:{port}- -"

        # without logs nobody hears of anything
        await bench.apply(kit.load_balancer())
        await bench.get(port, "/fixed")
        await asyncio.sleep(0.4)
        assert log.lines == []

    run_bench(story)


def test_secure_requests_tell_of_the_handshake_and_the_certificate(kit, run_bench, authority):
    issued = {CERTIFICATE: authority.issue(["web.test"])}

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=(CERTIFICATE,), default=kit.fixed(200))
        log = Log(bench, context(port, "HTTPS"))
        await bench.apply(kit.load_balancer(attributes=ACCESS), on, kit.default_rule(on))
        await bench.get(port, tls=ssl.create_default_context(cadata=authority.ca_pem))
        line = await log.next()
        assert (line["type"], line["ssl_protocol"]) == ("https", "TLSv1.2")
        assert line["ssl_cipher"] == "ECDHE-ECDSA-AES128-GCM-SHA256"
        assert (line["domain_name"], line["chosen_cert_arn"]) == ("web.test", CERTIFICATE)
        assert line["request"] == f"GET https://web.test:{port}/ HTTP/1.1"

    run_bench(story, kit.environment(certificates=issued))


def test_connections_tell_of_the_clients_certificate_and_why_it_was_refused(
    kit, run_bench, authority, tmp_path, client_authority
):
    issued = {CERTIFICATE: authority.issue(["web.test"])}
    clients, strangers = client_authority("Clients CA"), client_authority("Strangers CA")

    def tls(certificate):
        context = ssl.create_default_context(cadata=authority.ca_pem)
        if certificate:
            path = tmp_path / "client.pem"
            path.write_text("".join(certificate))
            context.load_cert_chain(path)
        return context

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(
            port, protocol="HTTPS", certificates=(CERTIFICATE,), default=kit.fixed(200),
            mutual_authentication={"Mode": "verify", "TrustStoreArn": STORE},
        )  # fmt: skip
        store = TrustStore(id=STORE, name="clients", bundle=clients.pem, certificates=1, **kit.SCOPE)
        log = Log(bench, context(port, "HTTPS"), connection_line, CONNECTION_FIELDS)
        await bench.apply(kit.load_balancer(attributes=CONNECTIONS), store, on, kit.default_rule(on))

        async def line_of(certificate):
            try:
                await bench.get(port, tls=tls(certificate))
            except (ssl.SSLError, ConnectionError):
                pass
            return await log.next()

        line = await line_of(clients.client("alice", 0x03A5B1))
        assert INSTANT.fullmatch(line["timestamp"])
        assert (line["client_ip"], line["listener_port"]) == ("127.0.0.1", str(port))
        assert (line["tls_protocol"], line["tls_cipher"]) == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
        assert re.fullmatch(r"\d+\.000", line["tls_handshake_latency"])
        assert line["leaf_client_cert_subject"] == "CN=alice"
        assert line["leaf_client_cert_serial_number"] == "03A5B1"
        validity = r"NotBefore=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ;NotAfter=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        assert re.fullmatch(validity, line["leaf_client_cert_validity"])
        assert (line["tls_verify_status"], line["tls_keyexchange"]) == ("Success", "X25519")
        assert re.fullmatch(r"TID_[0-9a-f]{32}", line["conn_trace_id"])
        late = await line_of(clients.client("late", 8, first=-30, last=-1))
        assert late["tls_verify_status"] == "Failed:ClientCertExpired"
        early = await line_of(clients.client("early", 9, first=3))
        assert early["tls_verify_status"] == "Failed:ClientCertNotYetValid"
        stranger = await line_of(strangers.client("mallory", 7))
        assert stranger["tls_verify_status"] == "Failed:ClientCertUntrusted"
        nobody = await line_of(None)
        assert nobody["tls_verify_status"] == "Failed:UnmappedConnectionError"
        assert nobody["leaf_client_cert_subject"] == "-"

    run_bench(story, kit.environment(certificates=issued))


def test_a_function_that_does_not_answer_has_its_reason_in_the_log_and_not_in_the_answer(kit, run_bench, socket_dir):
    bridge = str(socket_dir / "bridge.sock")
    answers = [render(error_page(502, "LambdaUnhandled"), head=False, close=True)]
    answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    async def story(bench):
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers.pop(0))
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(serve, bridge)
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("f", 1)))
        function = kit.Target(id="arn:aws:lambda:us-east-1:000000000000:function:f")
        group = kit.target_group("f", function, target_type="lambda", port=None, protocol=None, vpc_id=None)
        log = Log(bench, context(port))
        await bench.apply(kit.load_balancer(attributes=ACCESS), on, kit.default_rule(on), group)
        failed = await bench.get(port)
        assert (failed.status, failed.header("x-kunren-error")) == (502, None)
        line = await log.next()
        assert (line["error_reason"], line["elb_status_code"], line["target_status_code"]) == (
            "LambdaUnhandled",
            "502",
            "-",
        )
        assert line["target_group_arn"] == group.id
        assert (await bench.get(port)).text == "ok"
        line = await log.next()
        assert (line["error_reason"], line["target_status_code"]) == ("-", "200")
        server.close()

    run_bench(story, kit.environment(bridge=bridge))

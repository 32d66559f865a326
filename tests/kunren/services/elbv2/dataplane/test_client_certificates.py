"""Mutual TLS through real Envoy, seen by openssl, Python's ssl, and a target."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from dataclasses import replace
from urllib.parse import unquote

import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.services.elbv2.model import TrustStore, TrustStoreRevocation

SERVER = "arn:aws:acm:us-east-1:000000000000:certificate/one"
STORE = "arn:aws:elasticloadbalancing:us-east-1:000000000000:truststore/clients/0123456789abcdef"
REFUSED = (ssl.SSLError, ConnectionError, EOFError)


@pytest.fixture
def server(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


@pytest.fixture
def issued(server):
    return {SERVER: server.issue(["web.test"])}


def trust_store(kit, *authorities):
    bundle = "".join(each.pem for each in authorities)
    return TrustStore(id=STORE, name="clients", bundle=bundle, certificates=len(authorities), **kit.SCOPE)


def revocation(kit, number, pem):
    return TrustStoreRevocation(
        id=f"{STORE}|{number}", trust_store_arn=STORE, number=number, entries=1, content=pem, pem=pem.decode(),
        **kit.SCOPE,
    )  # fmt: skip


def verify(**given):
    return {"Mode": "verify", "TrustStoreArn": STORE, "IgnoreClientCertificateExpiry": False, **given}


def client(server, folder, certificate=None):
    """A client's TLS settings, with a certificate and key where it has one."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    if certificate is not None:
        path = folder / f"{abs(hash(certificate[0]))}.pem"
        path.write_text("".join(certificate))
        context.load_cert_chain(path)
    return context


def advertised(port, folder):
    """What openssl reports of the names of acceptable certificate authorities."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "web.test"],
        input="", capture_output=True, text=True, check=False, timeout=10,
    )  # fmt: skip
    return done.stdout


def test_verified_clients_are_let_in_and_told_to_the_target(
    kit, run_bench, server, issued, backends, tmp_path, client_authority
):
    clients, strangers = client_authority("Clients CA"), client_authority("Strangers CA")
    alice = clients.client("alice", 0x03A5B1)
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(
            port, protocol="HTTPS", certificates=(SERVER,), default=kit.forward(("one", 1)),
            mutual_authentication=verify(),
            attributes={"routing.http.request.x_amzn_mtls_clientcert_subject.header_name": "X-Client-Name"},
        )  # fmt: skip
        await bench.apply(
            kit.load_balancer(), trust_store(kit, clients), on, kit.default_rule(on), group,
            kit.seen(group, group.targets[0], "healthy"),
        )  # fmt: skip
        spoofed = {"X-Amzn-Mtls-Clientcert-Issuer": "CN=nobody"}
        got = await bench.get(port, tls=client(server, tmp_path, alice), headers=spoofed)
        assert got.text == "one"
        headers = dict(target.seen[-1][2])
        assert headers["x-amzn-mtls-clientcert-serial-number"] == "03A5B1"
        assert headers["x-amzn-mtls-clientcert-issuer"] == "O=mTLS,CN=Clients CA"
        assert headers["x-client-name"] == "CN=alice"
        assert "x-amzn-mtls-clientcert-subject" not in headers
        begin, _, end = headers["x-amzn-mtls-clientcert-validity"].partition(";")
        assert begin.startswith("NotBefore=20") and begin.endswith("Z") and len(begin) == len("NotBefore=") + 20
        assert end.startswith("NotAfter=20") and end.endswith("Z")
        leaf = headers["x-amzn-mtls-clientcert-leaf"]
        assert unquote(leaf) == alice[0]
        assert "%2B" not in leaf and "%2F" not in leaf and "%3D" not in leaf and " " not in leaf

        for refused in (
            None,
            strangers.client("mallory", 7),
            clients.client("late", 8, first=-30, last=-1),
            clients.client("early", 9, first=3),
        ):
            with pytest.raises(REFUSED):
                await bench.get(port, tls=client(server, tmp_path, refused))
        assert len(target.seen) == 1

        await bench.apply(
            kit.listener(
                port, protocol="HTTPS", certificates=(SERVER,), default=kit.forward(("one", 1)),
                mutual_authentication=verify(IgnoreClientCertificateExpiry=True),
            )
        )  # fmt: skip
        late = clients.client("late", 8, first=-30, last=-1)
        assert (await bench.get(port, tls=client(server, tmp_path, late))).status == 200

    run_bench(story, kit.environment(certificates=issued))


def test_revoked_certificates_are_refused_whether_or_not_every_authority_has_a_list(
    kit, run_bench, server, issued, tmp_path, client_authority
):
    first, second = client_authority("First CA"), client_authority("Second CA")
    good, bad, other = first.client("good", 0x10), first.client("bad", 0xABCDEF), second.client("other", 0xABCDEF)

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(
            port, protocol="HTTPS", certificates=(SERVER,), default=kit.fixed(200, "in"),
            mutual_authentication=verify(),
        )  # fmt: skip
        await bench.apply(kit.load_balancer(), trust_store(kit, first), on, kit.default_rule(on))

        async def allowed(certificate):
            try:
                return (await bench.get(port, tls=client(server, tmp_path, certificate))).text == "in"
            except REFUSED as error:
                return str(error)

        assert await allowed(bad) is True
        await bench.apply(revocation(kit, 1, first.revoked(0xABCDEF)))
        assert await allowed(good) is True
        assert "REVOKED" in (await allowed(bad)).upper()
        # a second authority without a list: the same refusal, and its own certificates are as good as before
        await bench.apply(trust_store(kit, first, second))
        assert await allowed(good) is True
        assert await allowed(bad) is not True
        assert await allowed(other) is True
        # a list that is over still revokes what it names, and nothing else
        await bench.apply(trust_store(kit, first), revocation(kit, 1, first.revoked(0xABCDEF, days=-1)))
        assert await allowed(good) is True
        assert await allowed(bad) is not True

    environment = kit.environment(certificates=issued)
    run_bench(story, replace(environment, wall=SystemClock().wall))


def test_names_of_authorities_are_advertised_only_when_asked_for(
    kit, run_bench, server, issued, tmp_path, client_authority
):
    clients = client_authority("Clients CA")

    async def story(bench):
        port = kit.free_port()
        for switch, expected in (("off", False), ("on", True)):
            on = kit.listener(
                port, protocol="HTTPS", certificates=(SERVER,), default=kit.fixed(200),
                mutual_authentication=verify(AdvertiseTrustStoreCaNames=switch),
            )  # fmt: skip
            await bench.apply(kit.load_balancer(), trust_store(kit, clients), on, kit.default_rule(on))
            said = await asyncio.to_thread(advertised, port, tmp_path)
            assert ("Clients CA" in said.partition("Server certificate")[2]) == expected, said

    run_bench(story, kit.environment(certificates=issued))


def test_passthrough_hands_on_whatever_chain_the_client_shows(
    kit, run_bench, server, issued, backends, tmp_path, client_authority
):
    strangers = client_authority("Strangers CA")
    mallory, key = strangers.client("mallory", 7, first=-30, last=-1)
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(
            port, protocol="HTTPS", certificates=(SERVER,), default=kit.forward(("one", 1)),
            mutual_authentication={"Mode": "passthrough"},
        )  # fmt: skip
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), group, kit.seen(group, group.targets[0], "healthy")
        )
        context = client(server, tmp_path, (mallory, strangers.pem, key))
        assert (await bench.get(port, tls=context)).status == 200
        assert unquote(dict(target.seen[-1][2])["x-amzn-mtls-clientcert"]) == mallory + strangers.pem
        spoofed = {"X-Amzn-Mtls-Clientcert": "me"}
        assert (await bench.get(port, tls=client(server, tmp_path), headers=spoofed)).status == 200
        assert "x-amzn-mtls-clientcert" not in dict(target.seen[-1][2])

    run_bench(story, kit.environment(certificates=issued))


def test_chains_are_followed_to_a_root_at_depth_four_and_no_further(
    kit, run_bench, server, issued, tmp_path, client_authority
):
    line = [client_authority("Root")]
    for number in range(1, 5):
        line.append(client_authority(f"Under {number}", signer=line[-1]))

    def chained(between):
        """A client's certificate under so many authorities between it and the root, which it shows along with it."""
        certificate, key = line[between].client("alice", 7)
        return certificate + "".join(each.pem for each in reversed(line[1 : between + 1])), key

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(
            port, protocol="HTTPS", certificates=(SERVER,), default=kit.fixed(200), mutual_authentication=verify()
        )
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), trust_store(kit, line[0]))
        for between in (0, 1, 3):
            assert (await bench.get(port, tls=client(server, tmp_path, chained(between)))).status == 200, between
        with pytest.raises(REFUSED):
            await bench.get(port, tls=client(server, tmp_path, chained(4)))

    run_bench(story, kit.environment(certificates=issued))

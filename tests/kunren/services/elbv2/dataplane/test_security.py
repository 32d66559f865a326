"""Security policies and certificates, seen by OpenSSL (Python's ssl, openssl s_client, curl) through real Envoy."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.services.elbv2.dataplane.security import CIPHERS
from kunren.services.elbv2.ssl_policies import POLICIES

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/"
EC, RSA = CERTIFICATE + "ec", CERTIFICATE + "rsa"
VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
CHACHA = "TLS_CHACHA20_POLY1305_SHA256"


@pytest.fixture
def authority(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


def connects(port, version, cipher=None):
    """The cipher that OpenSSL gets with just this version (and cipher below TLS 1.3); None where it gets none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{cipher or 'ALL'}:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the versions are old is the point
        context.minimum_version = context.maximum_version = VERSIONS[version]
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 60) as plain,  # a busy machine is no refusal
            context.wrap_socket(plain, server_hostname="web.test") as sock,
        ):
            return sock.cipher()[0]
    except TimeoutError:
        raise
    except OSError:
        return None


def openssl_knows(cipher):
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(f"{cipher}:@SECLEVEL=0")
    except ssl.SSLError:
        return False
    return True


def test_each_policy_takes_its_versions_and_ciphers_and_no_others(kit, run_bench, authority):
    issued = {EC: authority.issue(["web.test"]), RSA: authority.issue(["web.test"], key_type="RSA_2048")}
    tried = [each for each in sorted(CIPHERS) if openssl_knows(each)]
    assert len(tried) >= 14
    newest = {name: [each for each in policy.protocols if each != "TLSv1.3"][-1:] for name, policy in POLICIES.items()}

    async def story(bench):
        on = {
            name: kit.listener(
                kit.free_port(), protocol="HTTPS", certificates=(EC, RSA), ssl_policy=name, default=kit.fixed(200)
            )
            for name in POLICIES
        }
        await bench.apply(kit.load_balancer(), *on.values(), *(kit.default_rule(each) for each in on.values()))

        def curl(port):
            command = ["curl", "-sk", "--tls13-ciphers", CHACHA, "--tlsv1.3", f"https://127.0.0.1:{port}/"]
            return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0

        def wrong(name):
            policy, port = POLICIES[name], on[name].port
            versions = [
                version
                for version in VERSIONS
                if (connects(port, version) is not None) != (version in policy.protocols)
            ]
            ciphers = [
                cipher
                for cipher in tried
                if connects(port, (newest[name] or ["TLSv1.2"])[0], cipher)
                != (cipher if cipher in policy.ciphers else None)
            ]
            chacha = "TLSv1.3" in policy.protocols and curl(port) != (CHACHA in policy.ciphers)
            return [(name, each) for each in (*versions, *ciphers, *([CHACHA] if chacha else ()))]

        with ThreadPoolExecutor(4) as threads:
            checked = await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(threads, wrong, each) for each in POLICIES)
            )
        assert [each for found in checked for each in found] == []

    run_bench(story, kit.environment(certificates=issued))


def test_groups_of_key_exchange_are_those_of_the_policy(kit, run_bench, authority):
    issued = {EC: authority.issue(["web.test"])}

    async def story(bench):
        plain, fips = (
            kit.listener(kit.free_port(), protocol="HTTPS", certificates=(EC,), ssl_policy=f"ELBSecurityPolicy-{each}")
            for each in ("TLS13-1-2-2021-06", "TLS13-1-2-FIPS-2023-04")
        )
        await bench.apply(kit.load_balancer(), plain, fips, kit.default_rule(plain), kit.default_rule(fips))

        async def agreed(on, group):
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{on.port}", "-groups", group, "-brief"]
            done = await asyncio.to_thread(
                subprocess.run, command, input="", capture_output=True, text=True, timeout=10, check=False
            )
            return "CONNECTION ESTABLISHED" in done.stderr

        assert await agreed(plain, "X25519") is True
        assert await agreed(plain, "P-384") is True
        assert await agreed(fips, "X25519") is False
        assert await agreed(fips, "P-384") is True

    run_bench(story, kit.environment(certificates=issued))


def test_the_best_certificate_of_a_name_is_served_and_the_default_for_no_name(kit, run_bench, authority):
    other, wild = CERTIFICATE + "other", CERTIFICATE + "wild"
    issued = {
        other: authority.issue(["other.test"], key_type="RSA_2048"),
        RSA: authority.issue(["web.test"], key_type="RSA_2048"),
        EC: authority.issue(["web.test"]),
        wild: authority.issue(["*.web.test"]),
    }

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on))

        def served(name, ciphers="ALL"):
            context = ssl.create_default_context(cadata=authority.ca_pem)
            context.check_hostname = False
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
            with (
                socket.create_connection(("127.0.0.1", port), 60) as plain,  # a busy machine is no refusal
                context.wrap_socket(plain, server_hostname=name) as sock,
            ):
                names = [value for kind, value in sock.getpeercert()["subjectAltName"] if kind == "DNS"]
                return names, "ECDSA" if "ECDSA" in sock.cipher()[0] else "RSA"

        assert served("web.test") == (["web.test"], "ECDSA")
        assert served("web.test", "aRSA") == (["web.test"], "RSA")
        assert served("a.web.test") == (["*.web.test"], "ECDSA")
        assert served("a.b.web.test") == (["other.test"], "RSA")
        assert served(None) == (["other.test"], "RSA")
        assert served("unknown.test") == (["other.test"], "RSA")

    run_bench(story, kit.environment(certificates=issued))

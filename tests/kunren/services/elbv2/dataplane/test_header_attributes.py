"""Headers that attributes of listeners and load balancers add, rename and remove, through real Envoy."""

from __future__ import annotations

import ssl

import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/one"
HSTS = "max-age=31536000; includeSubDomains; 100%"


@pytest.fixture
def authority(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


def response(name, value):
    return {f"routing.http.response.{name}": value}


def test_responses_carry_the_listeners_headers_whoever_made_them(kit, run_bench, backends):
    target = backends("one")
    group = kit.target_group("one", target.target())
    attributes = {
        **response("strict_transport_security.header_value", HSTS),
        **response("access_control_allow_origin.header_value", "https://example.com"),
        **response("access_control_max_age.header_value", "600"),
        **response("x_frame_options.header_value", "DENY"),
        **response("content_security_policy.header_value", "default-src 'self'"),
    }

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("one", 1)), attributes=attributes)
        rules = [
            kit.rule(on, 1, kit.fixed(200, "fixed"), kit.condition("path-pattern", "/fixed")),
            kit.rule(on, 2, kit.redirect(Host="x.test"), kit.condition("path-pattern", "/redirect")),
            kit.rule(on, 3, kit.forward(("none", 1)), kit.condition("path-pattern", "/none")),
        ]
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), *rules, group, kit.target_group("none"),
            kit.seen(group, group.targets[0], "healthy"),
        )  # fmt: skip
        for path, status in (("/", 200), ("/fixed", 200), ("/redirect", 301), ("/none", 503), ("/reset", 502)):
            got = await bench.get(port, path)
            assert got.status == status
            assert got.all("strict-transport-security") == [HSTS], path
            assert got.header("access-control-allow-origin") == "https://example.com"
            assert got.header("access-control-max-age") == "600"
            assert got.header("x-frame-options") == "DENY"
            assert got.header("content-security-policy") == "default-src 'self'"
            assert got.header("x-content-type-options") is None
            assert got.header("server") == (None if path == "/" else "awselb/2.0")
        silent = kit.listener(
            port, default=kit.forward(("one", 1)), attributes={**attributes, **response("server.enabled", "false")}
        )
        await bench.apply(silent)
        for path in ("/", "/fixed", "/redirect", "/none", "/reset"):
            got = await bench.get(port, path)
            assert got.header("server") is None, path
            assert got.header("strict-transport-security") == HSTS

    run_bench(story)


def test_targets_are_told_of_the_handshake_under_the_names_asked_for(kit, run_bench, authority, backends):
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        named = {"routing.http.request.x_amzn_tls_version.header_name": "X-Tls"}
        on = kit.listener(
            port, protocol="HTTPS", certificates=(CERTIFICATE,), default=kit.forward(("one", 1)), attributes=named
        )
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), group, kit.seen(group, group.targets[0], "healthy")
        )
        context = ssl.create_default_context(cadata=authority.ca_pem)
        context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        await bench.get(port, tls=context)
        assert not {"x-tls", "x-amzn-tls-version", "x-amzn-tls-cipher-suite"} & dict(target.seen[-1][2]).keys()
        switch = {"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true"}
        await bench.apply(kit.load_balancer(attributes=switch))
        await bench.get(port, tls=context, headers={"X-Amzn-Tls-Cipher-Suite": "none at all"})
        told = dict(target.seen[-1][2])
        assert (told["x-tls"], told["x-amzn-tls-cipher-suite"]) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
        assert "x-amzn-tls-version" not in told

    run_bench(story, kit.environment(certificates={CERTIFICATE: authority.issue(["web.test"])}))


def test_targets_are_told_of_the_group_of_the_key_exchange_in_iana_s_names(kit, run_bench, authority, backends):
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(
            port, protocol="HTTPS", certificates=(CERTIFICATE,), default=kit.forward(("one", 1)),
            ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        )  # fmt: skip
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), group, kit.seen(group, group.targets[0], "healthy")
        )

        async def told(curve):
            context = ssl.create_default_context(cadata=authority.ca_pem)
            context.set_ecdh_curve(curve)
            await bench.get(port, tls=context, headers={"X-Amzn-Tls-Kx": "forged"})
            return dict(target.seen[-1][2]).get("x-amzn-tls-kx")

        await bench.apply(kit.load_balancer(attributes={"routing.http.x_amzn_tls_kx.enabled": "true"}))
        assert [await told(each) for each in ("X25519", "prime256v1", "secp384r1")] == [
            "x25519", "secp256r1", "secp384r1",
        ]  # fmt: skip

    run_bench(story, kit.environment(certificates={CERTIFICATE: authority.issue(["web.test"])}))

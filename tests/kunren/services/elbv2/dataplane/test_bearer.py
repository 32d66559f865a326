"""jwt-validation through real Envoy, with keys from a JWKS endpoint that answers over TLS on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.elbv2.login import bearer
from kunren.services.elbv2.login.bearer import BearerTokens
from kunren.services.elbv2.login.decisions import Decisions
from kunren.services.elbv2.login.login import Login
from kunren.services.elbv2.logs.lines import Context, access_line
from kunren.services.elbv2.model import LoginKey

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/one"
ISSUER = "https://login.test"


def encoded(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Issuer:
    """Signs tokens, and gives out its keys; `keys`, `status` and `body` may be changed."""

    def __init__(self, authority):
        self.keys, self.asked, self.status, self.body = {}, 0, 200, None
        self.new_key("one")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = issuer.body if issuer.body is not None else json.dumps(issuer.key_set()).encode()
                self.send_response(issuer.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = authority.server_context("login.test").wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    def new_key(self, kid):
        self.keys = {kid: rsa.generate_private_key(65537, 2048)}

    def key_set(self):
        made = []
        for kid, key in self.keys.items():
            numbers = key.public_key().public_numbers()
            e, n = (encoded(each.to_bytes(256, "big").lstrip(b"\0")) for each in (numbers.e, numbers.n))
            made.append({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "e": e, "n": n})
        return {"keys": made}

    def token(self, **claims):
        kid, key = next(iter(self.keys.items()))
        given = {"iss": ISSUER, "exp": time.time() + 60, "scope": "read write", **claims}
        text = f"{encoded(json.dumps({'alg': 'RS256', 'kid': kid}).encode())}.{encoded(json.dumps(given).encode())}"
        return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


@pytest.fixture
def authority(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


@pytest.fixture
def issuer(authority):
    made = Issuer(authority)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def run_tokens(kit, run_bench, authority, issuer, backends):
    """`run_tokens(story)`: an HTTPS listener that wants a token of the issuer's with a scope, before the target."""
    target = backends("one")
    issued = {CERTIFICATE: authority.issue(["web.test"])}
    trusting = ssl.create_default_context(cadata=authority.ca_pem)

    def run(story):
        async def connect(account, balancer, host, port):
            assert (account, balancer, host, port) == ("000000000000", kit.BALANCER, "login.test", 443)
            return await asyncio.to_thread(socket.create_connection, ("127.0.0.1", issuer.port))

        async def inner(bench):
            bench.store.register(LoginKey)
            clock = SystemClock()
            login = Login(bench.store, clock, Entropy(), connect, authority.bundle_path)
            tokens = BearerTokens(clock, connect, authority.bundle_path)
            bench.control.authorization.decided_by(Decisions(bench.store, login, tokens).decide)
            port = kit.free_port()
            config = {
                "JwksEndpoint": "https://login.test/keys", "Issuer": ISSUER,
                "AdditionalClaims": [{"Name": "scope", "Format": "space-separated-values", "Values": ["read"]}],
            }  # fmt: skip
            on = kit.listener(port, protocol="HTTPS", default=kit.fixed(200, "open"), certificates=(CERTIFICATE,))
            rule = kit.rule(on, 1, kit.forward(("one", 1)), kit.condition("path-pattern", "/api*"))
            wants = {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": config}
            rule = msgspec.structs.replace(rule, actions=(wants, *rule.actions))
            reasons = []

            def take(_, entries):
                context = Context(
                    "app/web/1", "web", "HTTPS", port, "arn:", float, "s", lambda _: "Root=1-0-0", ()
                )  # fmt: skip
                reasons.extend(access_line(each, context).split('" "') for each in entries)

            bench.control.access_log.subscribe("elbv2/", take)
            logging = kit.load_balancer(attributes={"access_logs.s3.enabled": "true"})
            await bench.apply(logging, on, kit.default_rule(on), rule, kit.target_group("one", target.target()))

            async def ask(token=None, path="/api", **headers):
                given = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
                return await bench.get(port, path, headers=given, tls=trusting)

            async def logged():
                async with asyncio.timeout(5):
                    while not reasons:
                        await asyncio.sleep(0.02)
                return reasons.pop(0)

            await story(ask, target, logged)

        run_bench(inner, kit.environment(issued))

    return run


def test_good_tokens_pass_as_they_are_and_others_get_401_with_a_reason_in_the_log(run_tokens, issuer):
    async def story(ask, target, logged):
        assert (await ask(path="/")).text == "open"  # another rule's
        assert issuer.asked == 0
        await logged()
        good = issuer.token()
        answer = await ask(good)
        assert (answer.status, answer.text) == (200, "one")
        assert dict(target.seen[-1][2])["authorization"] == f"Bearer {good}"
        assert "jwt-validation,forward" in " ".join(await logged())
        target.seen.clear()
        for given, reason in (
            ({}, "JWTHeaderNotPresent"),
            ({"Authorization": "Basic dTpw"}, "JWTRequestFormatInvalid"),
            ({"token": good[:-12] + "AAAAAAAAAAAA"}, "JWTSignatureValidationError"),
            ({"token": issuer.token(exp=time.time() - 1)}, "JWTClaimValueInvalid"),
            ({"token": issuer.token(scope="write")}, "JWTClaimValueInvalid"),
            ({"token": issuer.token(scope=["read"])}, "JWTClaimFormatInvalid"),
        ):
            answer = await ask(**given)
            assert (answer.status, answer.header("server")) == (401, "awselb/2.0"), given
            assert "401 Authorization Required" in answer.text
            line = await logged()
            assert reason in line and " 401 - " in line[0], (given, line)
        assert (target.seen, issuer.asked) == ([], 1)

    run_tokens(story)


def test_new_keys_are_asked_for_when_a_token_has_one(run_tokens, issuer, monkeypatch):
    monkeypatch.setattr(bearer, "AGAIN_S", 0.0)

    async def story(ask, target, logged):
        old = issuer.token()
        assert (await ask(old)).status == 200
        issuer.new_key("two")
        assert (await ask(issuer.token())).status == 200
        assert (await ask(old)).status == 401
        assert issuer.asked == 3

    run_tokens(story)


def test_without_keys_there_is_an_answer_of_500_and_no_target_is_asked(run_tokens, issuer, monkeypatch):
    monkeypatch.setattr(bearer, "FAILED_S", 0.0)

    async def story(ask, target, logged):
        token = issuer.token()
        for status, body, reason in (
            (503, None, "JWKSRequestFailed"),
            (200, b"no json", "JWKSResponseInvalid"),
            (200, b'{"keys": [' + b'{"kty": "EC"}, ' * 10 + b'{"kty": "EC"}]}', "JWKSResponseInvalid"),
            (200, b'{"keys": [], "more": "' + b"x" * 150 * 1024 + b'"}', "JWKSResponseInvalid"),
        ):
            issuer.status, issuer.body = status, body
            assert (await ask(token)).status == 500
            assert reason in await logged()
        issuer.status, issuer.body = 503, None
        monkeypatch.setattr(bearer, "FAILED_S", 60.0)
        issuer.asked = 0
        assert [(await ask(token)).status for _ in range(3)] == [500] * 3
        assert issuer.asked == 0  # not again so soon
        monkeypatch.setattr(bearer, "FAILED_S", 0.0)
        issuer.status = 200
        assert (await ask(token)).status == 200
        assert len(target.seen) == 1

    run_tokens(story)


def test_an_endpoint_that_is_not_there_is_told_apart(run_tokens, issuer):
    issuer.server.shutdown()
    issuer.server.server_close()

    async def story(ask, target, logged):
        assert (await ask(issuer.token())).status == 500
        assert "JWKSRequestTimeout" in await logged()

    run_tokens(story)

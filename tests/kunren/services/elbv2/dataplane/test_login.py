"""authenticate-oidc through real Envoy, with an OpenID provider that answers over TLS on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.elbv2.login.login import Login
from kunren.services.elbv2.model import LoginKey

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/one"
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/0123456789abcdef"
ISSUER = "https://login.test/"
CLAIMS = {"sub": "user-1", "email": "ann@example.com", "name": "Änn"}


def encoded(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


class Provider:
    """Gives codes to whoever asks, once each, and tokens for them. `claims` and `status` may be changed."""

    def __init__(self, authority, tmp_path):
        self.key, self.codes, self.asked = rsa.generate_private_key(65537, 2048), {}, []
        self.claims, self.status, self.audience = dict(CLAIMS), 200, "client"
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                token = self.headers["authorization"]
                self.answer(provider.claims if token == "Bearer access-1" else None)

            def do_POST(self):
                form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
                provider.asked.append((form, self.headers["authorization"]))
                told = base64.b64decode(self.headers["authorization"].removeprefix("Basic ")).decode()
                known = provider.codes.pop(form["code"], None) == form["redirect_uri"]
                good = told == "client:s%3Acret" and known and provider.status == 200
                self.answer(provider.tokens() if good else None)

            def answer(self, content):
                body = json.dumps(content or {"error": "invalid_grant"}).encode()
                self.send_response(200 if content else 400)
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

    def tokens(self):
        claims = {"iss": ISSUER, "aud": self.audience, "sub": "user-1", "exp": time.time() + 60, "iat": time.time()}
        text = f"{encoded({'alg': 'RS256', 'kid': '1'})}.{encoded(claims)}"
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), SHA256())
        identity = f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        return {"access_token": "access-1", "token_type": "Bearer", "expires_in": 60, "id_token": identity}

    def logs_in(self, location, **told):
        """The user follows the redirect and logs in: the path and query by which the provider sends them back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = f"code-{len(self.asked)}"
        self.codes[code] = asked["redirect_uri"]
        back = {"code": code, "state": asked["state"], **told}
        return "/oauth2/idpresponse?" + "&".join(f"{name}={value}" for name, value in back.items() if value), asked


@pytest.fixture
def authority(tmp_path):
    return CertificateAuthority.open(tmp_path / "ca", SystemClock())


@pytest.fixture
def provider(authority, tmp_path):
    made = Provider(authority, tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def run_login(kit, run_bench, tls, authority, provider, backends):
    """`run_login(story, **config)`: a listener whose default rule asks for a login before the target."""
    target = backends("one")
    issued, trusting = tls("web.test")

    def run(story, **more):
        async def connect(account, balancer, host, port):
            assert (account, balancer, host, port) == ("000000000000", BALANCER, "login.test", 443)
            return await asyncio.to_thread(socket.create_connection, ("127.0.0.1", provider.port))

        async def inner(bench):
            bench.store.register(LoginKey)
            login = Login(bench.store, SystemClock(), Entropy(), connect, authority.bundle_path)
            bench.control.authorization.decided_by(login.decide)
            port = kit.free_port()
            group = kit.target_group("one", target.target())
            config = {
                "Issuer": ISSUER, "AuthorizationEndpoint": "https://login.test/authorize?a=b",
                "TokenEndpoint": "https://login.test/token", "UserInfoEndpoint": "https://login.test/me",
                "ClientId": "client", "ClientSecret": "s:cret", "SessionCookieName": "AWSELBAuthSessionCookie",
                "Scope": "openid email", "SessionTimeout": 3600, "OnUnauthenticatedRequest": "authenticate", **more,
            }  # fmt: skip
            on = kit.listener(port, protocol="HTTPS", default=kit.forward(("one", 1)), certificates=(CERTIFICATE,))
            asks = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": config}
            rule = kit.rule(on, 1, kit.forward(("one", 1)), kit.condition("path-pattern", "/private*"))
            rule = msgspec.structs.replace(rule, actions=(asks, *rule.actions))
            await bench.apply(kit.load_balancer(), on, kit.default_rule(on), rule, group)

            async def ask(path, *cookies, **headers):
                sent = {**({"Cookie": "; ".join(cookies)} if cookies else {}), **headers}
                return await bench.get(port, path, headers=sent, tls=trusting)

            await story(ask, target, login)

        run_bench(inner, kit.environment(issued))

    return run


def cookies_of(answer):
    return [each.partition(";")[0] for each in answer.all("set-cookie")]


def verified(login, jwt):
    """The header and claims of a JWT by the public key that its header names."""
    head, claims, signature = (base64.urlsafe_b64decode(each) for each in jwt.split("."))
    key = load_pem_public_key(login.public_key("us-east-1", json.loads(head)["kid"]).encode())
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), jwt.rpartition(".")[0].encode(), ec.ECDSA(SHA256()))
    return json.loads(head), json.loads(claims)


def test_a_user_logs_in_and_the_target_is_told_who_it_is(run_login, provider):
    async def story(ask, target, login):
        assert (await ask("/open")).status == 200  # another rule's: nobody is asked
        target.seen.clear()
        away = await ask("/private/a?b=c")
        assert (away.status, away.header("server"), target.seen) == (302, "awselb/2.0", [])
        location = away.header("location")
        assert location.startswith("https://login.test/authorize?a=b&client_id=client&")
        (nonce,) = cookies_of(away)
        assert nonce.startswith("AWSALBAuthNonce=")
        path, asked = provider.logs_in(location)
        assert {name: asked[name] for name in ("redirect_uri", "response_type", "scope", "prompt")} == {
            "redirect_uri": "https://web.test/oauth2/idpresponse", "response_type": "code", "scope": "openid email",
            "prompt": "login",
        }  # fmt: skip

        assert (await ask(path)).status == 401  # without the nonce: somebody else's login
        assert (await ask(path.replace("state=", "state=x"), nonce)).status == 401
        back = await ask(path, nonce)
        assert (back.status, back.header("location")) == (302, "https://web.test/private/a?b=c")
        session = [each for each in cookies_of(back) if not each.endswith("=")]
        assert [each.partition("=")[0] for each in session] == ["AWSELBAuthSessionCookie-0"]
        for each in back.all("set-cookie"):
            assert each.endswith("; Path=/; Secure; HttpOnly") and "Expires=" in each
        form, _ = provider.asked[-1]
        assert (form["grant_type"], form["redirect_uri"]) == ("authorization_code", asked["redirect_uri"])

        inside = await ask("/private/a", *session, **{"X-Amzn-Oidc-Identity": "mallory"})
        assert (inside.status, inside.text) == (200, "one")
        seen = dict(target.seen[-1][2])
        assert (seen["x-amzn-oidc-accesstoken"], seen["x-amzn-oidc-identity"]) == ("access-1", "user-1")
        head, claims = verified(login, seen["x-amzn-oidc-data"])
        assert {name: head[name] for name in ("typ", "alg", "iss", "client", "signer")} == {
            "typ": "JWT", "alg": "ES256", "iss": ISSUER, "client": "client", "signer": BALANCER,
        }  # fmt: skip
        assert claims == {**CLAIMS, "iss": ISSUER, "exp": head["exp"]} and head["exp"] > time.time()
        with pytest.raises(InvalidSignature):
            verified(login, seen["x-amzn-oidc-data"].rpartition(".")[0] + "." + "A" * 86 + "==")

        forged = session[0][:-9] + "AAAAAAAAA"
        assert (await ask("/private/a", forged)).status == 302
        assert login.public_key("us-east-1", "another") is None

    run_login(story, AuthenticationRequestExtraParams={"prompt": "login"})


def test_what_goes_wrong_at_the_provider_has_the_status_that_says_so(run_login, provider):
    async def story(ask, target, login):
        async def comes_back(**told):
            away = await ask("/private")
            path, _ = provider.logs_in(away.header("location"), **told)
            return (await ask(path, *cookies_of(away))).status

        assert await comes_back(error="access_denied", code="") == 561
        assert await comes_back(code="") == 401
        assert await comes_back(code="unknown") == 561
        provider.audience = "somebody-else"
        assert await comes_back() == 500
        provider.audience, provider.claims = "client", {"sub": "user-2"}
        assert await comes_back() == 500
        provider.claims = {**CLAIMS, "text": "x" * 12_000}
        assert await comes_back() == 500
        provider.claims = {**CLAIMS, "text": "x" * 6_000}
        assert await comes_back() == 302
        assert (await ask("/oauth2/idpresponse")).status == 401
        assert target.seen == []

    run_login(story)


def test_a_session_ends_at_its_timeout(run_login, provider):
    async def story(ask, target, login):
        away = await ask("/private")
        path, _ = provider.logs_in(away.header("location"))
        session = cookies_of(await ask(path, *cookies_of(away)))
        assert (await ask("/private", *session)).status == 200
        async with asyncio.timeout(5):
            while (await ask("/private", *session)).status != 302:
                await asyncio.sleep(0.1)

    run_login(story, SessionTimeout=1)


def test_unauthenticated_requests_may_be_denied_or_allowed(run_login):
    async def denied(ask, target, login):
        answer = await ask("/private")
        assert (answer.status, answer.header("server"), target.seen) == (401, "awselb/2.0", [])
        assert "401 Authorization Required" in answer.text

    run_login(denied, OnUnauthenticatedRequest="deny")

    async def allowed(ask, target, login):
        assert (await ask("/private", **{"X-Amzn-Oidc-Identity": "mallory"})).status == 200
        assert not [name for name, _ in target.seen[-1][2] if name.startswith("x-amzn-oidc")]

    run_login(allowed, OnUnauthenticatedRequest="allow")

"""The decision on requests to rules with an authenticate-oidc action: go on, log in, or be refused.

A client without a session is sent to the provider; the state it takes along, and the nonce cookie it keeps, come back
to /oauth2/idpresponse with the provider's code. The code is exchanged from a node of the load balancer, and the user's
claims become a session that the client carries, sealed with a key that the daemon keeps.

"Authenticate users using an Application Load Balancer" in the Application Load Balancer guide; its statuses are in
"Troubleshoot your Application Load Balancers": 401, 500 and 561.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from kunren.control.store import Store
from kunren.core.ca import key_pem, new_key
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.envoy.authorization import Answered, Passed, Question
from kunren.services.elbv2.arns import balancer_of
from kunren.services.elbv2.authentication import CALLBACK, config_of
from kunren.services.elbv2.login import provider, sessions
from kunren.services.elbv2.login.answers import redirect, refusal
from kunren.services.elbv2.login.identity import claims_of, signed
from kunren.services.elbv2.login.nodes import Connect
from kunren.services.elbv2.model import LoginKey, Rule

log = logging.getLogger(__name__)
NONCE_COOKIE = "AWSALBAuthNonce"
IDENTITY_HEADERS = ("x-amzn-oidc-accesstoken", "x-amzn-oidc-identity", "x-amzn-oidc-data")
LOGIN_WITHIN_S = 900.0
_DATA_VALID_S = 120
_CLAIMS_MAX = 11_000
_DAYS_7 = 604_800
_UNHANDLED = "AuthUnhandledException"


class _Failed(Exception):
    """A login that came to nothing: the status of the answer, and the reason for access logs."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Login:
    """`decide` answers Envoy's questions; `roots` is the bundle of authorities that providers' certificates are of."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, connect: Connect, roots: Path) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._connect = connect
        self._roots = roots

    async def decide(self, asked: Question) -> Passed | Answered:
        if asked.path.partition("?")[0] == CALLBACK:
            return await self._returned(asked)
        rule = self._rule(asked.context["rule"])
        config = config_of(rule.actions) if rule is not None else None
        if rule is None or config is None:  # changed this moment
            return refusal(500, _UNHANDLED)
        cookies = sessions.cookies_of(asked.headers.get("cookie", ""))
        key = self._key(rule)
        sealed = sessions.joined(cookies, config["SessionCookieName"])
        session = sessions.opened(key.secret, _purpose(config), sealed)
        if session is not None and self._clock.now() < session["until"]:
            return Passed(set=self._identity(rule, config, key, session))
        match config["OnUnauthenticatedRequest"]:
            case "allow":
                return Passed(removed=IDENTITY_HEADERS)
            case "deny":
                return refusal(401, "AuthInvalidCookie" if sealed else "")
        return self._sent_away(asked, rule, config, key)

    def public_key(self, region: str, key_id: str) -> str | None:
        """The PEM text of a key that identities are signed with."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        for each in self._store.snapshot().every(LoginKey):
            if (each.region, each.id) == (region, key_id):
                public = _private(each).public_key()
                return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
        return None

    def _rule(self, arn: str) -> Rule | None:
        _, _, _, region, account, _ = arn.split(":", 5)
        return self._store.snapshot().get(Rule, account, region, arn)

    def _key(self, rule: Rule) -> LoginKey:
        """The keys of the rule's account and region, made when they are first needed."""
        with self._store.write() as tx:
            for each in tx.list(LoginKey, rule.account, rule.region):
                return each
            made = LoginKey(
                account=rule.account, region=rule.region, id=self._entropy.uuid(), secret=self._entropy.hex(64),
                pem=key_pem(new_key("EC_prime256v1")),
            )  # fmt: skip
            tx.put(made)
        return made

    def _sent_away(self, asked: Question, rule: Rule, config: Mapping[str, Any], key: LoginKey) -> Answered:
        nonce = self._entropy.hex(32)
        state = {
            "rule": rule.id, "host": asked.host, "path": asked.path, "nonce": nonce,
            "until": self._clock.now() + LOGIN_WITHIN_S,
        }  # fmt: skip
        query = {
            "client_id": config["ClientId"], "redirect_uri": _redirect_uri(asked.host), "response_type": "code",
            "scope": config["Scope"], "state": sessions.seal(key.secret, "state", state),
            **config.get("AuthenticationRequestExtraParams", {}),
        }  # fmt: skip
        endpoint = config["AuthorizationEndpoint"]
        location = f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"
        expires = formatdate(self._clock.wall() + self._clock.wall_seconds(LOGIN_WITHIN_S), usegmt=True)
        cookie = f"{NONCE_COOKIE}={nonce}; Expires={expires}; Path=/; Secure; HttpOnly"
        return redirect(location, [("set-cookie", cookie)])

    async def _returned(self, asked: Question) -> Answered:
        """The client is back from the provider."""
        told = dict(parse_qsl(urlsplit(asked.path).query))
        some = self._rule(asked.context["rule"])
        if some is None:
            return refusal(500, _UNHANDLED)
        key = self._key(some)
        state = sessions.opened(key.secret, "state", told.get("state", ""))
        cookies = sessions.cookies_of(asked.headers.get("cookie", ""))
        if state is None or cookies.get(NONCE_COOKIE) != state["nonce"] or self._clock.now() >= state["until"]:
            return refusal(401, "AuthInvalidStateParam" if "state" in told else "AuthMissingStateParam")
        if "error" in told:
            return refusal(561)
        rule = self._rule(state["rule"])
        config = config_of(rule.actions) if rule is not None else None
        if "code" not in told:
            return refusal(401, "AuthMissingCodeParam")
        if rule is None or config is None:
            return refusal(401, _UNHANDLED)
        try:
            session = await self._logged_in(rule, config, told["code"], _redirect_uri(state["host"]))
        except _Failed as error:
            log.info("login failed, %s: %r", error.reason, error.__cause__)
            return refusal(error.status, error.reason)
        expires = formatdate(self._clock.wall() + _DAYS_7, usegmt=True)
        sealed = sessions.seal(key.secret, _purpose(config), session)
        try:
            made = sessions.shards(config["SessionCookieName"], sealed, expires)
        except ValueError:
            return refusal(500, "AuthUserinfoResponseSizeExceeded")
        return redirect(f"https://{state['host']}{state['path']}", made)

    async def _logged_in(self, rule: Rule, config: Mapping[str, Any], code: str, redirect_uri: str) -> dict[str, Any]:
        balancer = balancer_of(rule.listener_arn)

        async def connect(host: str, port: int) -> socket.socket:
            return await self._connect(rule.account, balancer, host, port)

        said = await _answer("Token", provider.tokens(connect, self._roots, config, code, redirect_uri))
        access, identity = said.get("access_token"), said.get("id_token")
        if not isinstance(access, str) or not isinstance(identity, str):
            raise _Failed(500, "AuthInvalidTokenResponse")
        subject = self._subject(config, identity)
        claims = await _answer("Userinfo", provider.user_claims(connect, self._roots, config, access))
        if "sub" not in claims or claims["sub"] != subject:
            raise _Failed(500, "AuthInvalidUserinfoResponse")
        if len(str(claims)) > _CLAIMS_MAX:
            raise _Failed(500, "AuthUserinfoResponseSizeExceeded")
        until = self._clock.now() + config["SessionTimeout"]
        return {"claims": claims, "access": access, "until": until}

    def _subject(self, config: Mapping[str, Any], identity: str) -> Any:
        """Whom an ID token is of, which must be for this client. Raises _Failed."""
        try:
            about = claims_of(identity)
            audience, expires = about.get("aud"), float(about.get("exp", 0))
        except (TypeError, ValueError) as error:
            raise _Failed(500, "AuthInvalidIdToken") from error
        meant = audience == config["ClientId"] or (isinstance(audience, list) and config["ClientId"] in audience)
        if about.get("iss") != config["Issuer"] or not meant or expires < self._clock.wall():
            raise _Failed(500, "AuthInvalidIdToken")
        return about.get("sub")

    def _identity(
        self, rule: Rule, config: Mapping[str, Any], key: LoginKey, session: Mapping[str, Any]
    ) -> tuple[tuple[str, str], ...]:
        expires = int(self._clock.wall()) + _DATA_VALID_S
        header = {
            "typ": "JWT", "kid": key.id, "alg": "ES256", "iss": config["Issuer"], "client": config["ClientId"],
            "signer": balancer_of(rule.listener_arn), "exp": expires,
        }  # fmt: skip
        claims = session["claims"]
        data = signed(_private(key), header, {**claims, "exp": expires, "iss": config["Issuer"]})
        return tuple(zip(IDENTITY_HEADERS, (session["access"], str(claims["sub"]), data), strict=True))


def _private(key: LoginKey) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(key.pem.encode(), None)


def _purpose(config: Mapping[str, Any]) -> str:
    """A session is good for every rule with the same provider, client and cookie."""
    return f"session|{config['Issuer']}|{config['ClientId']}|{config['SessionCookieName']}"


def _redirect_uri(host: str) -> str:
    return f"https://{host}{CALLBACK}"


async def _answer(endpoint: str, asking: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """What the provider's endpoint ("Token" or "Userinfo") answered. Raises _Failed."""
    try:
        return await asking
    except provider.Refused as error:
        raise _Failed(561, f"Auth{endpoint}EpRequestFailed") from error
    except provider.TimedOut as error:
        raise _Failed(500, f"Auth{endpoint}EpRequestTimeout") from error
    except provider.Unreachable as error:
        raise _Failed(500, f"AuthInvalid{endpoint}Response") from error

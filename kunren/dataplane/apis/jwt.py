"""Whether a JSON Web Token is good: its form, its RSA signature by a key of a JWKS, its claims. Pure.

API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers". Only RSA is taken there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core import jwt
from kunren.core.jwt import Keys as Keys

KEYS_MAX = 100
_ALGORITHMS = ("RS256", "RS384", "RS512")


class Refused(Exception):
    """The token is not good; the text is what `error_description` says."""


class UnknownKey(Refused):
    """Its key is none of these: newer ones may be there."""


def keys_of(content: Mapping[str, Any]) -> dict[str | None, Any]:
    """The RSA keys of a JSON Web Key Set that sign. Raises ValueError for what is no set, or one of too many keys."""
    return jwt.keys_of(content, KEYS_MAX, lambda each: "e" in each and "n" in each)


def issuer_of(token: str) -> str:
    """Who a token says that it is from, unverified. Raises Refused."""
    return str(_opened(token)[1].get("iss") or "")


def verify(token: str, keys: Keys, issuer: str, audiences: Sequence[str], now: float) -> dict[str, Any]:
    """The claims of a token that is good at `now` (seconds since 1970). Raises Refused, UnknownKey."""
    head, claims = _opened(token)
    _check_signature(token, head, keys)
    if claims.get("iss") != issuer:
        raise Refused("the issuer of the token is invalid")
    _check_times(claims, now)
    if audiences:
        given = claims.get("aud", claims.get("client_id"))
        if not _texts(given if isinstance(given, list) else [given]) & set(audiences):
            raise Refused("the token does not have a valid audience")
    return claims


def scopes_of(claims: Mapping[str, Any]) -> set[str]:
    """The scopes that a token has: `scope` and `scp`, as text or list. What is neither has none."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        given = claims.get(name)
        found |= set(given.split(" ")) if isinstance(given, str) else _texts(given if isinstance(given, list) else ())
    return found


def _texts(given: Sequence[Any]) -> set[str]:
    return {each for each in given if isinstance(each, str)}


def _opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return jwt.opened(token)
    except jwt.Malformed:
        raise Refused("the token is malformed") from None


def _check_signature(token: str, head: Mapping[str, Any], keys: Keys) -> None:
    try:
        key = jwt.key_of(head, keys, nameless=True)
        jwt.check_signature(token, key, jwt.algorithm_of(head, _ALGORITHMS))
    except jwt.UnknownKey:
        raise UnknownKey("unable to find the signing key") from None
    except jwt.BadAlgorithm:
        raise Refused("signing method is invalid") from None
    except jwt.BadSignature:
        raise Refused("the signature of the token is invalid") from None


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """`exp` must be there and lie ahead; `nbf` and `iat` must not, where they are there."""
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times.values()):
        raise Refused("the token is malformed")
    if "exp" not in times:
        raise Refused("the token does not have an expiration time")
    if times["exp"] <= now:
        raise Refused("the token has expired")
    if times.get("nbf", now) > now:
        raise Refused("the token is not valid yet")
    if times.get("iat", now) > now:
        raise Refused("the token was issued in the future")

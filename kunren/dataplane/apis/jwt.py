"""Whether a JSON Web Token is good: its form, its RSA signature by a key of a JWKS, its claims. Pure.

API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers". Only RSA is taken there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

KEYS_MAX = 100
_HASHES = {"RS256": "SHA256", "RS384": "SHA384", "RS512": "SHA512"}
Keys = Mapping[str | None, Any]
"""RSA public keys by key id."""


class Refused(Exception):
    """The token is not good; the text is what `error_description` says."""


class UnknownKey(Refused):
    """Its key is none of these: newer ones may be there."""


def keys_of(content: Mapping[str, Any]) -> dict[str | None, Any]:
    """The RSA keys of a JSON Web Key Set that sign. Raises ValueError for what is no set."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    listed = content.get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_MAX or not all(isinstance(each, dict) for each in listed):
        raise ValueError("no JSON Web Key Set")
    found: dict[str | None, Any] = {}
    for each in listed:
        if each.get("kty") == "RSA" and each.get("use") in (None, "sig") and "e" in each and "n" in each:
            e, n = (int.from_bytes(decoded(str(each[part])), "big") for part in ("e", "n"))
            found[each.get("kid")] = RSAPublicNumbers(e, n).public_key()
    return found


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
        if not set(given if isinstance(given, list) else [given]) & set(audiences):
            raise Refused("the token does not have a valid audience")
    return claims


def scopes_of(claims: Mapping[str, Any]) -> set[str]:
    """The scopes that a token has: `scope` as text, `scp` as text or list."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        given = claims.get(name)
        found |= set(given.split(" ")) if isinstance(given, str) else set(map(str, given or ()))
    return found


def _opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = token.split(".")
    try:
        head, claims = (json.loads(decoded(part)) for part in parts[:2])
    except (ValueError, RecursionError):
        raise Refused("the token is malformed") from None
    if len(parts) != 3 or not isinstance(head, dict) or not isinstance(claims, dict):
        raise Refused("the token is malformed")
    return head, claims


def _check_signature(token: str, head: Mapping[str, Any], keys: Keys) -> None:
    kid = head.get("kid")
    if kid is None and len(keys) == 1:
        key = next(iter(keys.values()))
    elif isinstance(kid, str | None) and kid in keys:
        key = keys[kid]
    else:
        raise UnknownKey("unable to find the signing key")
    if not isinstance(head.get("alg"), str) or head["alg"] not in _HASHES:
        raise Refused("signing method is invalid")
    if not _is_signed(token, key, head["alg"]):
        raise Refused("the signature of the token is invalid")


def _is_signed(token: str, key: Any, algorithm: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    text, _, signature = token.rpartition(".")
    try:
        key.verify(decoded(signature), text.encode(), PKCS1v15(), getattr(hashes, _HASHES[algorithm])())
    except (InvalidSignature, ValueError):
        return False
    return True


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


def decoded(text: str) -> bytes:
    """base64url without padding. Raises ValueError."""
    bare = text.rstrip("=")
    return base64.b64decode(bare.encode("ascii") + b"=" * (-len(bare) % 4), b"-_", True)

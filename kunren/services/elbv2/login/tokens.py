"""Whether a bearer token is good: its form, its RS256 signature by a key of a JWKS, its claims. Pure.

"Verify JWTs using an Application Load Balancer"; the reasons are those of access logs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kunren.services.elbv2.jwt_validation import ALWAYS, ARRAY, SINGLE

KEYS_MAX = 10
NO_HEADER = "JWTHeaderNotPresent"
BAD_FORM = "JWTRequestFormatInvalid"
BAD_SIGNATURE = "JWTSignatureValidationError"
NO_CLAIM = "JWTClaimNotPresent"
BAD_CLAIM_FORM = "JWTClaimFormatInvalid"
BAD_CLAIM = "JWTClaimValueInvalid"
Keys = Mapping[str | None, Any]
"""RSA public keys by key id."""


class Refused(Exception):
    """The token is not good; the text is the reason."""


class UnknownKey(Refused):
    """Its key is none of these: newer ones may be there."""


def bearer(header: str | None) -> str:
    """The token of an Authorization header. Raises Refused."""
    if header is None:
        raise Refused(NO_HEADER)
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(BAD_FORM)
    return token.strip()


def keys_of(content: Mapping[str, Any]) -> dict[str | None, Any]:
    """The RSA keys of a JSON Web Key Set that sign. Raises ValueError for what is no set, or one of too many keys."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    listed = content.get("keys")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("no JSON Web Key Set")
    if len(listed) > KEYS_MAX:
        raise ValueError(f"more than {KEYS_MAX} keys")
    found: dict[str | None, Any] = {}
    for each in listed:
        if each.get("kty") == "RSA" and each.get("use") in (None, "sig") and each.get("alg") in (None, "RS256"):
            e, n = (int.from_bytes(_decoded(str(each[part])), "big") for part in ("e", "n") if part in each)
            found[each.get("kid")] = RSAPublicNumbers(e, n).public_key()
    return found


def verify(token: str, keys: Keys, config: Mapping[str, Any], now: float) -> None:
    """Return where the token is good at `now` (seconds since 1970). Raises Refused, UnknownKey."""
    head, claims = _opened(token)
    if head.get("alg") != "RS256":
        raise Refused(BAD_SIGNATURE)
    _check_signature(token, _key(keys, head.get("kid")))
    _check_times(claims, now)
    if _text(claims, "iss") != config["Issuer"]:
        raise Refused(BAD_CLAIM)
    for each in config.get("AdditionalClaims", ()):
        given = _values(claims, each["Name"], each["Format"])
        if not set(each["Values"]) <= set(given):
            raise Refused(BAD_CLAIM)


def _opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = token.split(".")
    try:
        head, claims = (json.loads(_decoded(part)) for part in parts[:2])
    except (ValueError, RecursionError):
        raise Refused(BAD_FORM) from None
    if len(parts) != 3 or not isinstance(head, dict) or not isinstance(claims, dict):
        raise Refused(BAD_FORM)
    return head, claims


def _key(keys: Keys, kid: Any) -> Any:
    """The key that the token names; one that names none has the only key."""
    if kid is None and len(keys) == 1:
        return next(iter(keys.values()))
    if not isinstance(kid, str) or kid not in keys:
        raise UnknownKey(BAD_SIGNATURE)
    return keys[kid]


def _check_signature(token: str, key: Any) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    text, _, signature = token.rpartition(".")
    try:
        key.verify(_decoded(signature), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        raise Refused(BAD_SIGNATURE) from None


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """`exp` must be there and lie ahead; `nbf` and `iat` must not, where they are there."""
    if "exp" not in claims or "iss" not in claims:
        raise Refused(NO_CLAIM)
    times = {name: claims[name] for name in ALWAYS if name in claims and name != "iss"}
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times.values()):
        raise Refused(BAD_CLAIM_FORM)
    if times.pop("exp") <= now or any(each > now for each in times.values()):
        raise Refused(BAD_CLAIM)


def _text(claims: Mapping[str, Any], name: str) -> str:
    if not isinstance(claims[name], str):
        raise Refused(BAD_CLAIM_FORM)
    return str(claims[name])


def _values(claims: Mapping[str, Any], name: str, form: str) -> Sequence[str]:
    """The values of a claim, which must be of that form."""
    if name not in claims:
        raise Refused(NO_CLAIM)
    if form == ARRAY:
        given = claims[name]
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise Refused(BAD_CLAIM_FORM)
        return given
    text = _text(claims, name)
    return [text] if form == SINGLE else text.split(" ")


def _decoded(text: str) -> bytes:
    """base64url without padding. Raises ValueError."""
    return base64.b64decode(text.rstrip("=").encode("ascii") + b"=" * (-len(text.rstrip("=")) % 4), b"-_", True)

"""Whether a bearer token is good: its form, its RS256 signature by a key of a JWKS, its claims. Pure.

"Verify JWTs using an Application Load Balancer"; the reasons are those of access logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core import jwt
from kunren.core.jwt import Keys as Keys
from kunren.services.elbv2.jwt_validation import ALWAYS, ARRAY, SINGLE

KEYS_MAX = 10
NO_HEADER = "JWTHeaderNotPresent"
BAD_FORM = "JWTRequestFormatInvalid"
BAD_SIGNATURE = "JWTSignatureValidationError"
NO_CLAIM = "JWTClaimNotPresent"
BAD_CLAIM_FORM = "JWTClaimFormatInvalid"
BAD_CLAIM = "JWTClaimValueInvalid"
_ALGORITHM = "RS256"


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
    return jwt.keys_of(content, KEYS_MAX, lambda each: each.get("alg") in (None, _ALGORITHM))


def verify(token: str, keys: Keys, config: Mapping[str, Any], now: float) -> None:
    """Return where the token is good at `now` (seconds since 1970). Raises Refused, UnknownKey."""
    claims = _signed(token, keys)
    _check_times(claims, now)
    if _text(claims, "iss") != config["Issuer"]:
        raise Refused(BAD_CLAIM)
    for each in config.get("AdditionalClaims", ()):
        given = _values(claims, each["Name"], each["Format"])
        if not set(each["Values"]) <= set(given):
            raise Refused(BAD_CLAIM)


def _signed(token: str, keys: Keys) -> dict[str, Any]:
    """The claims of a token that one of the keys signed."""
    try:
        head, claims = jwt.opened(token)
        algorithm = jwt.algorithm_of(head, (_ALGORITHM,))
        jwt.check_signature(token, jwt.key_of(head, keys, nameless=False), algorithm)
    except jwt.Malformed:
        raise Refused(BAD_FORM) from None
    except jwt.UnknownKey:
        raise UnknownKey(BAD_SIGNATURE) from None
    except (jwt.BadAlgorithm, jwt.BadSignature):
        raise Refused(BAD_SIGNATURE) from None
    return claims


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

"""JSON Web Tokens signed with RSA, and the JSON Web Key Sets that their keys come from. Pure.

What each service asks of claims, and the words that it refuses a token with, are its own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

_HASHES = {"RS256": "SHA256", "RS384": "SHA384", "RS512": "SHA512"}
Keys = Mapping[str | None, Any]
"""RSA public keys by key id."""


class Malformed(Exception):
    """The text is no token."""


class UnknownKey(Exception):
    """The key that the token names is none of these."""


class BadAlgorithm(Exception):
    """The token is not signed in a way that is taken."""


class BadSignature(Exception):
    """The signature is not by that key."""


def decoded(text: str) -> bytes:
    """base64url without padding. Raises ValueError."""
    bare = text.rstrip("=")
    return base64.b64decode(bare.encode("ascii") + b"=" * (-len(bare) % 4), b"-_", True)


def keys_of(
    content: Mapping[str, Any], keys_max: int, wanted: Callable[[Mapping[str, Any]], bool]
) -> dict[str | None, Any]:
    """The RSA keys of a JSON Web Key Set that sign and are wanted. Raises ValueError for what is no set, for too many
    keys, wanted or not, and for a wanted one that is no key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    listed = content.get("keys")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("no JSON Web Key Set")
    if len(listed) > keys_max:
        raise ValueError(f"no JSON Web Key Set of at most {keys_max} keys")
    found: dict[str | None, Any] = {}
    for each in listed:
        if each.get("kty") == "RSA" and each.get("use") in (None, "sig") and wanted(each):
            e, n = (int.from_bytes(decoded(str(each[part])), "big") for part in ("e", "n") if part in each)
            kid = each.get("kid")
            if not isinstance(kid, str | None):
                raise ValueError("a key's name is no text")
            found[kid] = RSAPublicNumbers(e, n).public_key()
    return found


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The head and the claims of a token, unverified. Raises Malformed."""
    parts = token.split(".")
    try:
        head, claims = (json.loads(decoded(part), parse_constant=_no_number) for part in parts[:2])
    except (ValueError, RecursionError):
        raise Malformed from None
    if len(parts) != 3 or not isinstance(head, dict) or not isinstance(claims, dict):
        raise Malformed
    return head, claims


def _no_number(word: str) -> Any:
    """NaN and its like are no JSON, and as a time they would never be over."""
    raise ValueError(word)


def key_of(head: Mapping[str, Any], keys: Keys, *, nameless: bool) -> Any:
    """The key that a token names; one that names none has the only key, or else that without a name where `nameless`
    says so. Raises UnknownKey."""
    kid = head.get("kid")
    if kid is None and len(keys) == 1:
        return next(iter(keys.values()))
    if not (isinstance(kid, str) or (kid is None and nameless)) or kid not in keys:
        raise UnknownKey
    return keys[kid]


def algorithm_of(head: Mapping[str, Any], taken: Collection[str]) -> str:
    """How a token says that it is signed, one of those `taken`. Raises BadAlgorithm."""
    algorithm = head.get("alg")
    if not isinstance(algorithm, str) or algorithm not in taken:
        raise BadAlgorithm
    return algorithm


def check_signature(token: str, key: Any, algorithm: str) -> None:
    """Return where the token is signed by the key. Raises BadSignature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    text, _, signature = token.rpartition(".")
    try:
        key.verify(decoded(signature), text.encode(), PKCS1v15(), getattr(hashes, _HASHES[algorithm])())
    except (InvalidSignature, ValueError):
        raise BadSignature from None

"""Signed URLs and signed cookies: whether a request may see what it asks for. Pure.

Developer Guide, "Use signed URLs", "Use signed cookies" and the pages on canned and custom policies. Times
are real ones, as with every signature: whoever signs does it by a clock of his own.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kunren.dataplane.edge.message import Request

PARAMETERS = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")
COOKIE = "CloudFront-"
_FROM_URL_SAFE = str.maketrans("-_~", "+=/")
_HASHES = ("SHA1", "SHA256")
_NO_POLICY = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What reading a policy raises that is none."""


class Refusal(NamedTuple):
    """What the error document says."""

    code: str
    message: str


class _Policy(NamedTuple):
    """What was signed, and what it says. `resource` None is every URL."""

    signed: bytes
    resource: str | None
    until: int
    since: int | None = None
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None

    def allows(self, url: str, address: str, now: float) -> bool:
        return (
            now < self.until
            and (self.since is None or now > self.since)
            and (self.network is None or ipaddress.ip_address(address) in self.network)
            and (self.resource is None or _pattern(self.resource).fullmatch(url) is not None)
        )


MISSING_KEY = Refusal("MissingKey", "Missing Key-Pair-Id query parameter or cookie value")
UNKNOWN_KEY = Refusal("InvalidKey", "Unknown Key")
MISSING_SIGNATURE = Refusal("MissingSignature", "Missing Signature query parameter or cookie value")
MISSING_POLICY = Refusal("MissingPolicy", "Missing Policy or Expires query parameter or cookie value")
MALFORMED_SIGNATURE = Refusal("MalformedSignature", "Could not unencode Signature")
MALFORMED_POLICY = Refusal("MalformedPolicy", "Malformed Policy")
DENIED = Refusal("AccessDenied", "Access denied")


@lru_cache(256)
def public_key(pem: str) -> Any:
    """An RSA key of 2048 bits or an ECDSA key on P-256; None where the text is neither."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size == 2048 else None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


def refusal(keys: Mapping[str, str], request: Request, now: float) -> Refusal | None:
    """Why the request is refused; None where its signature allows it. `keys` are public keys (PEM) by id."""
    given = _from_query(request.query) or _from_cookies(request)
    identity = given.get("Key-Pair-Id")
    if not identity:
        return MISSING_KEY
    if identity not in keys:
        return UNKNOWN_KEY
    if not given.get("Signature"):
        return MISSING_SIGNATURE
    try:
        signature = _decoded(given["Signature"])
    except ValueError:
        return MALFORMED_SIGNATURE
    try:
        policy = _policy(given, request)
    except _NO_POLICY:
        return MALFORMED_POLICY
    if policy is None:
        return MISSING_POLICY
    hashed = given.get("Hash-Algorithm", "SHA1").upper().replace("-", "")
    if hashed not in _HASHES or not _verified(keys[identity], signature, policy.signed, hashed):
        return DENIED
    return None if policy.allows(_url(request), request.viewer.address, now) else DENIED


def unsigned(query: str) -> str:
    """The query without what signs it, as cache and origin see it."""
    if not query:
        return query
    return "&".join(each for each in query.split("&") if each.partition("=")[0] not in PARAMETERS)


def _from_query(query: str) -> dict[str, str]:
    """The signing parameters; nothing where the URL is not signed."""
    pairs = (each.partition("=") for each in query.split("&"))
    found = {name: value for name, _, value in pairs if name in PARAMETERS}
    return found if "Signature" in found or "Key-Pair-Id" in found else {}


def _from_cookies(request: Request) -> dict[str, str]:
    found = {}
    for name, value in request.headers:
        for crumb in value.split(";") if name.lower() == "cookie" else ():
            key, _, text = crumb.strip().partition("=")
            if key.startswith(COOKIE):
                found[key.removeprefix(COOKIE)] = text
    return found


def _url(request: Request) -> str:
    query = unsigned(request.query)
    scheme = "https" if request.viewer.secure else "http"
    return f"{scheme}://{request.header('host') or ''}{request.uri}" + (f"?{query}" if query else "")


def _decoded(text: str) -> bytes:
    """Raises ValueError."""
    plain = text.translate(_FROM_URL_SAFE)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _policy(given: Mapping[str, str], request: Request) -> _Policy | None:
    """The custom policy, else the canned one, else None. Raises one of `_NO_POLICY`."""
    if "Policy" in given:
        return _custom(_decoded(given["Policy"]))
    if "Expires" not in given:
        return None
    url, until = _url(request), int(given["Expires"])
    condition = f'{{"DateLessThan":{{"AWS:EpochTime":{given["Expires"]}}}}}'
    return _Policy(f'{{"Statement":[{{"Resource":"{url}","Condition":{condition}}}]}}'.encode(), None, until)


def _custom(text: bytes) -> _Policy:
    (statement,) = json.loads(text)["Statement"]
    condition = statement["Condition"]
    if unknown := set(condition) - {"DateLessThan", "DateGreaterThan", "IpAddress"}:
        raise ValueError(f"unknown conditions: {unknown}")
    network = condition["IpAddress"]["AWS:SourceIp"] if "IpAddress" in condition else None
    return _Policy(
        signed=text,
        resource=statement["Resource"] + "" if "Resource" in statement else None,
        until=int(condition["DateLessThan"]["AWS:EpochTime"]),
        since=int(condition["DateGreaterThan"]["AWS:EpochTime"]) if "DateGreaterThan" in condition else None,
        network=ipaddress.ip_network(network, strict=False) if network is not None else None,
    )


@lru_cache(1024)
def _pattern(resource: str) -> re.Pattern[str]:
    """`*` is any characters, `?` one."""
    made = "".join(".*" if each == "*" else "." if each == "?" else re.escape(each) for each in resource)
    return re.compile(made, re.DOTALL)


def _verified(pem: str, signature: bytes, signed: bytes, hashed: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    key = public_key(pem)
    # AWS's default; what it protects is that of this world
    algorithm = hashes.SHA256() if hashed == "SHA256" else hashes.SHA1()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithm))
        else:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True

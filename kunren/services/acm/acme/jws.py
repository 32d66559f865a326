"""JSON Web Signatures as ACME sends them: flattened, one signature (RFC 7515; RFC 8555 6.2). Pure.

Keys are JWKs (RFC 7517) of kinds RSA (2048 bits and more) and EC (P-256, P-384, P-521).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, NamedTuple

from kunren.services.acm.acme.problems import Problem, malformed

_EC = {"ES256": ("P-256", "sha256", 32), "ES384": ("P-384", "sha384", 48), "ES512": ("P-521", "sha512", 66)}
ALGORITHMS = ("RS256", *_EC)
_MACS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
# the members that a key's thumbprint is of, in their order (RFC 7638 3.2)
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}
RSA_BITS_MIN = 2048


class Signed(NamedTuple):
    """A signature taken apart. `payload` are its bytes, `signing_input` what was signed."""

    header: dict[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes

    def text(self, name: str) -> str | None:
        """A header's value where it is text."""
        value = self.header.get(name)
        return value if isinstance(value, str) else None

    def json(self) -> dict[str, Any]:
        """The payload as a JSON object. Raises Problem."""
        return json_object(self.payload, "The payload")


def read(body: bytes | dict[str, Any]) -> Signed:
    """Take a JWS apart. Raises Problem (malformed)."""
    document = body if isinstance(body, dict) else json_object(body, "The request")
    if "header" in document or "signatures" in document:
        raise malformed("The JWS must be flattened and have no unprotected header.")
    parts = [document.get(name) for name in ("protected", "payload", "signature")]
    if not all(isinstance(part, str) for part in parts):
        raise malformed("The JWS must have protected, payload and signature.")
    protected, payload, signature = (str(part) for part in parts)
    header = json_object(decode(protected), "The protected header")
    return Signed(header, decode(payload), f"{protected}.{payload}".encode(), decode(signature))


def verify(signed: Signed, jwk: dict[str, Any]) -> None:
    """Whether that key made the signature. Raises Problem."""
    from cryptography.exceptions import InvalidSignature

    algorithm = signed.text("alg")
    if algorithm not in ALGORITHMS:
        members: dict[str, object] = {"algorithms": list(ALGORITHMS)}
        raise Problem("badSignatureAlgorithm", f"The algorithm {algorithm} is not supported.", members=members)
    try:
        _verify(signed, algorithm, public_key(jwk), jwk)
    except InvalidSignature:
        raise malformed("The JWS has an invalid signature.") from None


def _verify(signed: Signed, algorithm: str, key: Any, jwk: dict[str, Any]) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

    if algorithm == "RS256" and jwk["kty"] == "RSA":
        key.verify(signed.signature, signed.signing_input, padding.PKCS1v15(), hashes.SHA256())
        return
    curve, digest, size = _EC.get(algorithm, ("", "", 0))
    if jwk.get("crv") != curve or len(signed.signature) != 2 * size:
        raise InvalidSignature
    numbers = (int.from_bytes(part) for part in (signed.signature[:size], signed.signature[size:]))
    hashed = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    key.verify(utils.encode_dss_signature(*numbers), signed.signing_input, ec.ECDSA(hashed))


def mac_is_valid(signed: Signed, secret: bytes) -> bool:
    """Whether that secret made the MAC of an external account binding. Raises Problem."""
    digest = _MACS.get(signed.text("alg") or "")
    if digest is None:
        raise malformed(f"The external account binding's algorithm must be one of {', '.join(_MACS)}.")
    return hmac.compare_digest(hmac.digest(secret, signed.signing_input, digest), signed.signature)


def public_key(jwk: dict[str, Any]) -> Any:
    """The key of a JWK, as `cryptography` has it. Raises Problem (badPublicKey)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        if jwk.get("kty") == "RSA":
            key: Any = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
            if key.key_size < RSA_BITS_MIN:
                raise Problem("badPublicKey", f"The RSA key must have at least {RSA_BITS_MIN} bits.")
            return key
        curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[jwk["crv"]]
        if jwk.get("kty") == "EC":
            return ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), curve).public_key()
    except (KeyError, TypeError, ValueError):
        pass
    raise Problem("badPublicKey", "The key must be an RSA key or one on P-256, P-384 or P-521.")


def thumbprint(jwk: dict[str, Any]) -> str:
    """A key's thumbprint (RFC 7638). Raises Problem (badPublicKey)."""
    public_key(jwk)
    kept = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    canonical = json.dumps(kept, separators=(",", ":"), sort_keys=True)
    return encode(hashlib.sha256(canonical.encode()).digest())


def bare(jwk: dict[str, Any]) -> dict[str, str]:
    """The members of a JWK that are its public key."""
    return {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}


def json_object(content: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise malformed(f"{what} is not a JSON object.")
    return value


def encode(content: bytes) -> str:
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Raises Problem (malformed)."""
    try:
        if "=" in text or "+" in text or "/" in text:
            raise ValueError
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise malformed("A part of the JWS is not base64url without padding.") from None


def _number(text: Any) -> int:
    if not isinstance(text, str):
        raise TypeError(text)
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

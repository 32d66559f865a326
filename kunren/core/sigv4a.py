"""Signature version 4a, which one signature makes good for several regions: the key pair that a secret stands for, and
checking. Pure. IAM user guide, "AWS Signature Version 4 for API requests", on asymmetric signatures (SigV4a).

`cryptography` is imported at the first call.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

ALGORITHM = "AWS4-ECDSA-P256-SHA256"
KEYS_MAX = 1024
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@lru_cache(maxsize=KEYS_MAX)
def public_key(access_key: str, secret: str) -> EllipticCurvePublicKey:
    """The public half of the pair derived by NIST SP 800-108, in counter mode, from the secret and the key's id."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

    for counter in range(1, 255):
        fixed = b"\x00\x00\x00\x01" + ALGORITHM.encode() + b"\x00" + access_key.encode() + bytes([counter])
        drawn = hmac.digest(f"AWS4A{secret}".encode(), fixed + b"\x00\x00\x01\x00", "sha256")
        if (number := int.from_bytes(drawn, "big")) <= _ORDER - 2:
            return derive_private_key(number + 1, SECP256R1()).public_key()
    raise ValueError("no key pair can be derived from this secret")


def verifies(access_key: str, secret: str, text: str, signature: str) -> bool:
    """Whether that is a signature (DER, in hexadecimal) of the string to sign."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        public_key(access_key, secret).verify(bytes.fromhex(signature), text.encode(), ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True

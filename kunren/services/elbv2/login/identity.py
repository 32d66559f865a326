"""What targets are told of a user: claims in a JWT, signed with ES256 by the load balancer.

The signature can be verified with the key that `https://public-keys.auth.elb.REGION.amazonaws.com/KEY-ID` answers.
As AWS's, the JWT keeps its base64 padding.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from kunren.core.jwt import decoded


def signed(key: Any, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A JWT by an elliptic-curve private key (P-256)."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    text = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
    r, s = decode_dss_signature(key.sign(text.encode(), ECDSA(SHA256())))
    return f"{text}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def claims_of(jwt: str) -> dict[str, Any]:
    """The claims of a JWT, unverified. Raises ValueError."""
    parts = jwt.split(".")
    if len(parts) != 3:
        raise ValueError("not a JWT")
    claims = json.loads(decoded(parts[1]))
    if not isinstance(claims, dict):
        raise ValueError("claims are an object")
    return claims


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()

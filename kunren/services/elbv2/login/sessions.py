"""What a client carries: a sealed session in cookies of 4 KB, and the sealed state of a login that is under way. Pure,
but for the random nonce of a seal."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from kunren.core.jwt import decoded

SHARD = 4_000
SHARDS = 4


def seal(secret: str, purpose: str, content: Mapping[str, Any]) -> str:
    """Encrypted and authenticated text that only `opened` with the same secret and purpose reads."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    text = AESGCM(_key(secret)).encrypt(nonce, json.dumps(content).encode(), purpose.encode())
    return base64.urlsafe_b64encode(nonce + text).decode().rstrip("=")


def opened(secret: str, purpose: str, text: str) -> dict[str, Any] | None:
    """What was sealed, or None for anything else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        raw = decoded(text)
        content: dict[str, Any] = json.loads(AESGCM(_key(secret)).decrypt(raw[:12], raw[12:], purpose.encode()))
    except (ValueError, InvalidTag):
        return None
    return content


def _key(secret: str) -> bytes:
    return hashlib.sha256(b"session|" + secret.encode()).digest()


def cookies_of(header: str) -> dict[str, str]:
    """The cookies of a Cookie header."""
    pairs = (each.strip().partition("=") for each in header.split(";"))
    return {name: value for name, _, value in pairs}


def joined(cookies: Mapping[str, str], name: str) -> str:
    """The sealed session, from its shards."""
    return "".join(cookies.get(f"{name}-{number}", "") for number in range(SHARDS))


def shards(name: str, sealed: str, expires: str) -> list[tuple[str, str]]:
    """Set-Cookie headers; shards that a session does not need are ended. Raises ValueError for one that is too long."""
    if len(sealed) > SHARD * SHARDS:
        raise ValueError("the session is too long for its cookies")
    made = []
    for number in range(SHARDS):
        part = sealed[number * SHARD : (number + 1) * SHARD]
        until = expires if part else "Thu, 01 Jan 1970 00:00:00 GMT"
        made.append(("set-cookie", f"{name}-{number}={part}; Expires={until}; Path=/; Secure; HttpOnly"))
    return made

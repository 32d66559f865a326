"""Authorization tokens: for twelve hours what a registry takes for a password ("Private registry authentication").

A token says for whom it was given out and until when, sealed by an HMAC: any Kunren with this state knows it again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import NamedTuple

LIFE_S = 12 * 3600
USER = "AWS"


class Holder(NamedTuple):
    """Whom a token was given out to. `access_key` is the one that asked for it, for a session of a role with the role's
    ARN and the session's name; `expires_at` is AWS time. `layer` is the one that it is for, as `layer_name` has it
    ("": all that the holder may do)."""

    account: str
    access_key: str
    expires_at: float
    role: str = ""
    session: str = ""
    layer: str = ""


def layer_name(account: str, region: str, repository: str, digest: str) -> str:
    return f"{account}.{region}/{repository}@{digest}"


class BadToken(Exception):
    """No token of this registry."""


class Expired(Exception):
    """It was one."""


def issue(secret: str, holder: Holder) -> str:
    """The password."""
    payload = base64.b64encode(json.dumps(holder._asdict()).encode()).decode()
    document = {
        "payload": payload, "datakey": _seal(secret, payload), "version": "2", "type": "DATA_KEY",
        "expiration": int(holder.expires_at),
    }  # fmt: skip
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


def verify(secret: str, password: str, now: float, layer: str = "") -> Holder:
    """Who holds a token for that layer, or for the whole registry. Raises BadToken, Expired."""
    try:
        document = json.loads(base64.b64decode(password, validate=True))
        payload = str(document["payload"])
        if not hmac.compare_digest(str(document["datakey"]).encode(), _seal(secret, payload).encode()):
            raise BadToken
        holder = Holder(**json.loads(base64.b64decode(payload)))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadToken from None
    if holder.layer != layer:
        raise BadToken
    if holder.expires_at <= now:
        raise Expired
    return holder


def basic(header: str) -> tuple[str, str] | None:
    """User name and password of an Authorization header; None where it has none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def _seal(secret: str, payload: str) -> str:
    return base64.b64encode(hmac.new(bytes.fromhex(secret), payload.encode(), hashlib.sha256).digest()).decode()
